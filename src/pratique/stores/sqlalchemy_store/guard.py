"""What is checked of a user's session at start, and what keeps our transaction ours."""

import os
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn, Self
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Engine, event, text
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from pratique.core.forks import rest_before_fork
from pratique.core.refusal import BoundaryError
from pratique.stores.durable import check_durable
from pratique.stores.guarding import ends_it, locks_all

_GUARD: Final = "pratique.guard"
_watched: Final[WeakSet[Engine]] = WeakSet()
_guards: Final[WeakKeyDictionary[Connection, "Guard"]] = WeakKeyDictionary()
_of_a_parent: Final[list[Any]] = []


def _leave_the_parents_connections() -> None:
    """Give each engine a new pool in a forked child.

    Two processes on one socket read each other's answers: "used before" for a key that is new.
    """
    for engine in tuple(_watched):
        _of_a_parent.append(engine.pool)  # collected, it would close what the parent uses
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_leave_the_parents_connections)


def _close_what_is_idle(engine: Engine) -> Callable[[], object]:
    engine.dispose()
    return bool  # nothing to wake: the next session connects


class Guard:
    """Stands on a session while a handler runs.

    Whoever else ends its transaction is refused before it happens.
    """

    __slots__ = ("_marked", "is_armed", "is_broken", "reads")

    def __init__(self) -> None:
        self._marked: list[Any] = []
        self.is_armed = False
        self.is_broken = False
        self.reads: list[str] = []

    @classmethod
    def on(cls, session: Session) -> Self:
        """Put a guard on the session's connection, and on each that it begins later.

        After a rollback it takes another.
        """
        guard = cls()
        guard._mark(session.connection())
        session.info[_GUARD] = guard
        return guard

    def off(self) -> None:
        """Take it away."""
        self.is_armed = False
        for info in self._marked:
            if info.get(_GUARD) is self:
                del info[_GUARD]
        self._marked.clear()

    def refuse(self, connection: Connection) -> NoReturn:
        """Undo what is open at once, then raise.

        A transaction whose commit raised counts as over: closed, its connection would go back to
        the pool with our statements in it, and whoever has it next would commit them.
        """
        self.is_broken = True
        connection.dialect.do_rollback(connection.connection)
        raise BoundaryError(
            "a handler ended its own transaction: its effect and its single use would be two "
            "commits. "
            "Leave the commit to pratique; savepoints (begin_nested) are fine."
        )

    def locked(self, tables: Iterable[str]) -> bool:
        """Say whether each statement that read one of the tables locked what it read."""
        return locks_all(self.reads, tables)

    def follow(self, connection: Connection) -> None:
        """Stand on another connection of the session, where its handler has one begun."""
        if self.is_armed:
            self._mark(connection)

    def _mark(self, connection: Connection) -> None:
        info = connection.info
        info[_GUARD] = _guards[connection] = self
        self._marked.append(info)


def guard_engine(engine: Engine, session_type: type[Session]) -> None:
    """Watch an engine and a type of session, once."""
    _watched.add(engine)
    if engine.dialect.name == "sqlite" and type(engine.pool) is QueuePool:  # it has a file
        rest_before_fork(engine, _close_what_is_idle)
    if not event.contains(engine, "commit", _on_commit):
        event.listen(engine, "commit", _on_commit)
        event.listen(engine, "rollback", _on_rollback)
        event.listen(engine, "before_cursor_execute", _on_statement)
        event.listen(engine, "handle_error", _on_error)
    if not event.contains(session_type, "after_begin", _on_begin):
        event.listen(session_type, "after_begin", _on_begin)


def _on_begin(session: Session, _transaction: Any, connection: Connection) -> None:
    guard = session.info.get(_GUARD)
    if guard is not None:
        guard.follow(connection)


def _on_commit(connection: Connection) -> None:
    guard = connection.info.get(_GUARD)
    if guard is not None and guard.is_armed:
        guard.refuse(connection)


def _on_rollback(connection: Connection) -> None:
    guard = _guard_of(connection)
    if guard is not None and guard.is_armed:
        guard.is_broken = True


def _guard_of(connection: Connection) -> Guard | None:
    """Return who watches a connection, also where the database is gone.

    An invalidated connection has no `info`: to ask for it raises, in the middle of SQLAlchemy's own
    rollback, and hides why the database was lost.
    """
    if connection.invalidated:
        return _guards.get(connection)
    found: Guard | None = connection.info.get(_GUARD)
    return found


def _on_error(context: ExceptionContext) -> None:
    # SQLite ends a transaction by itself on INSERT OR ROLLBACK: what comes after it has no key.
    connection = context.connection
    if connection is None:
        return
    guard = _guard_of(connection)
    if guard is None or not guard.is_armed:
        return
    # A connection that is lost has taken its transaction with it.
    if context.is_disconnect or connection.invalidated or not driver_is_inside(connection):
        guard.is_broken = True


def driver_is_inside(connection: Connection) -> bool:
    """Ask the driver, without a round trip: a transaction may have ended beneath SQLAlchemy."""
    driver: Any = connection.connection.driver_connection
    if hasattr(driver, "is_in_transaction"):  # asyncpg
        return bool(driver.is_in_transaction())
    if hasattr(driver, "in_transaction"):  # sqlite3, aiosqlite
        return bool(driver.in_transaction)
    if hasattr(driver, "info"):  # psycopg: 0 is idle
        return bool(driver.info.transaction_status != 0)
    return True


def _on_statement(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    guard = connection.info.get(_GUARD)
    if guard is None:
        return
    if guard.is_armed and ends_it(statement):
        guard.refuse(connection)
    guard.reads.append(statement)


def check_session(session: Session) -> Engine:
    """Return the engine of a session.

    BoundaryError where one transaction couldn't hold effect and single use.
    """
    custom = type(session).get_bind is not Session.get_bind
    found: Any = getattr(session, "_Session__binds", None) or getattr(session, "binds", None)
    binds: dict[Any, Any] = found or {}  # SQLAlchemy 2.0, 2.1
    engines = {id(bind) for bind in (*binds.values(), session.bind) if bind is not None}
    if custom or len(engines) > 1:
        message = (
            "the session chooses between several databases (binds= or an own get_bind, a read "
            "replica?): link and allow could "
            "read another one than the effect writes. Give pratique a sessionmaker on the one "
            "that is written."
        )
        raise BoundaryError(message)
    if session.twophase:
        message = "the session commits in two phases. Give pratique a plain one."
        raise BoundaryError(message)
    engine = session.connection().engine
    if engine.dialect.driver == "pysqlite_numeric":
        message = "the driver pysqlite_numeric is not known."
        raise BoundaryError(message)
    return engine


def check_session_is_durable(session: Session, dialect: str) -> None:
    """Refuse a database that may forget an acknowledged commit, or that can't be written."""
    check_durable(dialect, lambda statement: session.execute(text(statement)).all())
