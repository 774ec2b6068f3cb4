"""The connections of one policy: kept by origin, each used by one fetch at a time.

One fetch at a time also over HTTP/2: a wait takes the budget of the fetch that waits, so that a
fetch which hangs would end the answers of all others on its connection.
"""

import os
import ssl
from collections.abc import Set as AbstractSet
from threading import Lock
from typing import Any, Final, Protocol

import httpcore

from pratique.fetch.credential import Credentials
from pratique.fetch.lookup import Lookup

from .dial import AsyncGuardedBackend, GuardedBackend, Judge

KEPT: Final = 100
"""Connections that wait for the next fetch; more are closed."""
KEPT_SECONDS: Final = 15.0


_Key = tuple[bytes, bytes, int]


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


class Pool:
    """The connections of one policy. Never shared: another policy admits other addresses."""

    def __init__(self, policy: Policy, lookup: Lookup) -> None:
        self._backend = GuardedBackend(policy, lookup)
        self._protocols = policy.protocols
        self.credentials = policy.credentials_of
        self._is_h2 = "h2" in policy.protocols
        self._idle: dict[_Key, list[tuple[httpcore.HTTPConnection, Any]]] = {}
        self._count = 0
        self._pid = os.getpid()
        self._lock = Lock()
        self._context: ssl.SSLContext | None = None

    def take(self, origin: httpcore.Origin) -> httpcore.HTTPConnection:
        """Return a connection for one fetch: one that waits, else a new one, not yet connected."""
        if self._pid != os.getpid():
            self._forget()
        while True:
            with self._lock:
                waiting = self._idle.get(_key(origin))
                if not waiting:
                    break
                connection, stream = waiting.pop()
                self._count -= 1
                if not waiting:
                    del self._idle[_key(origin)]
            if not connection.has_expired() and not self._has_news(stream):
                return connection
            connection.close()
        if self._context is None:
            self._context = tls_context()
        return httpcore.HTTPConnection(
            origin,
            self._context,
            KEPT_SECONDS,
            network_backend=self._backend,
            **_versions(self._protocols),
        )

    def give(
        self, connection: httpcore.HTTPConnection, origin: httpcore.Origin, stream: Any
    ) -> None:
        """Take a connection back; one whose answer wasn't read to its end is closed."""
        if connection.is_idle() and not connection.is_closed() and self._pid == os.getpid():
            with self._lock:
                if self._count < KEPT:
                    self._idle.setdefault(_key(origin), []).append((connection, stream))
                    self._count += 1
                    return
        connection.close()

    def close(self) -> None:
        """Close every connection that waits."""
        if self._pid != os.getpid():
            self._forget()
        with self._lock:
            waiting, self._idle, self._count = self._idle, {}, 0
        for connections in waiting.values():
            for connection, _ in connections:
                connection.close()

    def _has_news(self, stream: Any) -> bool:
        return self._is_h2 and has_news(stream)

    def _forget(self) -> None:
        """Begin with none in a forked child: the parent still speaks over those."""
        self._idle, self._count, self._pid, self._lock = {}, 0, os.getpid(), Lock()


class AsyncPool:
    """The same for one event loop at a time."""

    def __init__(self, policy: Policy, lookup: Lookup) -> None:
        self._backend = AsyncGuardedBackend(policy, lookup)
        self._protocols = policy.protocols
        self.credentials = policy.credentials_of
        self._is_h2 = "h2" in policy.protocols
        self._idle: dict[_Key, list[tuple[httpcore.AsyncHTTPConnection, Any]]] = {}
        self._count = 0
        self._of: tuple[object, int] = (None, 0)
        self._context: ssl.SSLContext | None = None

    async def take(self, origin: httpcore.Origin, loop: object) -> httpcore.AsyncHTTPConnection:
        """Return a connection of this loop and process; another one begins with none."""
        if self._of != (loop, os.getpid()):
            self._idle, self._count, self._of = {}, 0, (loop, os.getpid())
        while waiting := self._idle.get(_key(origin)):
            connection, stream = waiting.pop()
            self._count -= 1
            if not waiting:
                del self._idle[_key(origin)]
            if not connection.has_expired() and not self._has_news(stream):
                return connection
            await connection.aclose()
        if self._context is None:
            self._context = tls_context()
        return httpcore.AsyncHTTPConnection(
            origin,
            self._context,
            KEPT_SECONDS,
            network_backend=self._backend,
            **_versions(self._protocols),
        )

    async def give(
        self,
        connection: httpcore.AsyncHTTPConnection,
        origin: httpcore.Origin,
        loop: object,
        stream: Any,
    ) -> None:
        """See `Pool.give`."""
        is_ours = self._of == (loop, os.getpid())
        if is_ours and self._count < KEPT and connection.is_idle() and not connection.is_closed():
            self._idle.setdefault(_key(origin), []).append((connection, stream))
            self._count += 1
            return
        await connection.aclose()

    async def close(self) -> None:
        """Close every connection that waits."""
        waiting, self._idle, self._count = self._idle, {}, 0
        for connections in waiting.values():
            for connection, _ in connections:
                await connection.aclose()

    def _has_news(self, stream: Any) -> bool:
        return self._is_h2 and has_news(stream)


def has_news(stream: Any) -> bool:
    """Say whether a waiting connection has something to read: a peer that went away, or talks.

    httpcore looks for that over HTTP/1.1 alone.
    """
    return stream is not None and bool(stream.get_extra_info("is_readable"))


def tls_context() -> ssl.SSLContext:
    """Return the context that checks a host's certificate and name, by the system's own CAs."""
    return ssl.create_default_context()


def _key(origin: httpcore.Origin) -> _Key:
    return origin.scheme, origin.host, origin.port


def _versions(protocols: AbstractSet[str]) -> dict[str, Any]:
    return {"http1": "http/1.1" in protocols, "http2": "h2" in protocols}
