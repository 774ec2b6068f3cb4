"""Connects to addresses that were checked, and to nothing else: httpcore's network backends."""

import ssl
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NoReturn, Protocol, cast

import httpcore

from pratique.core.obligation import ALLOWED
from pratique.core.refusal import Refused
from pratique.fetch.budget import Budget, current
from pratique.fetch.lookup import Lookup

FIRST_TRIES: Final = 2.0
"""Seconds that an address may keep the next one waiting."""


class Judge(Protocol):
    """The policy's say about where a name leads."""

    def judge(self, host: str, port: int, addresses: Sequence[str]) -> Sequence[str]:
        """Return the addresses to connect to; Refused where any of them is bad."""
        ...


class GuardedBackend(httpcore.NetworkBackend):
    """Looks a name up once, judges every answer, connects to those answers.

    The pool above it keys its connections by name, so that each name's certificate is checked.

    Raises:
        Refused: ALLOWED, what `Judge` or `Lookup` refuses; VALID, code "fetch_deadline".
    """

    def __init__(self, judge: Judge, lookup: Lookup) -> None:
        self._judge = judge
        self._lookup = lookup
        self._inner: httpcore.NetworkBackend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to one of the checked addresses, in the resolver's order."""
        budget = budget_of(timeout)
        addresses = [host]
        if not is_literal(host):
            addresses = self._lookup.resolve(
                host, port, seconds=budget.left(), principal=budget.principal
            )
        failed: Exception | None = None
        for address, seconds in _turns(self._judge.judge(host, port, addresses), budget, timeout):
            try:
                stream = self._inner.connect_tcp(
                    address, port, seconds, local_address, socket_options
                )
                return _Stream(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore.ConnectError("no address is left")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> NoReturn:
        """Refuse: a socket of this machine is no remote host."""
        raise no_socket()


class AsyncGuardedBackend(httpcore.AsyncNetworkBackend):
    """The same on the event loop."""

    def __init__(self, judge: Judge, lookup: Lookup) -> None:
        self._judge = judge
        self._lookup = lookup
        # AnyIOBackend stands for itself only where anyio is there: the extra `fetch` brings it.
        self._inner = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """See `GuardedBackend.connect_tcp`."""
        budget = budget_of(timeout)
        addresses = [host]
        if not is_literal(host):
            addresses = await self._lookup.aresolve(
                host, port, seconds=budget.left(), principal=budget.principal
            )
        failed: Exception | None = None
        for address, seconds in _turns(self._judge.judge(host, port, addresses), budget, timeout):
            try:
                stream = await self._inner.connect_tcp(
                    address, port, seconds, local_address, socket_options
                )
                return _AsyncStream(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore.ConnectError("no address is left")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> NoReturn:
        """See `GuardedBackend.connect_unix_socket`."""
        raise no_socket()

    async def sleep(self, seconds: float) -> None:
        """Let httpcore wait."""
        await self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    """A connection whose every wait takes what is left of the deadline of the fetch in hand."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, shortest(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, shortest(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, shortest(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _AsyncStream(httpcore.AsyncNetworkStream):
    """The same on the event loop."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._inner.read(max_bytes, shortest(timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, shortest(timeout))

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        inner = await self._inner.start_tls(ssl_context, server_hostname, shortest(timeout))
        return _AsyncStream(inner)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def is_literal(host: str) -> bool:
    """Say whether a gated host is an address: gate admits dotted quads and bracketed IPv6 alone."""
    return ":" in host or host.replace(".", "").isdigit()


def budget_of(timeout: float | None) -> Budget:
    """Return the budget of the fetch in hand; outside any, one of the timeout given."""
    return current.get() or Budget(timeout if timeout is not None else 60.0, 0)


def shortest(timeout: float | None) -> float | None:
    """Return what a wait may take: the timeout given, or what is left of the deadline.

    Raises:
        Refused: VALID, code "fetch_deadline".
    """
    budget = current.get()
    if budget is None:
        return timeout
    left = budget.left()
    return left if timeout is None or left < timeout else timeout


def no_socket() -> Refused:
    """Return the refusal of a socket of this machine."""
    return Refused(ALLOWED, "a unix socket is no remote host", code="unix_socket")


def _turns(
    addresses: Sequence[str], budget: Budget, timeout: float | None
) -> Iterator[tuple[str, float]]:
    """Yield each address with the seconds that it may take: a dead one leaves some to the next."""
    for rest in range(len(addresses), 0, -1):
        left = budget.left() if timeout is None else min(budget.left(), timeout)
        yield addresses[-rest], left if rest == 1 else min(left, FIRST_TRIES)
