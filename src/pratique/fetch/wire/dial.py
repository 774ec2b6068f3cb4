"""Connects to addresses that were checked, and to nothing else: httpcore's network backends."""

import ssl
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NoReturn, Protocol, cast

from pratique.core.obligation import ALLOWED
from pratique.core.refusal import Refused
from pratique.fetch.budget import Budget, current
from pratique.fetch.egress import MAX_HEAD, EgressProxy, proxy_hung_up, tunnel_is_open
from pratique.fetch.host import is_literal
from pratique.fetch.lookup import Lookup

from .core import httpcore

FIRST_TRIES: Final = 2.0
"""Seconds that an address may keep the next one waiting."""


class Judge(Protocol):
    """The policy's say about where a name leads."""

    @property
    def proxy(self) -> EgressProxy | None:
        """Return the declared egress proxy."""
        ...

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
        budget, proxy = budget_of(timeout), self._judge.proxy
        if proxy is not None and proxy.enforces:
            return self._tunnel(proxy, host, port, budget, timeout)
        failed: Exception | None = None
        checked = self._judge.judge(host, port, self._addresses(host, port, budget))
        for address, seconds in _turns(checked, budget, timeout):
            try:
                if proxy is not None:
                    return self._tunnel(proxy, address, port, budget, timeout)
                return _Stream(
                    self._inner.connect_tcp(address, port, seconds, local_address, socket_options)
                )
            except (*_NEXT, Refused) as error:
                failed = _if_another_may_do(error)
        raise failed or httpcore.ConnectError("no address is left")

    def _addresses(self, host: str, port: int, budget: Budget) -> Sequence[str]:
        if is_literal(host):
            return (host,)
        return self._lookup.resolve(host, port, seconds=budget.left(), principal=budget.principal)

    def _tunnel(
        self, proxy: EgressProxy, host: str, port: int, budget: Budget, timeout: float | None
    ) -> httpcore.NetworkStream:
        """Return a tunnel to a host through the declared proxy."""
        failed: Exception | None = None
        found = proxy.judge(self._addresses(proxy.host, proxy.port, budget))
        for address, seconds in _turns(found, budget, timeout):
            try:
                stream = _Stream(self._inner.connect_tcp(address, proxy.port, seconds))
            except _NEXT as error:
                failed = error
                continue
            try:
                stream.write(proxy.ask(host, port), timeout)
                head = b""
                while not tunnel_is_open(head):
                    piece = stream.read(MAX_HEAD, timeout)
                    if not piece:
                        raise proxy_hung_up()  # noqa: TRY301  the connection is closed below
                    head += piece
            except BaseException:
                stream.close()
                raise
            return stream
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
        budget, proxy = budget_of(timeout), self._judge.proxy
        if proxy is not None and proxy.enforces:
            return await self._tunnel(proxy, host, port, budget, timeout)
        failed: Exception | None = None
        checked = self._judge.judge(host, port, await self._addresses(host, port, budget))
        for address, seconds in _turns(checked, budget, timeout):
            try:
                if proxy is not None:
                    return await self._tunnel(proxy, address, port, budget, timeout)
                return _AsyncStream(
                    await self._inner.connect_tcp(
                        address, port, seconds, local_address, socket_options
                    )
                )
            except (*_NEXT, Refused) as error:
                failed = _if_another_may_do(error)
        raise failed or httpcore.ConnectError("no address is left")

    async def _addresses(self, host: str, port: int, budget: Budget) -> Sequence[str]:
        if is_literal(host):
            return (host,)
        return await self._lookup.aresolve(
            host, port, seconds=budget.left(), principal=budget.principal
        )

    async def _tunnel(
        self, proxy: EgressProxy, host: str, port: int, budget: Budget, timeout: float | None
    ) -> httpcore.AsyncNetworkStream:
        """See `GuardedBackend._tunnel`."""
        failed: Exception | None = None
        found = proxy.judge(await self._addresses(proxy.host, proxy.port, budget))
        for address, seconds in _turns(found, budget, timeout):
            try:
                stream = _AsyncStream(await self._inner.connect_tcp(address, proxy.port, seconds))
            except _NEXT as error:
                failed = error
                continue
            try:
                await stream.write(proxy.ask(host, port), timeout)
                head = b""
                while not tunnel_is_open(head):
                    piece = await stream.read(MAX_HEAD, timeout)
                    if not piece:
                        raise proxy_hung_up()  # noqa: TRY301  the connection is closed below
                    head += piece
            except BaseException:
                await stream.aclose()
                raise
            return stream
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
        self._wire = inner.get_extra_info("socket")

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        budget = current.get()
        if budget is None:
            return self._inner.read(max_bytes, timeout)
        return budget.heard(self._inner.read(max_bytes, budget.left()))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # httpcore gives each send of a large content the whole timeout anew: whoever reads slowly
        # would be waited for again and again (CWE-400).
        if not buffer:
            return
        wire, rest = self._wire, memoryview(buffer)
        try:
            while rest:
                wire.settimeout(shortest(timeout))
                rest = rest[wire.send(rest) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

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
        budget = current.get()
        if budget is None:
            return await self._inner.read(max_bytes, timeout)
        return budget.heard(await self._inner.read(max_bytes, budget.left()))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
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
        found = self._inner.get_extra_info(info)
        # It is asked of the socket, and anyio may have read ahead of us.
        return found or _is_read_ahead(self._inner) if info == "is_readable" else found


def _is_read_ahead(stream: Any) -> bool:
    """Say whether anyio holds what came and wasn't given on: TLS that isn't undone, or a rest."""
    stream = getattr(stream, "_stream", None)
    while stream is not None:
        incoming = getattr(stream, "_read_bio", None)
        queue = getattr(getattr(stream, "_protocol", None), "read_queue", None)
        if queue or (incoming is not None and incoming.pending):
            return True
        stream = getattr(stream, "transport_stream", None)
    return False


_NEXT: Final = (httpcore.ConnectError, httpcore.ConnectTimeout)
"""After these the next address is tried."""


def _if_another_may_do(error: Exception) -> Exception:
    """Return the failure of one address, to be told if all fail; raise what ends the fetch."""
    if isinstance(error, Refused) and error.code != "proxy_refused":
        raise error
    return error


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
    return Refused(
        ALLOWED,
        "a unix socket is no remote host",
        code="unix_socket",
        hint="speak to it beside the policy",
    )


def _turns(
    addresses: Sequence[str], budget: Budget, timeout: float | None
) -> Iterator[tuple[str, float]]:
    """Yield each address with the seconds that it may take: a dead one leaves some to the next."""
    for rest in range(len(addresses), 0, -1):
        left = budget.left() if timeout is None else min(budget.left(), timeout)
        yield addresses[-rest], left if rest == 1 else min(left, FIRST_TRIES)
