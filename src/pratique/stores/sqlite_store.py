"""A file of ours.

WAL, synchronous=FULL, and one writer thread that commits what several callers wait for at once.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from threading import Lock
from types import NoneType
from typing import Any, Final, NoReturn
from uuid import uuid4

from pratique.core.forks import renew_after_fork, rest_before_fork
from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.roots import Root, RootKind

from . import schema, statements
from .sql_face import SqlFace
from .sql_inbox import AsyncSqlInbox, SqlInbox, no_session
from .sqlite_writer import Operation, Writer
from .statements import SQLITE, Dialect, Make, Steps

BUSY_MS: Final = 5_000
WAIT_SECONDS: Final = 30
"""For one commit, the busy timeout and a queue of writers included."""


class SqliteStore(SqlFace):
    """See `pratique.stores.sqlite`. Its own sync face."""

    name: str = "sqlite"
    transactional: bool = False
    has_session: bool = False

    def __init__(
        self, path: str, connect: Callable[[str], Any] | None = None, *, identity: str = ""
    ) -> None:
        self._identity = identity
        self._path = path
        self._open = connect or _connect
        self._lock = Lock()
        self._writer: Writer | None = None
        renew_after_fork(self, _lock=Lock, _writer=NoneType)
        rest_before_fork(self, SqliteStore._rest)
        self._is_closed = False
        self.inbox = SqlInbox(self.known, self._do)
        self.sync = self
        self.asynchronous = _OnLoop(self)
        self.roots: tuple[Root, ...] = (Root(RootKind.STORE, "our file of keys"),)

    def start(self) -> None:
        """See `SyncStore.start`."""
        self._is_closed = False
        expected = self._identity
        self._identity = self.do(lambda: schema.make_tables(SQLITE, uuid4().hex, expected=expected))

    def close(self) -> None:
        """Finish what waits, then close. A forked child never touches its parent's connection."""
        with self._lock:
            self._is_closed = True
            writer, self._writer = self._writer, None
        if writer is not None:
            writer.stop()

    def begin(self) -> NoReturn:
        """Refuse: the user's effect can't join a transaction in this file."""
        message = (
            "stores.sqlite(path) has no transaction for an effect: use stores.sqlite3(connect), "
            "stores.sqlalchemy(Session) or stores.postgres(url)."
        )
        raise BoundaryError(message)

    def look(self) -> NoReturn:
        """Refuse: the user's rows aren't in this file."""
        self.begin()

    def do(self, make: Make) -> Any:
        """Hand steps to the writer and wait until they are on the disk."""
        done = Lock()
        done.acquire()
        operation = Operation(make, done.release)
        self._hand_over(operation)
        if not done.acquire(timeout=WAIT_SECONDS):
            operation.is_withdrawn = True  # what isn't begun never lands
            message = f"the disk took longer than {WAIT_SECONDS} s"
            raise StoreError(message)
        return operation.answer()

    def _do(self, make: Make, then: object = None) -> Any:
        no_session(then)
        return self.do(make)

    async def ado(self, make: Make) -> Any:
        """Do the same without blocking the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def finish() -> None:
            if not future.done():
                future.set_result(None)

        def tell() -> None:
            try:
                loop.call_soon_threadsafe(finish)
            except RuntimeError:
                return  # the loop is gone, and with it whoever waited

        operation = Operation(make, tell)
        self._hand_over(operation)
        try:
            await future
        except asyncio.CancelledError:
            operation.is_withdrawn = (
                True  # what its caller gave up on, and isn't begun, never lands
            )
            raise
        return operation.answer()

    def _hand_over(self, operation: Operation) -> None:
        with self._lock:
            if self._is_closed:
                message = "the store is closed"
                raise StoreError(message)
            if self._writer is None:
                self._writer = Writer(self._connection)
            self._writer.put(operation)

    def _rest(self) -> Callable[[], object]:
        """Finish what waits and close the file; until the fork nobody opens it again."""
        self._lock.acquire()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.stop()
        return self._lock.release

    def _connection(self) -> Any:
        connection = self._open(self._path)
        try:
            self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _set_up(connection: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        mode = str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]).lower()
        connection.execute("PRAGMA synchronous = FULL")
        if mode == "memory":
            message = "stores.sqlite(path) is a file, and this is memory: use stores.memory()."
            raise BoundaryError(message)
        if mode != "wal":
            message = (
                f"the file's journal mode is {mode}, and WAL can't be had there: is it on a "
                f"network disk?"
            )
            raise BoundaryError(message)

    def known(self) -> Dialect:
        """See `SqlFace.known`."""
        return SQLITE

    def first_use(self, keys: Sequence[bytes], crossing_id: str) -> Any:
        """See `SyncStore.first_use`."""
        return self._do(lambda: _all_or_none(keys, crossing_id))


class _OnLoop(SqlFace):
    """The same store on the event loop."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.inbox = AsyncSqlInbox(self.known, self._do)

    async def _do(self, make: Make, then: object = None) -> Any:
        no_session(then)
        return await self._store.ado(make)

    async def start(self) -> None:
        await asyncio.to_thread(self._store.start)

    async def close(self) -> None:
        await asyncio.to_thread(self._store.close)

    async def begin(self) -> NoReturn:
        self._store.begin()

    async def look(self) -> NoReturn:
        self._store.look()

    def known(self) -> Dialect:
        return SQLITE

    def first_use(self, keys: Sequence[bytes], crossing_id: str) -> Any:
        return self._do(lambda: _all_or_none(keys, crossing_id))


def _all_or_none(keys: Sequence[bytes], crossing_id: str) -> Steps[bytes | None]:
    # Several callers share one transaction, so nothing may be undone: look first, where there is
    # more than one key. The writer alone writes, and BEGIN IMMEDIATE keeps other processes out.
    used = (yield from statements.used_before(SQLITE, keys, crossing_id)) if len(keys) > 1 else None
    if used is not None:
        return used
    return (yield from statements.first_use(SQLITE, keys, crossing_id))


def _connect(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)
