"""A file of ours.

WAL, synchronous=FULL, and one writer thread that commits what several callers wait for at once.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from types import NoneType
from typing import Any, Final, NoReturn
from uuid import uuid4

from pratique.core.event import Record
from pratique.core.forks import renew_after_fork, rest_before_fork
from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.roots import Root, RootKind
from pratique.core.store import Counted, HoldAnswer, Stale, Swept

from . import ageing, schema, statements
from .sql_inbox import AsyncSqlInbox, Make, SqlInbox, no_session
from .sqlite_writer import Operation, Writer
from .statements import SQLITE, Steps

BUSY_MS: Final = 5_000
WAIT_SECONDS: Final = 30
"""For one commit, the busy timeout and a queue of writers included."""


class SqliteStore:
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
        self.inbox = SqlInbox(lambda: SQLITE, self._do)
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
            "stores.sqlite(path) has no transaction for an effect: use stores.sqlite3(connect) "
            "or stores.sqlalchemy."
        )
        raise BoundaryError(message)

    def look(self) -> NoReturn:
        """Refuse: the user's rows aren't in this file."""
        self.begin()

    def do(self, steps: Callable[[], Steps[Any]]) -> Any:
        """Hand steps to the writer and wait until they are on the disk."""
        done = Lock()
        done.acquire()
        operation = Operation(steps, done.release)
        self._hand_over(operation)
        if not done.acquire(timeout=WAIT_SECONDS):
            operation.is_withdrawn = True  # what isn't begun never lands
            message = f"the disk took longer than {WAIT_SECONDS} s"
            raise StoreError(message)
        return operation.answer()

    def _do(self, make: Make, then: object = None) -> Any:
        no_session(then)
        return self.do(make)

    async def ado(self, steps: Callable[[], Steps[Any]]) -> Any:
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

        operation = Operation(steps, tell)
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

    def count(self, key: bytes, window: timedelta) -> Counted:
        """See `SyncStore.count`."""
        return self.do(lambda: statements.count(SQLITE, key, window))  # type: ignore[no-any-return]

    def uncount(self, key: bytes, times: int) -> None:
        """See `SyncStore.uncount`."""
        self.do(lambda: statements.uncount(key, times))

    def first_use(self, keys: Sequence[bytes], crossing_id: str) -> bytes | None:
        """See `SyncStore.first_use`."""
        return self.do(lambda: _all_or_none(keys, crossing_id))  # type: ignore[no-any-return]

    def hold(
        self, key: bytes, *, lease: timedelta, fingerprint: bytes = b"", crossing_id: str = ""
    ) -> HoldAnswer:
        """See `SyncStore.hold`."""
        return self.do(  # type: ignore[no-any-return]
            lambda: statements.hold(
                SQLITE, key, lease=lease, fingerprint=fingerprint, crossing_id=crossing_id
            )
        )

    def settle(
        self, key: bytes, token: int, result: bytes = b"", *, record: Record | None = None
    ) -> bool:
        """See `SyncStore.settle`."""
        return self.do(lambda: statements.settle(key, token, result, record))  # type: ignore[no-any-return]

    def release(self, key: bytes, token: int) -> bool:
        """See `SyncStore.release`."""
        return self.do(lambda: statements.release(key, token))  # type: ignore[no-any-return]

    def record_refusal(self, record: Record, key: bytes, content: bytes | None) -> None:
        """See `SyncStore.record_refusal`."""
        self.do(lambda: statements.one(statements.refusal(record, key, content)))

    def find(self, crossing_id: str) -> Record | None:
        """See `SyncStore.find`."""
        return self.do(lambda: statements.find(crossing_id))  # type: ignore[no-any-return]

    def revoke(self, key: bytes, *, until: datetime, kept: timedelta) -> None:
        """See `SyncStore.revoke`."""
        self.do(lambda: ageing.revoke(SQLITE, key, until, kept))

    def revoked(self, keys: Sequence[bytes]) -> dict[bytes, datetime]:
        """See `SyncStore.revoked`."""
        return self.do(lambda: ageing.revoked(keys))  # type: ignore[no-any-return]

    def sweep(self, what: Stale, *, after: bytes, most: int) -> Swept:
        """See `SyncStore.sweep`."""
        return self.do(lambda: ageing.sweep(SQLITE, what, after, most))  # type: ignore[no-any-return]

    def forget_contents(self, *, kept: timedelta, most: int) -> int:
        """See `Forgetting.forget_contents`."""
        return self.do(lambda: ageing.forget_contents(SQLITE, kept, most))  # type: ignore[no-any-return]


class _OnLoop:
    """The same store on the event loop."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.inbox = AsyncSqlInbox(lambda: SQLITE, self._do)

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

    async def count(self, key: bytes, window: timedelta) -> Counted:
        return await self._store.ado(lambda: statements.count(SQLITE, key, window))  # type: ignore[no-any-return]

    async def uncount(self, key: bytes, times: int) -> None:
        await self._store.ado(lambda: statements.uncount(key, times))

    async def first_use(self, keys: Sequence[bytes], crossing_id: str) -> bytes | None:
        return await self._store.ado(lambda: _all_or_none(keys, crossing_id))  # type: ignore[no-any-return]

    async def hold(
        self, key: bytes, *, lease: timedelta, fingerprint: bytes = b"", crossing_id: str = ""
    ) -> HoldAnswer:
        return await self._store.ado(  # type: ignore[no-any-return]
            lambda: statements.hold(
                SQLITE, key, lease=lease, fingerprint=fingerprint, crossing_id=crossing_id
            )
        )

    async def settle(
        self, key: bytes, token: int, result: bytes = b"", *, record: Record | None = None
    ) -> bool:
        return await self._store.ado(lambda: statements.settle(key, token, result, record))  # type: ignore[no-any-return]

    async def release(self, key: bytes, token: int) -> bool:
        return await self._store.ado(lambda: statements.release(key, token))  # type: ignore[no-any-return]

    async def record_refusal(self, record: Record, key: bytes, content: bytes | None) -> None:
        await self._store.ado(lambda: statements.one(statements.refusal(record, key, content)))

    async def find(self, crossing_id: str) -> Record | None:
        return await self._store.ado(lambda: statements.find(crossing_id))  # type: ignore[no-any-return]

    async def revoke(self, key: bytes, *, until: datetime, kept: timedelta) -> None:
        await self._store.ado(lambda: ageing.revoke(SQLITE, key, until, kept))

    async def revoked(self, keys: Sequence[bytes]) -> dict[bytes, datetime]:
        return await self._store.ado(lambda: ageing.revoked(keys))  # type: ignore[no-any-return]

    async def sweep(self, what: Stale, *, after: bytes, most: int) -> Swept:
        return await self._store.ado(lambda: ageing.sweep(SQLITE, what, after, most))  # type: ignore[no-any-return]

    async def forget_contents(self, *, kept: timedelta, most: int) -> int:
        return await self._store.ado(lambda: ageing.forget_contents(SQLITE, kept, most))  # type: ignore[no-any-return]


def _all_or_none(keys: Sequence[bytes], crossing_id: str) -> Steps[bytes | None]:
    # Several callers share one transaction, so nothing may be undone: look first, where there is
    # more than one key. The writer alone writes, and BEGIN IMMEDIATE keeps other processes out.
    used = (yield from statements.used_before(SQLITE, keys, crossing_id)) if len(keys) > 1 else None
    if used is not None:
        return used
    return (yield from statements.first_use(SQLITE, keys, crossing_id))


def _connect(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)
