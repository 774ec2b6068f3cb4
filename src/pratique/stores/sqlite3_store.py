"""Keys and events in the user's own sqlite3 database, in the transaction of the effect."""

import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from threading import local
from typing import Any, Final, TypeVar
from uuid import uuid4
from weakref import WeakSet

from pratique.core.event import Record
from pratique.core.forks import rest_before_fork
from pratique.core.refusal import BoundaryError, StoreBusy, StoreError
from pratique.core.roots import Root, RootKind
from pratique.core.store import AsyncStore, Kept

from . import inbox_statements, schema, statements
from .sql_face import SqlFace, is_used
from .sql_inbox import SqlInbox
from .statements import PROBE, SQLITE, Dialect, Make, Result, Steps

T = TypeVar("T")
_log: Final = logging.getLogger("pratique")
FULL: Final = 2
EXTRA: Final = 3
_OF_A_PARENT: Final[list[Any]] = []
"""Kept for good: to close a connection that came over a fork would touch the parent's file."""


class _Mine:
    """A thread's connection: it ends with the thread."""

    def __init__(self, connection: Any) -> None:
        self.connection, self.pid = connection, os.getpid()

    def end(self) -> None:
        """Close it, unless it is a parent's."""
        if self.pid != os.getpid():
            _OF_A_PARENT.append(self.connection)
            return
        try:
            self.connection.close()
        except Exception as error:  # noqa: BLE001  another thread's closes with its thread
            _log.debug("a connection was left open: %s", type(error).__name__)

    def __del__(self) -> None:
        self.end()


def run(connection: Any, steps: Steps[T]) -> T:
    """Run steps on a connection of sqlite3 or of apsw.

    StoreError for whatever the database says.
    """
    try:
        cursor = connection.cursor()
        if hasattr(cursor, "row_factory"):
            cursor.row_factory = None  # the user's own row factory is the user's
        statement = next(steps)
        while True:
            cursor.execute(*statement)
            rows = cursor.fetchall()
            statement = steps.send(Result(rows, _written(connection, cursor)))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    except (BoundaryError, StoreError):
        raise
    except Exception as error:
        raise store_error(error) from error


def _written(connection: Any, cursor: Any) -> int:
    """Return how many rows the last statement wrote; apsw counts on the connection."""
    count: int = cursor.rowcount if hasattr(cursor, "rowcount") else connection.changes()
    return count


def store_error(error: Exception) -> StoreError:
    """Return a StoreError that names the kind of error, and no value of a statement."""
    code = getattr(error, "sqlite_errorcode", None)
    busy = code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    if busy or type(error).__name__ in ("BusyError", "LockedError"):
        return StoreBusy("the database is locked by another writer")
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    return StoreError(f"SQLite says {name}")


class Sqlite3Store(SqlFace):
    """See `pratique.stores.sqlite3`.

    Its own sync face; an async door runs the whole transaction on one thread.
    """

    name: str = "sqlite"
    transactional: bool = True
    has_session: bool = True
    asynchronous: AsyncStore | None = None

    def __init__(self, connect: Callable[[], Any], *, identity: str = "") -> None:
        self._connect = connect
        self._identity = identity
        self._mine = local()
        self._opened: WeakSet[_Mine] = WeakSet()
        self.inbox = SqlInbox(self.known, self._do)
        rest_before_fork(self, Sqlite3Store._rest)
        self.sync = self
        self.roots: tuple[Root, ...] = (Root(RootKind.STORE, "our own database"),)

    def start(self) -> None:
        """See `SyncStore.start`."""
        connection = self.connection()
        expected = self._identity
        self._identity = self._do(
            lambda: schema.make_tables(SQLITE, uuid4().hex, expected=expected)
        )
        transaction = self.begin()
        run(connection, statements.first_use(SQLITE, (PROBE,), "probe"))
        transaction.rollback()
        if run(connection, statements.is_there(PROBE)):
            self._do(lambda: statements.forget(PROBE))
            message = (
                "the connection of stores.sqlite3(connect) commits each statement by itself: a "
                "rollback undid nothing."
            )
            raise BoundaryError(message)

    def close(self) -> None:
        """Close every connection that this process opened; a parent's is kept."""
        for mine in tuple(self._opened):
            mine.end()
        self._mine = local()

    def _rest(self) -> Callable[[], object]:
        """Close the forking thread's connection to a file, unless its transaction is open.

        Those of other threads are theirs alone to close.
        """
        mine: _Mine | None = getattr(self._mine, "held", None)
        if mine is not None and _is_idle_on_a_file(mine.connection):
            mine.end()
            del self._mine.held
        return bool  # nothing to wake: the next call connects

    def connection(self) -> Any:
        """Return this thread's connection.

        A forked child makes its own and leaves the parent's alone; so does a thread whose handler
        closed it.
        """
        mine: _Mine | None = getattr(self._mine, "held", None)
        if mine is not None and mine.pid == os.getpid() and is_open(mine.connection):
            return mine.connection
        try:
            connection = self._connect()
            if getattr(connection, "autocommit", -1) is False:
                message = (
                    "the connection of stores.sqlite3(connect) has autocommit=False: it is "
                    "always inside a transaction that "
                    "isn't ours. Leave the argument out, or pass isolation_level=None."
                )
                raise BoundaryError(message)  # noqa: TRY301  a mistake of ours is raised as it is
            self._make_durable(connection)
        except BoundaryError:
            raise
        except Exception as error:
            raise store_error(error) from error
        self._mine.held = mine = _Mine(connection)
        self._opened.add(mine)
        return connection

    @staticmethod
    def _make_durable(connection: Any) -> None:
        # WAL with synchronous=NORMAL forgets acknowledged commits when the power fails; FULL does
        # not. A journal that is deleted comes back with the power unless its folder is synced too:
        # EXTRA.
        journal = str(connection.execute("PRAGMA journal_mode").fetchone()[0]).lower()
        level = FULL if journal in ("wal", "memory", "off") else EXTRA
        if int(connection.execute("PRAGMA synchronous").fetchone()[0]) < level:
            connection.execute(f"PRAGMA synchronous = {level}")

    def begin(self) -> "Sqlite3Transaction":
        """See `SyncStore.begin`.

        BEGIN IMMEDIATE: deliveries wait for each other from the first statement.
        """
        connection = self.connection()
        begin_immediate(connection)
        return Sqlite3Transaction(connection)

    def look(self) -> "Sqlite3Transaction":
        """See `SyncStore.look`: whoever isn't known yet takes no write lock."""
        return Sqlite3Transaction(self.connection())

    def known(self) -> Dialect:
        """See `SqlFace.known`."""
        return SQLITE

    def _do(self, make: Make, then: Callable[[Any, Any], object] | None = None) -> Any:
        connection = self.connection()
        begin_immediate(connection)
        try:
            result = run(connection, make())
            if then is not None:
                then(result, connection)
        except BaseException:
            roll_back(connection)
            raise
        if is_used(result):
            roll_back(connection)
        else:
            commit(connection)
        return result

    def _read(self, make: Make) -> Any:
        return run(self.connection(), make())


class Sqlite3Transaction:
    """One transaction on the user's connection, which callables get as `session`."""

    __slots__ = ("_key", "session")

    def __init__(self, connection: Any) -> None:
        self.session = connection
        self._key = b""

    def first_use(self, keys: Sequence[bytes], record: Record) -> bytes | None:
        """See `Transaction.first_use`."""
        self._key = keys[0]
        try:
            used = run(self.session, statements.first_use(SQLITE, keys, record.crossing_id, record))
        except BaseException:
            roll_back(self.session)
            raise
        self._forbid()
        return used

    def keep(self, key: bytes, kept: Kept) -> None:
        """See `Transaction.keep`."""
        run(self.session, statements.keep(key, kept))

    def kept(self, key: bytes) -> Kept | None:
        """See `Transaction.kept`."""
        return run(self.session, statements.kept(key))

    def finish(self, id: str, token: int) -> bool:
        """See `Finishing.finish`."""
        return run(self.session, inbox_statements.done(SQLITE, id, token))

    def lock(self, linked: object) -> None:
        """Lock nothing more: BEGIN IMMEDIATE holds the only write lock."""

    def commit(self) -> None:
        """See `Transaction.commit`."""
        if not is_open(self.session) or not self.session.in_transaction:
            raise BoundaryError(statements.ENDED)
        self._allow()
        # SQLite ends a transaction by itself on INSERT OR ROLLBACK: what comes after has no key.
        if not run(self.session, statements.is_there(self._key)):
            raise BoundaryError(statements.ENDED)
        commit(self.session)

    def rollback(self) -> None:
        """See `Transaction.rollback`."""
        if is_open(self.session):
            self._allow()
            roll_back(self.session)

    def _forbid(self) -> None:
        # The database itself refuses COMMIT, ROLLBACK and BEGIN until we commit; savepoints stay
        # allowed.
        if hasattr(self.session, "set_authorizer"):
            self.session.set_authorizer(_deny_transaction)

    def _allow(self) -> None:
        if hasattr(self.session, "set_authorizer"):
            self.session.set_authorizer(None)


def _deny_transaction(action: int, *_: object) -> int:
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION else sqlite3.SQLITE_OK


def begin_immediate(connection: Any) -> None:
    """Begin with the write lock.

    StoreBusy where another writer has it for longer than the busy timeout.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
    except Exception as error:
        raise store_error(error) from error


def commit(connection: Any) -> None:
    """Commit, or roll back and raise StoreError."""
    try:
        connection.execute("COMMIT")
    except Exception as error:
        roll_back(connection)
        raise store_error(error) from error


def is_open(connection: Any) -> bool:
    """Say whether a connection can still be used."""
    try:
        return connection.in_transaction in (True, False)
    except Exception:  # noqa: BLE001  apsw and sqlite3 each have an exception of their own for it
        return False


def _is_idle_on_a_file(connection: Any) -> bool:
    """Say whether it has a file, which another connection can open again, and no transaction."""
    if not is_open(connection) or connection.in_transaction:
        return False
    cursor = connection.cursor()
    if hasattr(cursor, "row_factory"):
        cursor.row_factory = None
    rows = cursor.execute("PRAGMA database_list").fetchall()
    return any(name == "main" and file for _, name, file in rows)


def roll_back(connection: Any) -> None:
    """Roll back what is open.

    Never raises: a connection that can't is closed, and SQLite undoes it at the next open.
    """
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except Exception:  # noqa: BLE001
        try:
            connection.close()
        except Exception as error:  # noqa: BLE001
            _log.debug("a connection was left open: %s", type(error).__name__)
