"""The fetch boundary as an adapter of requests: one line where a session is made.

    mount(session, policy)

The policy follows redirects itself, each hop gated; the session sees the last answer. What is
refused is both `Refused` and requests' own exception. `verify=False`, `cert=` and proxies, also the
environment's, change nothing: who answers is proven by the system's certificate authorities.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from email.message import Message
from http.client import responses
from typing import Any, Final, cast

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3 import HTTPHeaderDict, HTTPResponse

from pratique.core.recorder import Recorder
from pratique.core.refusal import Refused
from pratique.fetch import FetchPolicy
from pratique.fetch.adapting import FOR_TIME, Look, Streamed, Through

_PIECE: Final = 64 * 1024


class _OfARequest(Refused):
    """What both kinds have: the refusal's own facts, and the request as requests keeps it."""

    def __init__(self, refused: Refused, request: requests.PreparedRequest | None) -> None:
        Refused.__init__(self, **refused.facts())
        self.crossing_id = refused.crossing_id
        self.request: Any = request
        self.response: Any = None


class RefusedByPolicy(_OfARequest, requests.ConnectionError):
    """A refusal that is requests' ConnectionError too."""


class OverDeadline(_OfARequest, requests.ReadTimeout):
    """A refusal for time that is requests' ReadTimeout too."""


class FetchAdapter(BaseAdapter):
    """Sends what the policy names, and refuses the rest.

    Args:
        policy: What may be fetched.
        name: Its name in events.
        recorder: Where records go: `perimeter.recorder`; by default the logger "pratique".
    """

    def __init__(
        self, policy: FetchPolicy, *, name: str = "fetch", recorder: Recorder | None = None
    ) -> None:
        super().__init__()
        self._through = Through(policy, name=name, recorder=recorder)
        self._bare = HTTPAdapter() if policy.observe is not None else None

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002  requests' own signature
        timeout: Any = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send one request. See `requests.adapters.BaseAdapter`."""
        if self._bare is not None:
            look = Look(self._through, request.url or "", request.method or "GET")
            if look.is_due:
                look.before()
                bare = self._bare.send(request, stream, timeout, verify, cert, dict(proxies or {}))
                look.after(bare.status_code, bare.headers.items())
                return bare
        try:
            answer = self._through.send(
                request.method or "GET",
                request.url or "",
                [(_text(name), _text(value)) for name, value in request.headers.items()],
                _content(request.body),
                seconds=_seconds(timeout),
            )
        except Refused as refused:
            raise _as_requests(refused, request) from refused
        return _response(answer, request, self)

    def close(self) -> None:
        """Close every connection."""
        self._through.close()
        if self._bare is not None:
            self._bare.close()


def mount(
    session: requests.Session,
    policy: FetchPolicy,
    *,
    name: str = "fetch",
    recorder: Recorder | None = None,
) -> requests.Session:
    """Let everything that a session sends cross under the policy; the same session back.

    Args:
        session: What it had mounted is gone.
        policy: What may be fetched.
        name: Its name in events.
        recorder: Where records go: `perimeter.recorder`; by default the logger "pratique".
    """
    session.adapters.clear()
    session.mount("", FetchAdapter(policy, name=name, recorder=recorder))
    return session


class _Content:
    """An answer's content as a file. What is refused is requests' own exception."""

    def __init__(self, answer: Streamed, request: requests.PreparedRequest) -> None:
        self._answer, self._request = answer, request
        self._pieces = iter(answer)
        self._rest = b""
        self.closed = False

    def read(self, amt: int = -1) -> bytes:
        """Return at most *amt* bytes, b"" at the end; all that is left where it is negative."""
        if amt < 0:
            return b"".join(self.pieces(None))
        return next(self.pieces(amt), b"") if amt else b""

    read1 = read

    def pieces(self, amt: int | None) -> Iterator[bytes]:
        """Yield what is left, in pieces of at most *amt* bytes."""
        while piece := self._rest or self._next():
            most = len(piece) if amt is None else amt
            self._rest = piece[most:]
            yield piece[:most] if self._rest else piece

    def _next(self) -> bytes:
        try:
            piece = next(self._pieces, b"")
        except Refused as refused:
            raise _as_requests(refused, self._request) from refused
        self.closed = self.closed or not piece
        return piece

    def close(self) -> None:
        """Let go of the connection."""
        self.closed = True
        self._answer.close()


class _Raw(HTTPResponse):
    """What requests reads from: urllib3's response, whose content is counted and decoded by us."""

    def stream(
        self,
        amt: int | None = _PIECE,
        decode_content: bool | None = None,  # noqa: ARG002, FBT001  urllib3's own signature
    ) -> Generator[bytes]:
        """Yield the content in pieces of at most *amt* bytes."""
        yield from cast("_Content", self._fp).pieces(amt)


class _WithCookies:
    """What requests takes cookies from: the fields as http.client has them."""

    def __init__(self, lines: Iterable[tuple[str, str]]) -> None:
        self.msg = Message()
        for name, value in lines:
            self.msg[name] = value


def _response(
    answer: Streamed, request: requests.PreparedRequest, adapter: FetchAdapter
) -> requests.Response:
    headers, lines = HTTPHeaderDict(), answer.lines
    for name, value in lines:
        headers.add(name, value)
    reason = responses.get(answer.status, "")
    raw = _Raw(
        cast("Any", _Content(answer, request)),
        headers=headers,
        status=answer.status,
        reason=reason,
        preload_content=False,
        decode_content=False,
        # The session looks there for cookies, and keeps them for its next request.
        original_response=cast("Any", _WithCookies(lines)) if "set-cookie" in headers else None,
    )
    response = requests.Response()
    response.status_code = answer.status
    response.headers = CaseInsensitiveDict(headers.items())
    response.encoding = get_encoding_from_headers(response.headers)
    response.raw = raw
    response.reason = reason
    response.url = answer.url
    response.request = request
    response.connection = adapter  # type: ignore[assignment]
    extract_cookies_to_jar(response.cookies, request, raw)
    return response


def _as_requests(refused: Refused, request: requests.PreparedRequest | None) -> Refused:
    kind = OverDeadline if refused.code in FOR_TIME else RefusedByPolicy
    return kind(refused, request)


def _content(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    if hasattr(body, "read"):
        return _content(body.read())
    return b"".join(_content(piece) for piece in body)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _seconds(timeout: Any) -> float | None:
    given = cast("tuple[object, ...]", timeout) if isinstance(timeout, tuple) else (timeout,)
    return min(
        (value for value in given if isinstance(value, (int, float)) and value), default=None
    )
