"""The transport that httpx and httpx2 share: they have the same names, each has its own classes."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

from pratique.core.recorder import Recorder
from pratique.core.refusal import Refused
from pratique.fetch import FetchPolicy
from pratique.fetch.adapting import FOR_TIME, AsyncStreamed, AsyncThrough, Look, Streamed, Through

Q = TypeVar("Q")
R = TypeVar("R")


class RefusedRequest(Refused):
    """A refusal that knows its request, where both libraries look for it."""

    def __init__(self, refused: Refused, request: Any) -> None:
        Refused.__init__(self, **refused.facts())
        self.crossing_id = refused.crossing_id
        self._request = request


@dataclass(frozen=True, slots=True)
class Library:
    """What is one library's own.

    Attributes:
        module: The library.
        refused: A refusal that is its ConnectError too.
        late: A refusal for time that is its ReadTimeout too.
        content: A `Content` that is its SyncByteStream too.
        async_content: An `AsyncContent` that is its AsyncByteStream too.
    """

    module: Any
    refused: type[RefusedRequest]
    late: type[RefusedRequest]
    content: "type[Content]"
    async_content: "type[AsyncContent]"

    def refusal(self, refused: Refused, request: Any) -> Refused:
        """Return a refusal as this library's own exception."""
        kind = self.late if refused.code in FOR_TIME else self.refused
        return kind(refused, request)

    def response(self, answer: Streamed | AsyncStreamed, content: object) -> Any:
        """Return an answer as this library's own response."""
        return self.module.Response(
            answer.status,
            headers=list(answer.raw_lines),
            stream=content,
            extensions={"http_version": b"HTTP/1.1", "pratique.url": answer.url},
        )


class Content:
    """The content of an answer, piece by piece; a refusal in it is the library's own exception."""

    def __init__(self, answer: Streamed, request: Any, library: Library) -> None:
        self._answer, self._request, self._library = answer, request, library

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content."""
        try:
            yield from self._answer
        except Refused as refused:
            raise self._library.refusal(refused, self._request) from refused

    def close(self) -> None:
        """Let go of the connection."""
        self._answer.close()


class AsyncContent:
    """The same on the event loop."""

    def __init__(self, answer: AsyncStreamed, request: Any, library: Library) -> None:
        self._answer, self._request, self._library = answer, request, library

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the content."""
        try:
            async for piece in self._answer:
                yield piece
        except Refused as refused:
            raise self._library.refusal(refused, self._request) from refused

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._answer.aclose()


class Transport(Generic[Q, R]):
    """Sends what the policy names, and refuses the rest.

    Args:
        policy: What may be fetched.
        name: Its name in events.
        recorder: Where records go: `perimeter.recorder`; by default the logger "pratique".
    """

    library: ClassVar[Library]

    def __init__(
        self, policy: FetchPolicy, *, name: str = "fetch", recorder: Recorder | None = None
    ) -> None:
        self._through = Through(policy, name=name, recorder=recorder)
        self._bare = self.library.module.HTTPTransport() if policy.observe is not None else None

    def handle_request(self, request: Q) -> R:
        """Send one request. See the library's `BaseTransport`."""
        return cast("R", self._sent(request))

    def _sent(self, request: Any) -> Any:
        if self._bare is not None:
            look = Look(self._through, str(request.url), request.method)
            if look.is_due:
                look.before()
                bare = self._bare.handle_request(request)
                look.after(bare.status_code, bare.headers.multi_items())
                return bare
        try:
            answer = self._through.send(
                request.method,
                str(request.url),
                _lines(request),
                request.read(),
                seconds=_seconds(request),
            )
        except Refused as refused:
            raise self.library.refusal(refused, request) from refused
        content = self.library.content(answer, request, self.library)
        return self.library.response(answer, content)

    def close(self) -> None:
        """Close every connection."""
        self._through.close()
        if self._bare is not None:
            self._bare.close()


class AsyncTransport(Generic[Q, R]):
    """The same for the library's AsyncClient. Args as `Transport`."""

    library: ClassVar[Library]

    def __init__(
        self, policy: FetchPolicy, *, name: str = "fetch", recorder: Recorder | None = None
    ) -> None:
        self._through = AsyncThrough(policy, name=name, recorder=recorder)
        is_observed = policy.observe is not None
        self._bare = self.library.module.AsyncHTTPTransport() if is_observed else None

    async def handle_async_request(self, request: Q) -> R:
        """Send one request. See the library's `AsyncBaseTransport`."""
        return cast("R", await self._sent(request))

    async def _sent(self, request: Any) -> Any:
        if self._bare is not None:
            look = Look(self._through, str(request.url), request.method)
            if look.is_due:
                await look.abefore()
                bare = await self._bare.handle_async_request(request)
                look.after(bare.status_code, bare.headers.multi_items())
                return bare
        try:
            answer = await self._through.send(
                request.method,
                str(request.url),
                _lines(request),
                await request.aread(),
                seconds=_seconds(request),
            )
        except Refused as refused:
            raise self.library.refusal(refused, request) from refused
        content = self.library.async_content(answer, request, self.library)
        return self.library.response(answer, content)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._through.aclose()
        if self._bare is not None:
            await self._bare.aclose()


def _lines(request: Any) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
    ]


def _seconds(request: Any) -> float | None:
    """Return the shortest of the client's own timeouts; the policy's deadline bounds the whole."""
    given: dict[str, float | None] = request.extensions.get("timeout", {})
    return min((value for value in given.values() if value), default=None)
