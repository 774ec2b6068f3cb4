"""The connections of one policy: kept by origin, each used by one fetch at a time.

One fetch at a time also over HTTP/2: a wait takes the budget of the fetch that waits, so that a
fetch which hangs would end the answers of all others on its connection.
"""

import ssl
from collections.abc import Set as AbstractSet
from threading import Lock
from typing import Any, Final, Generic, Protocol, TypeVar

from pratique.core.forks import generation, renew_after_fork
from pratique.fetch.credential import Credentials
from pratique.fetch.lookup import Lookup

from .asked import Key, origin_of
from .core import httpcore
from .dial import AsyncGuardedBackend, GuardedBackend, Judge

C = TypeVar("C", httpcore.HTTPConnection, httpcore.AsyncHTTPConnection)
KEPT: Final = 100
"""Connections that wait for the next fetch; more are closed."""
KEPT_SECONDS: Final = 15.0


class Policy(Judge, Protocol):
    """What a pool needs of a policy."""

    @property
    def protocols(self) -> AbstractSet[str]:
        """Return the ALPN ids that are offered."""
        ...

    @property
    def credentials_of(self) -> Credentials:
        """Return what proves us, by origin."""
        ...


class Kept(Generic[C]):
    """A connection of a pool, with what is asked of it again and again."""

    __slots__ = ("connection", "generation", "key", "origin", "stream")

    def __init__(self, key: Key, origin: httpcore.Origin, connection: C) -> None:
        self.key = key
        self.origin = origin
        self.connection: C = connection
        self.generation = generation()
        self.stream: Any = None
        """What it reads from, once something was read."""

    def is_stale(self, *, is_h2: bool) -> bool:
        """Say whether it can't be used again: too old, ended by its peer, or spoken on unasked.

        httpcore looks for the last one over HTTP/1.1 alone.
        """
        return self.connection.has_expired() or (
            is_h2 and self.stream is not None and bool(self.stream.get_extra_info("is_readable"))
        )

    def is_waiting(self) -> bool:
        """Say whether its last answer was read to its end, and nothing was read beyond it.

        And whether it is this process's: a parent still speaks over what was made before a fork.
        """
        kept, is_ours = self.connection, self.generation == generation()
        return is_ours and kept.is_idle() and not kept.is_closed() and not _has_more(kept)


def _has_more(connection: Any) -> bool:
    """Say whether an answer that nobody asked for was read with the last one (CWE-444).

    It would be taken for the answer to the next question. httpcore leaves it in h11's buffer.
    """
    state = getattr(getattr(connection, "_connection", None), "_h11_state", None)
    return state is not None and bool(state.trailing_data[0])


class _Connections(Generic[C]):
    """Those that wait. Never shared: another policy admits other addresses."""

    def __init__(self, policy: Policy) -> None:
        self.credentials = policy.credentials_of
        self._is_h1, self._is_h2 = "http/1.1" in policy.protocols, "h2" in policy.protocols
        self._idle: dict[Key, list[Kept[C]]] = {}
        self._count = 0
        self._context: ssl.SSLContext | None = None

    def _popped(self, key: Key) -> Kept[C] | None:
        waiting = self._idle.get(key)
        if not waiting:
            return None
        kept = waiting.pop()
        self._count -= 1
        if not waiting:
            del self._idle[key]
        return kept

    def _is_put(self, kept: Kept[C]) -> bool:
        if self._count >= KEPT:
            return False
        self._idle.setdefault(kept.key, []).append(kept)
        self._count += 1
        return True

    def _emptied(self) -> list[Kept[C]]:
        waiting, self._idle, self._count = self._idle, {}, 0
        return [kept for of_one in waiting.values() for kept in of_one]

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = tls_context()
        return self._context


class Pool(_Connections[httpcore.HTTPConnection]):
    """The connections of one policy, for all threads of a process."""

    def __init__(self, policy: Policy, lookup: Lookup) -> None:
        super().__init__(policy)
        self._backend = GuardedBackend(policy, lookup)
        self._lock = Lock()
        # The parent still speaks over those that wait.
        renew_after_fork(self, _idle=dict, _count=int, _lock=Lock)

    def take(self, key: Key) -> Kept[httpcore.HTTPConnection]:
        """Return a connection for one fetch: one that waits, else a new one, not yet connected."""
        while True:
            with self._lock:
                kept = self._popped(key)
            if kept is None:
                origin = origin_of(key)
                made = httpcore.HTTPConnection(
                    origin,
                    self._tls(),
                    KEPT_SECONDS,
                    self._is_h1,
                    self._is_h2,
                    network_backend=self._backend,
                )
                return Kept(key, origin, made)
            if not kept.is_stale(is_h2=self._is_h2):
                return kept
            kept.connection.close()

    def give(self, kept: Kept[httpcore.HTTPConnection]) -> None:
        """Take a connection back; one whose answer wasn't read to its end is closed."""
        if kept.is_waiting():
            with self._lock:
                if self._is_put(kept):
                    return
        kept.connection.close()

    def close(self) -> None:
        """Close every connection that waits."""
        with self._lock:
            waiting = self._emptied()
        for kept in waiting:
            kept.connection.close()


class AsyncPool(_Connections[httpcore.AsyncHTTPConnection]):
    """The same for one event loop at a time."""

    def __init__(self, policy: Policy, lookup: Lookup) -> None:
        super().__init__(policy)
        self._backend = AsyncGuardedBackend(policy, lookup)
        self._of: tuple[object, int] = (None, 0)

    async def take(self, key: Key, loop: object) -> Kept[httpcore.AsyncHTTPConnection]:
        """Return a connection of this loop and process; another one begins with none."""
        if self._of != (loop, generation()):
            self._idle, self._count, self._of = {}, 0, (loop, generation())
        while True:
            kept = self._popped(key)
            if kept is None:
                origin = origin_of(key)
                made = httpcore.AsyncHTTPConnection(
                    origin,
                    self._tls(),
                    KEPT_SECONDS,
                    self._is_h1,
                    self._is_h2,
                    network_backend=self._backend,
                )
                return Kept(key, origin, made)
            if not kept.is_stale(is_h2=self._is_h2):
                return kept
            await kept.connection.aclose()

    async def give(self, kept: Kept[httpcore.AsyncHTTPConnection], loop: object) -> None:
        """See `Pool.give`."""
        is_ours = self._of == (loop, generation())
        if not (is_ours and kept.is_waiting() and self._is_put(kept)):
            await kept.connection.aclose()

    async def close(self) -> None:
        """Close every connection that waits."""
        for kept in self._emptied():
            await kept.connection.aclose()


def tls_context() -> ssl.SSLContext:
    """Return the context that checks a host's certificate and name, by the system's own CAs."""
    return ssl.create_default_context()
