"""A gated request as httpcore takes it: every part is bytes already, and is not looked at again."""

from collections.abc import AsyncIterator, Iterator

from pratique.fetch.credential import Credentials
from pratique.fetch.decode import ACCEPT_ENCODING
from pratique.fetch.redirect import Request

from .core import httpcore

Key = tuple[str, str, int]
"""Scheme, host and port."""


class _Content:
    """What is sent, in one piece; nothing where there is nothing."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        if self._content:
            yield self._content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._content:
            yield self._content


class _Url(httpcore.URL):
    """A URL that knows its origin, which httpcore asks for several times."""

    def __init__(self, origin: httpcore.Origin, target: str) -> None:  # pyright: ignore[reportMissingSuperCall]
        self.scheme, self.host, self.port = origin.scheme, origin.host, origin.port
        self.target = target.encode("ascii")
        self._origin = origin

    @property
    def origin(self) -> httpcore.Origin:
        return self._origin


class Asked(httpcore.Request):
    """One request to one gated target.

    Its waits have no time of their own: the connection gives each what is left of the deadline.

    Args:
        request: What a flow asks for.
        origin: Of its target.
        credentials: What proves us, by origin.
    """

    def __init__(  # pyright: ignore[reportMissingSuperCall]
        self, request: Request, origin: httpcore.Origin, credentials: Credentials
    ) -> None:
        target, lines = request.target, request.lines
        if credentials:
            lines = credentials.added(
                lines, scheme=target.scheme, host=target.host, port=target.port
            )
        self.method = request.method.encode("ascii")
        self.url = _Url(origin, target.path_and_query)
        self.headers = headers = [(b"Host", target.authority.encode("ascii"))]
        headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines]
        given = {name.lower() for name, _ in headers}
        if b"accept-encoding" not in given:
            headers.append((b"Accept-Encoding", ACCEPT_ENCODING.encode()))
        if request.content and b"content-length" not in given:
            headers.append((b"Content-Length", b"%d" % len(request.content)))
        self.stream = _Content(request.content)
        self.extensions = {}


def key_of(request: Request) -> Key:
    """Return the origin of a request as a key."""
    target = request.target
    return target.scheme, target.host, target.port


def origin_of(key: Key) -> httpcore.Origin:
    """Return an origin as httpcore has it."""
    scheme, host, port = key
    return httpcore.Origin(scheme.encode("ascii"), host.encode("ascii"), port)
