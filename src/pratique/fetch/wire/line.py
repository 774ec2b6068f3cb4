"""Answers what a fetch asks, by httpcore: exchange after exchange, content piece by piece."""

import os
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final

import httpcore

from pratique.core.claim import Fields
from pratique.core.obligation import AUTHENTIC, VALID
from pratique.core.refusal import Answer, Refused
from pratique.fetch.budget import Budget, too_slow
from pratique.fetch.decode import ACCEPT_ENCODING
from pratique.fetch.flow import Exchange, Head, Read
from pratique.fetch.lookup import Lookup
from pratique.fetch.redirect import Request

from .dial import AsyncGuardedBackend, GuardedBackend, Judge

CONNECTIONS: Final = 100
KEPT_SECONDS: Final = 15.0
_TROUBLE: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    httpcore.ProxyError,
    OSError,
)


class Pool:
    """The connections of one policy. Never shared: another policy admits other addresses."""

    def __init__(self, judge: Judge, lookup: Lookup) -> None:
        self._judge, self._lookup = judge, lookup
        self._of: tuple[httpcore.ConnectionPool | None, int] = (None, 0)

    def open(self) -> httpcore.ConnectionPool:
        """Return the connections of this process; a forked child begins with none."""
        pool, pid = self._of
        if pool is None or pid != os.getpid():
            backend = GuardedBackend(self._judge, self._lookup)
            pool = httpcore.ConnectionPool(
                network_backend=backend, ssl_context=tls_context(), **_LIMITS
            )
            # Where two threads come first at once, one of the pools has no connection yet.
            self._of = pool, os.getpid()
        return pool

    def close(self) -> None:
        """Close them."""
        pool, pid = self._of
        if pool is not None and pid == os.getpid():
            pool.close()
        self._of = (None, 0)


class AsyncPool:
    """The same for one event loop."""

    def __init__(self, judge: Judge, lookup: Lookup) -> None:
        self._judge, self._lookup = judge, lookup
        self._pool: httpcore.AsyncConnectionPool | None = None
        self._of: object = None

    def open(self, loop: object) -> httpcore.AsyncConnectionPool:
        """Return the connections of this loop and process; another one begins with none."""
        if self._pool is None or self._of != (loop, os.getpid()):
            self._of = (loop, os.getpid())
            backend = AsyncGuardedBackend(self._judge, self._lookup)
            self._pool = httpcore.AsyncConnectionPool(
                network_backend=backend, ssl_context=tls_context(), **_LIMITS
            )
        return self._pool

    async def close(self) -> None:
        """Close them."""
        if self._pool is not None:
            await self._pool.aclose()
        self._pool = None


_LIMITS: Final[dict[str, Any]] = {
    "max_connections": CONNECTIONS,
    "keepalive_expiry": KEPT_SECONDS,
    "http1": True,
}


class Line:
    """What one fetch has open."""

    def __init__(self, pool: httpcore.ConnectionPool, budget: Budget) -> None:
        self._pool, self._budget = pool, budget
        self._response: httpcore.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def exchange(self, question: Exchange) -> Head:
        """Answer `Exchange`."""
        self.close()
        try:
            self._response = self._pool.handle_request(_request(question.request, self._budget))
        except _TROUBLE as error:
            raise refusal_of(error, self._budget) from error
        self._pieces = iter(self._response.iter_stream())
        return Head(self._response.status, _fields(self._response.headers), None)

    def read(self, _: Read) -> bytes:
        """Answer `Read`."""
        try:
            return next((piece for piece in self._pieces if piece), b"")
        except _TROUBLE as error:
            raise refusal_of(error, self._budget) from error

    def close(self) -> None:
        """Let go of the connection; one whose content wasn't read to its end is closed."""
        if self._response is not None:
            self._response.close()
            self._response = None


class AsyncLine:
    """The same on the event loop."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, budget: Budget) -> None:
        self._pool, self._budget = pool, budget
        self._response: httpcore.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    async def exchange(self, question: Exchange) -> Head:
        """Answer `Exchange`."""
        await self.aclose()
        try:
            self._response = await self._pool.handle_async_request(
                _request(question.request, self._budget)
            )
        except _TROUBLE as error:
            raise refusal_of(error, self._budget) from error
        self._pieces = aiter(self._response.aiter_stream())
        return Head(self._response.status, _fields(self._response.headers), None)

    async def read(self, _: Read) -> bytes:
        """Answer `Read`."""
        if self._pieces is None:
            return b""
        try:
            async for piece in self._pieces:
                if piece:
                    return piece
        except _TROUBLE as error:
            raise refusal_of(error, self._budget) from error
        return b""

    async def aclose(self) -> None:
        """See `Line.close`."""
        if self._response is not None:
            await self._response.aclose()
            self._response = None


def tls_context() -> ssl.SSLContext:
    """Return the context that checks a host's certificate and name, by the system's own CAs."""
    return ssl.create_default_context()


def refusal_of(error: BaseException, budget: Budget | None) -> Refused:
    """Return the refusal that an exception of httpcore or of a socket stands for.

    Raises nothing: VALID "fetch_deadline", "unreachable" or "bad_http", AUTHENTIC
    "bad_certificate".
    """
    if budget is not None and budget.is_over:
        return too_slow(budget.seconds)
    if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
        return Refused(
            AUTHENTIC,
            "the host's certificate doesn't prove the name that was asked for",
            code="bad_certificate",
            hint="look at the host's certificate; a CA of one's own is named by SSL_CERT_FILE",
            status=502,
        )
    if isinstance(error, httpcore.ProtocolError):
        return Refused(VALID, "the answer isn't HTTP", code="bad_http", status=502)
    return Refused(
        VALID,
        f"the host can't be reached ({type(error).__name__})",
        code="unreachable",
        answer=Answer.RETRY,
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _request(request: Request, budget: Budget) -> httpcore.Request:
    target, seconds = request.target, budget.left()
    lines = [("Host", target.authority), *request.lines]
    given = {name.lower() for name, _ in request.lines}
    if "accept-encoding" not in given:
        lines.append(("Accept-Encoding", ACCEPT_ENCODING))
    if request.content and "content-length" not in given:
        lines.append(("Content-Length", str(len(request.content))))
    return httpcore.Request(
        request.method,
        httpcore.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=target.path_and_query.encode(),
        ),
        headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines],
        content=request.content,
        extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds)},
    )


def _fields(lines: Iterable[tuple[bytes, bytes]]) -> Fields:
    return Fields((name.decode("latin-1"), value.decode("latin-1")) for name, value in lines)
