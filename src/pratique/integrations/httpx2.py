"""The fetch boundary as a transport of httpx2: one argument more where a client is made.

    client = httpx2.Client(transport=FetchTransport(policy))

The policy follows redirects itself, each hop gated; the client sees the last answer. What is
refused is both `Refused` and httpx2's own exception, so that `except httpx2.HTTPError` still holds.
"""

from typing import ClassVar

import httpx2

from .transport import AsyncContent, AsyncTransport, Content, Library, RefusedRequest, Transport


class RefusedByPolicy(RefusedRequest, httpx2.ConnectError):
    """A refusal that is httpx2's ConnectError too."""


class OverDeadline(RefusedRequest, httpx2.ReadTimeout):
    """A refusal for time that is httpx2's ReadTimeout too."""


class _Content(Content, httpx2.SyncByteStream):
    pass


class _AsyncContent(AsyncContent, httpx2.AsyncByteStream):
    pass


_HTTPX2 = Library(httpx2, RefusedByPolicy, OverDeadline, _Content, _AsyncContent)


class FetchTransport(Transport[httpx2.Request, httpx2.Response], httpx2.BaseTransport):
    """Sends what the policy names, and refuses the rest.

    Args:
        policy: What may be fetched.
        name: Its name in events.
        recorder: Where records go: `perimeter.recorder`; by default the logger "pratique".
    """

    library: ClassVar[Library] = _HTTPX2


class AsyncFetchTransport(
    AsyncTransport[httpx2.Request, httpx2.Response], httpx2.AsyncBaseTransport
):
    """The same for `httpx2.AsyncClient`. Args as `FetchTransport`."""

    library: ClassVar[Library] = _HTTPX2
