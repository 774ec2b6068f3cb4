"""Answers what a fetch asks, by httpcore: exchange after exchange, content piece by piece."""

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final, cast

from pratique.core.claim import Fields
from pratique.core.obligation import AUTHENTIC, VALID
from pratique.core.refusal import Answer, Refused
from pratique.fetch.budget import Budget, too_slow
from pratique.fetch.flow import Exchange, Head, Read

from .asked import Asked, key_of
from .core import httpcore
from .pool import AsyncPool, Kept, Pool

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

    __slots__ = ("_budget", "_kept", "_pieces", "_pool", "_response")

    def __init__(self, pool: Pool, budget: Budget) -> None:
        self._pool, self._budget = pool, budget
        self._kept: Kept[httpcore.HTTPConnection] | None = None
        self._response: httpcore.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def exchange(self, question: Exchange) -> Head:
        """Answer `Exchange`."""
        self.close()
        self._budget.left()
        request = question.request
        self._kept = kept = self._pool.take(key_of(request))
        asked = Asked(request, kept.origin, self._pool.credentials)
        try:
            self._response = response = kept.connection.handle_request(asked)
        except _TROUBLE as error:
            raise refusal_of(error, self._budget) from _told(error)
        kept.stream = cast("Any", response).extensions.get("network_stream")
        self._pieces = iter(response.iter_stream())
        return Head(response.status, _fields(response.headers), None, response.headers)

    def read(self, _: Read) -> bytes:
        """Answer `Read`."""
        try:
            for piece in self._pieces:
                if piece:
                    return piece
        except _TROUBLE as error:
            raise refusal_of(error, self._budget) from _told(error)
        return b""

    def close(self) -> None:
        """Let go of the connection; one whose content wasn't read to its end is closed."""
        kept, self._kept = self._kept, None
        if kept is None:
            return
        response, self._response = self._response, None
        try:
            if response is not None:
                response.close()
        finally:
            self._pool.give(kept)


class AsyncLine:
    """The same on the event loop."""

    __slots__ = ("_budget", "_kept", "_loop", "_pieces", "_pool", "_response")

    def __init__(self, pool: AsyncPool, budget: Budget, loop: object) -> None:
        self._pool, self._budget, self._loop = pool, budget, loop
        self._kept: Kept[httpcore.AsyncHTTPConnection] | None = None
        self._response: httpcore.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    async def exchange(self, question: Exchange) -> Head:
        """Answer `Exchange`."""
        await self.aclose()
        self._budget.left()
        request = question.request
        self._kept = kept = await self._pool.take(key_of(request), self._loop)
        asked = Asked(request, kept.origin, self._pool.credentials)
        try:
            self._response = response = await kept.connection.handle_async_request(asked)
        except _TROUBLE as error:
            raise refusal_of(error, self._budget) from _told(error)
        kept.stream = cast("Any", response).extensions.get("network_stream")
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
            raise refusal_of(error, self._budget) from _told(error)
        return b""

    async def aclose(self) -> None:
        """See `Line.close`."""
        kept, self._kept = self._kept, None
        if kept is None:
            return
        response, self._response = self._response, None
        try:
            if response is not None:
                await response.aclose()
        finally:
            await self._pool.give(kept, self._loop)


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
        return Refused(
            VALID,
            "the answer isn't HTTP",
            code="bad_http",
            hint="another service listens there, or the host broke off in the middle",
            status=502,
        )
    return Refused(
        VALID,
        f"the host can't be reached ({type(error).__name__})",
        code="unreachable",
        hint="look whether the host is up, and whether this network lets us out to it",
        answer=Answer.RETRY,
    )


def _told(error: BaseException) -> BaseException | None:
    """Return an error as a cause that may stand in a traceback: h11 repeats the peer's bytes."""
    return None if isinstance(error, httpcore.ProtocolError) else error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _fields(lines: Iterable[tuple[bytes, bytes]]) -> Fields:
    return Fields((name.decode("latin-1"), value.decode("latin-1")) for name, value in lines)
