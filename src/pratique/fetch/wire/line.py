"""Answers what a fetch asks, by httpcore: exchange after exchange, content piece by piece."""

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final, cast

import httpcore

from pratique.core.claim import Fields
from pratique.core.obligation import AUTHENTIC, VALID
from pratique.core.refusal import Answer, Refused
from pratique.fetch.budget import Budget, too_slow
from pratique.fetch.credential import Credentials
from pratique.fetch.decode import ACCEPT_ENCODING
from pratique.fetch.flow import Exchange, Head, Read
from pratique.fetch.redirect import Request

from .pool import AsyncPool, Pool

_TROUBLE: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    httpcore.ProxyError,
    OSError,
)


class Line:
    """What one fetch has open."""

    __slots__ = ("_budget", "_connection", "_origin", "_pieces", "_pool", "_response")

    def __init__(self, pool: Pool, budget: Budget) -> None:
        self._pool, self._budget = pool, budget
        self._connection: httpcore.HTTPConnection | None = None
        self._origin: httpcore.Origin | None = None
        self._response: httpcore.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def exchange(self, question: Exchange) -> Head:
        """Answer `Exchange`."""
        self.close()
        request = _request(question.request, self._budget, self._pool.credentials)
        self._origin = request.url.origin
        self._connection = self._pool.take(self._origin)
        try:
            self._response = response = self._connection.handle_request(request)
        except _TROUBLE as error:
            raise refusal_of(error, self._budget) from error
        self._pieces = iter(response.iter_stream())
        return Head(response.status, _fields(response.headers), None, response.headers)

    def read(self, _: Read) -> bytes:
        """Answer `Read`."""
        try:
            for piece in self._pieces:
                if piece:
                    return piece
        except _TROUBLE as error:
            raise refusal_of(error, self._budget) from error
        return b""

    def close(self) -> None:
        """Let go of the connection; one whose content wasn't read to its end is closed."""
        if self._connection is None or self._origin is None:
            return
        connection, self._connection = self._connection, None
        try:
            if self._response is not None:
                self._response.close()
        finally:
            self._pool.give(connection, self._origin, _stream_of(self._response))
            self._response = None


class AsyncLine:
    """The same on the event loop."""

    __slots__ = ("_budget", "_connection", "_loop", "_origin", "_pieces", "_pool", "_response")

    def __init__(self, pool: AsyncPool, budget: Budget, loop: object) -> None:
        self._pool, self._budget, self._loop = pool, budget, loop
        self._connection: httpcore.AsyncHTTPConnection | None = None
        self._origin: httpcore.Origin | None = None
        self._response: httpcore.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    async def exchange(self, question: Exchange) -> Head:
        """Answer `Exchange`."""
        await self.aclose()
        request = _request(question.request, self._budget, self._pool.credentials)
        self._origin = request.url.origin
        self._connection = await self._pool.take(self._origin, self._loop)
        try:
            self._response = response = await self._connection.handle_async_request(request)
        except _TROUBLE as error:
            raise refusal_of(error, self._budget) from error
        self._pieces = aiter(response.aiter_stream())
        return Head(response.status, _fields(response.headers), None, response.headers)

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
        if self._connection is None or self._origin is None:
            return
        connection, self._connection = self._connection, None
        try:
            if self._response is not None:
                await self._response.aclose()
        finally:
            stream = _stream_of(self._response)
            await self._pool.give(connection, self._origin, self._loop, stream)
            self._response = None


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


def _stream_of(response: httpcore.Response | None) -> Any:
    extensions: dict[str, Any] = {} if response is None else cast("Any", response.extensions)
    return extensions.get("network_stream")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _request(request: Request, budget: Budget, credentials: Credentials) -> httpcore.Request:
    target, seconds = request.target, budget.left()
    asked = credentials.added(
        request.lines, scheme=target.scheme, host=target.host, port=target.port
    )
    lines = [("Host", target.authority), *asked]
    given = {name.lower() for name, _ in asked}
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
