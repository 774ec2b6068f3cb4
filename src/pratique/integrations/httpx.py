"""The fetch boundary as a transport of httpx: one argument more where a client is made.

    client = httpx.Client(transport=FetchTransport(policy))

The policy follows redirects itself, each hop gated; the client sees the last answer. What is
refused is both `Refused` and httpx's own exception, so that `except httpx.HTTPError` still holds.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx

from pratique.core.recorder import Recorder
from pratique.core.refusal import Refused
from pratique.fetch import FetchPolicy
from pratique.fetch.budget import FOR_TIME
from pratique.fetch.shadow import Look
from pratique.fetch.through import AsyncStreamed, AsyncThrough, Streamed, Through


class _OfARequest(Refused):
    """What both kinds have: the refusal's own facts, and the request as httpx keeps it."""

    def __init__(self, refused: Refused, request: httpx.Request) -> None:
        Refused.__init__(self, **refused.facts())
        self.crossing_id = refused.crossing_id
        self._request: Any = request


class RefusedByPolicy(_OfARequest, httpx.ConnectError):
    """A refusal that is httpx's ConnectError too."""


class OverDeadline(_OfARequest, httpx.ReadTimeout):
    """A refusal for time that is httpx's ReadTimeout too."""


class FetchTransport(httpx.BaseTransport):
    """Sends what the policy names, and refuses the rest.

    Args:
        policy: What may be fetched.
        name: Its name in events.
        recorder: Where records go: `perimeter.recorder`; by default the logger "pratique".
    """

    def __init__(
        self, policy: FetchPolicy, *, name: str = "fetch", recorder: Recorder | None = None
    ) -> None:
        self._through = Through(policy, name=name, recorder=recorder)
        self._bare = httpx.HTTPTransport() if policy.observe is not None else None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. See `httpx.BaseTransport`."""
        if self._bare is not None:
            look = Look(self._through, _url(request), request.method)
            if look.is_due:
                look.before()
                response = self._bare.handle_request(request)
                look.after(response.status_code, response.headers.multi_items())
                return response
        try:
            answer = self._through.send(
                request.method,
                _url(request),
                _lines(request),
                request.read(),
                seconds=_seconds(request),
            )
        except Refused as refused:
            raise _as_httpx(refused, request) from refused
        return httpx.Response(
            answer.status,
            headers=list(answer.raw_lines),
            stream=_Stream(answer, request),
            extensions={"http_version": b"HTTP/1.1", "pratique.url": answer.url},
        )

    def close(self) -> None:
        """Close every connection."""
        self._through.close()
        if self._bare is not None:
            self._bare.close()


class AsyncFetchTransport(httpx.AsyncBaseTransport):
    """The same for `httpx.AsyncClient`. Args as `FetchTransport`."""

    def __init__(
        self, policy: FetchPolicy, *, name: str = "fetch", recorder: Recorder | None = None
    ) -> None:
        self._through = AsyncThrough(policy, name=name, recorder=recorder)
        self._bare = httpx.AsyncHTTPTransport() if policy.observe is not None else None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. See `httpx.AsyncBaseTransport`."""
        if self._bare is not None:
            look = Look(self._through, _url(request), request.method)
            if look.is_due:
                await look.abefore()
                response = await self._bare.handle_async_request(request)
                look.after(response.status_code, response.headers.multi_items())
                return response
        try:
            answer = await self._through.send(
                request.method,
                _url(request),
                _lines(request),
                await request.aread(),
                seconds=_seconds(request),
            )
        except Refused as refused:
            raise _as_httpx(refused, request) from refused
        return httpx.Response(
            answer.status,
            headers=list(answer.raw_lines),
            stream=_AsyncStream(answer, request),
            extensions={"http_version": b"HTTP/1.1", "pratique.url": answer.url},
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._through.aclose()
        if self._bare is not None:
            await self._bare.aclose()


class _Stream(httpx.SyncByteStream):
    def __init__(self, answer: Streamed, request: httpx.Request) -> None:
        self._answer, self._request = answer, request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer
        except Refused as refused:
            raise _as_httpx(refused, self._request) from refused

    def close(self) -> None:
        self._answer.close()


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, answer: AsyncStreamed, request: httpx.Request) -> None:
        self._answer, self._request = answer, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._answer:
                yield piece
        except Refused as refused:
            raise _as_httpx(refused, self._request) from refused

    async def aclose(self) -> None:
        await self._answer.aclose()


def _as_httpx(refused: Refused, request: httpx.Request) -> Refused:
    kind = OverDeadline if refused.code in FOR_TIME else RefusedByPolicy
    return kind(refused, request)


def _lines(request: httpx.Request) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
    ]


def _url(request: httpx.Request) -> str:
    return str(request.url)


def _seconds(request: httpx.Request) -> float | None:
    """Return the shortest of the client's own timeouts; the policy's deadline bounds the whole."""
    given = request.extensions.get("timeout", {})
    return min((value for value in given.values() if value), default=None)
