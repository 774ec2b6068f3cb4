"""The fetch boundary as a transport of httpx: one argument more where a client is made.

    client = httpx.Client(transport=FetchTransport(policy))

The policy follows redirects itself, each hop gated; the client sees the last answer. What is
refused is both `Refused` and httpx's own exception, so that `except httpx.HTTPError` still holds.
"""

from typing import ClassVar

import httpx

from .transport import AsyncContent, AsyncTransport, Content, Library, RefusedRequest, Transport


class RefusedByPolicy(RefusedRequest, httpx.ConnectError):
    """A refusal that is httpx's ConnectError too."""


class OverDeadline(RefusedRequest, httpx.ReadTimeout):
    """A refusal for time that is httpx's ReadTimeout too."""


class _Content(Content, httpx.SyncByteStream):
    pass


class _AsyncContent(AsyncContent, httpx.AsyncByteStream):
    pass


_HTTPX = Library(httpx, RefusedByPolicy, OverDeadline, _Content, _AsyncContent)


class FetchTransport(Transport[httpx.Request, httpx.Response], httpx.BaseTransport):
    """Sends what the policy names, and refuses the rest.

    Args:
        policy: What may be fetched.
        name: Its name in events.
        recorder: Where records go: `perimeter.recorder`; by default the logger "pratique".
    """

    library: ClassVar[Library] = _HTTPX


class AsyncFetchTransport(AsyncTransport[httpx.Request, httpx.Response], httpx.AsyncBaseTransport):
    """The same for `httpx.AsyncClient`. Args as `FetchTransport`."""

    library: ClassVar[Library] = _HTTPX
