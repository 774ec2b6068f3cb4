"""A Redis: keys held by a lease around the effect, judged by the server's own clock."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NoReturn, TypeVar

from pratique.core.event import Record
from pratique.core.refusal import BoundaryError
from pratique.core.roots import Root, RootKind
from pratique.core.store import Counted, HoldAnswer, Stale, Swept
from pratique.core.waiver import Waiver

from . import starting, steps
from .link import AsyncLink, Expected, Link
from .nodes import plain
from .starting import require_waiver
from .talk import Talker

T = TypeVar("T")
NO_TRANSACTION = (
    "stores.redis(url) has no transaction for an effect: use stores.postgres(url), "
    "stores.sqlalchemy(Session) or stores.sqlite3(connect)."
)


class RedisStore:
    """See `pratique.stores.redis`. Its own sync face."""

    name: str = "redis"
    transactional: bool = False
    has_session: bool = False

    def __init__(
        self,
        url: str,
        *,
        identity: str,
        timeout: timedelta,
        declared: Mapping[str, str] | None,
        waived: Waiver | None,
    ) -> None:
        if timeout <= timedelta(0):
            message = f"stores.redis(timeout={timeout}) is not above zero."
            raise BoundaryError(message)
        self._declared, self.waived = declared, waived
        self._wanted, self.expected = identity, Expected()
        seconds, has_nodes = timeout.total_seconds(), plain(url) is not None
        self._link = Link(url, Talker(seconds, has_nodes=has_nodes), self.expected)
        self.sync = self
        on_loop = AsyncLink(url, Talker(seconds, has_nodes=has_nodes), self.expected)
        self.asynchronous = _OnLoop(self, on_loop)
        what = "Redis" if waived is None else f"Redis that may forget ({waived.owner})"
        self.roots: tuple[Root, ...] = (Root(RootKind.STORE, what),)

    @property
    def identity(self) -> str:
        """Return which store it is; "" before the start."""
        return self.expected.identity

    def start(self) -> None:
        """See `SyncStore.start`."""
        self._link.reopen()
        self.expected.identity = self._link.do(self.starting())

    def starting(self) -> steps.Steps[str]:
        """Return what is asked at the start."""
        return starting.start(
            self._wanted or self.expected.identity, declared=self._declared, waived=self.waived
        )

    def close(self) -> None:
        """Let go of every connection."""
        self._link.close()

    def begin(self) -> NoReturn:
        """Refuse: the user's effect can't join a transaction in Redis."""
        raise BoundaryError(NO_TRANSACTION)

    def look(self) -> NoReturn:
        """Refuse: the user's rows aren't in Redis."""
        raise BoundaryError(NO_TRANSACTION)

    def count(self, key: bytes, window: timedelta) -> Counted:
        """See `SyncStore.count`."""
        return self._do(steps.count(key, window))

    def uncount(self, key: bytes, times: int) -> None:
        """See `SyncStore.uncount`."""
        self._do(steps.uncount(key, times))

    def first_use(self, keys: Sequence[bytes], crossing_id: str) -> bytes | None:
        """See `SyncStore.first_use`. Several keys are held first, then settled one by one."""
        return self._do(steps.first_use(keys, crossing_id))

    def hold(
        self, key: bytes, *, lease: timedelta, fingerprint: bytes = b"", crossing_id: str = ""
    ) -> HoldAnswer:
        """See `SyncStore.hold`."""
        return self._do(steps.hold(key, lease, fingerprint, crossing_id))

    def settle(
        self, key: bytes, token: int, result: bytes = b"", *, record: Record | None = None
    ) -> bool:
        """See `SyncStore.settle`."""
        return self._do(steps.settle(key, token, result, record))

    def release(self, key: bytes, token: int) -> bool:
        """See `SyncStore.release`."""
        return self._do(steps.release(key, token))

    def record_refusal(self, record: Record, key: bytes, content: bytes | None) -> None:
        """See `SyncStore.record_refusal`."""
        self._do(steps.record_refusal(record, key, content))

    def find(self, crossing_id: str) -> Record | None:
        """See `SyncStore.find`."""
        return self._do(steps.find(crossing_id))

    def revoke(self, key: bytes, *, until: datetime, kept: timedelta) -> None:
        """See `SyncStore.revoke`."""
        self._do(steps.revoke(key, until, kept))

    def revoked(self, keys: Sequence[bytes]) -> dict[bytes, datetime]:
        """See `SyncStore.revoked`."""
        return self._do(steps.revoked(keys))

    def sweep(self, what: Stale, *, after: bytes, most: int) -> Swept:
        """See `SyncStore.sweep`. `last` is a place, not a key; each key goes by itself."""
        return self._do(steps.sweep(what, after, most))

    def _do(self, asked: steps.Steps[T]) -> T:
        require_waiver(self.waived)
        return self._link.do(asked)


class _OnLoop:
    """The same store on the event loop."""

    def __init__(self, store: RedisStore, link: AsyncLink) -> None:
        self._store, self._link = store, link

    async def start(self) -> None:
        await self._link.reopen()
        self._store.expected.identity = await self._link.do(self._store.starting())

    async def close(self) -> None:
        await self._link.close()

    async def begin(self) -> NoReturn:
        self._store.begin()

    async def look(self) -> NoReturn:
        self._store.look()

    async def count(self, key: bytes, window: timedelta) -> Counted:
        return await self._do(steps.count(key, window))

    async def uncount(self, key: bytes, times: int) -> None:
        await self._do(steps.uncount(key, times))

    async def first_use(self, keys: Sequence[bytes], crossing_id: str) -> bytes | None:
        return await self._do(steps.first_use(keys, crossing_id))

    async def hold(
        self, key: bytes, *, lease: timedelta, fingerprint: bytes = b"", crossing_id: str = ""
    ) -> HoldAnswer:
        return await self._do(steps.hold(key, lease, fingerprint, crossing_id))

    async def settle(
        self, key: bytes, token: int, result: bytes = b"", *, record: Record | None = None
    ) -> bool:
        return await self._do(steps.settle(key, token, result, record))

    async def release(self, key: bytes, token: int) -> bool:
        return await self._do(steps.release(key, token))

    async def record_refusal(self, record: Record, key: bytes, content: bytes | None) -> None:
        await self._do(steps.record_refusal(record, key, content))

    async def find(self, crossing_id: str) -> Record | None:
        return await self._do(steps.find(crossing_id))

    async def revoke(self, key: bytes, *, until: datetime, kept: timedelta) -> None:
        await self._do(steps.revoke(key, until, kept))

    async def revoked(self, keys: Sequence[bytes]) -> dict[bytes, datetime]:
        return await self._do(steps.revoked(keys))

    async def sweep(self, what: Stale, *, after: bytes, most: int) -> Swept:
        return await self._do(steps.sweep(what, after, most))

    async def _do(self, asked: steps.Steps[T]) -> T:
        require_waiver(self._store.waived)
        return await self._link.do(asked)
