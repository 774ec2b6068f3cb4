"""A Redis: keys held by a lease around the effect, judged by the server's own clock."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn

from pratique.core.event import Record
from pratique.core.refusal import BoundaryError
from pratique.core.roots import Root, RootKind
from pratique.core.store import Stale
from pratique.core.waiver import Waiver

from . import starting, steps
from .inbox import RedisInbox
from .link import AsyncLink, Expected, Link
from .nodes import plain
from .starting import require_waiver
from .talk import Talker

NO_TRANSACTION = (
    "stores.redis(url) has no transaction for an effect: use stores.postgres(url), "
    "stores.sqlalchemy(Session) or stores.sqlite3(connect)."
)


class _Face(ABC):
    """What both faces promise, in the words of either: what `_do` gives is awaited or is there."""

    @abstractmethod
    def _do(self, asked: steps.Steps[Any]) -> Any:
        """Carry steps out."""

    def count(self, key: bytes, window: timedelta) -> Any:
        """See `SyncStore.count`."""
        return self._do(steps.count(key, window))

    def uncount(self, key: bytes, times: int) -> Any:
        """See `SyncStore.uncount`."""
        return self._do(steps.uncount(key, times))

    def first_use(self, keys: Sequence[bytes], crossing_id: str) -> Any:
        """See `SyncStore.first_use`. Several keys are held first, then settled one by one."""
        return self._do(steps.first_use(keys, crossing_id))

    def hold(
        self, key: bytes, *, lease: timedelta, fingerprint: bytes = b"", crossing_id: str = ""
    ) -> Any:
        """See `SyncStore.hold`."""
        return self._do(steps.hold(key, lease, fingerprint, crossing_id))

    def settle(
        self, key: bytes, token: int, result: bytes = b"", *, record: Record | None = None
    ) -> Any:
        """See `SyncStore.settle`."""
        return self._do(steps.settle(key, token, result, record))

    def release(self, key: bytes, token: int) -> Any:
        """See `SyncStore.release`."""
        return self._do(steps.release(key, token))

    def record_refusal(self, record: Record, key: bytes, content: bytes | None) -> Any:
        """See `SyncStore.record_refusal`."""
        return self._do(steps.record_refusal(record, key, content))

    def find(self, crossing_id: str) -> Any:
        """See `SyncStore.find`."""
        return self._do(steps.find(crossing_id))

    def revoke(self, key: bytes, *, until: datetime, kept: timedelta) -> Any:
        """See `SyncStore.revoke`."""
        return self._do(steps.revoke(key, until, kept))

    def revoked(self, keys: Sequence[bytes]) -> Any:
        """See `SyncStore.revoked`."""
        return self._do(steps.revoked(keys))

    def sweep(self, what: Stale, *, after: bytes, most: int) -> Any:
        """See `SyncStore.sweep`. `last` is a place, not a key; each key goes by itself."""
        return self._do(steps.sweep(what, after, most))

    def forget_contents(self, *, kept: timedelta, after: bytes, most: int) -> Any:
        """See `Forgetting.forget_contents`; as in `sweep`, `last` is a place."""
        return self._do(steps.forget_contents(kept, after, most))


class RedisStore(_Face):
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
        self.inbox = RedisInbox(self._do)
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
        """See `SyncStore.start`. One that is refused leaves no connection open."""
        self._link.reopen()
        try:
            self.expected.identity = self._link.do(self.starting())
        except BaseException:
            self._link.close()
            raise

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

    def _do(self, asked: steps.Steps[Any]) -> Any:
        require_waiver(self.waived)
        return self._link.do(asked)


class _OnLoop(_Face):
    """The same store on the event loop."""

    def __init__(self, store: RedisStore, link: AsyncLink) -> None:
        self._store, self._link = store, link
        self.inbox = RedisInbox(self._do)

    async def start(self) -> None:
        await self._link.reopen()
        try:
            self._store.expected.identity = await self._link.do(self._store.starting())
        except BaseException:
            await self._link.close()
            raise

    async def close(self) -> None:
        await self._link.close()
        self._store.close()  # what threads had open: the start may have been one

    async def begin(self) -> NoReturn:
        self._store.begin()

    async def look(self) -> NoReturn:
        self._store.look()

    async def _do(self, asked: steps.Steps[Any]) -> Any:
        require_waiver(self._store.waived)
        return await self._link.do(asked)
