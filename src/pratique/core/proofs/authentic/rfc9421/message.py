"""What a signature is over: a request or a response as we sent or received it."""

import re
from typing import Final

import msgspec

from pratique.core.claim import Claim, Fields
from pratique.core.obligation import VALID
from pratique.core.refusal import Refused

MAX_URL: Final = 8192
"""Characters."""
# RFC 3986 §3, narrowed to what http and https have: no userinfo, no fragment, nothing unquoted.
_URL: Final = re.compile(
    r"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~\-]+)(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[!$%&'()*+,\-./0-9:;=@A-Z_a-z~]*)?"
    r"(?:\?(?P<query>[!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z|~]*))?",
    re.ASCII,
)
_ORIGIN: Final = re.compile(r"(?P<origin>https?://[^/?#]+)/?")
_PORTS: Final = {"http": "80", "https": "443"}
_NO_FIELDS: Final = Fields()


class TargetUri(msgspec.Struct, frozen=True):
    """A target URI in its parts. Source: RFC 9421 §2.2.2 to §2.2.7; RFC 9110 §4.2.3.

    Attributes:
        scheme: "https".
        authority: Lower case, without the port that the scheme has anyway.
        path: As it is quoted; "/" where it is empty.
        query: With its "?"; "" where there is none.
    """

    scheme: str
    authority: str
    path: str
    query: str

    @property
    def text(self) -> str:
        """Return the whole."""
        return f"{self.scheme}://{self.authority}{self.path}{self.query}"


class RequestMessage(msgspec.Struct, frozen=True):
    """A request: one that we send, or one that reached us.

    Attributes:
        method: As it stands in the request: "POST".
        url: The target URI: the scheme and host under which the signer knows us.
        fields: Every header field line.
        content: As it goes over the wire, with its Content-Encoding.
    """

    method: str
    url: str
    fields: Fields = _NO_FIELDS
    content: bytes = b""

    @property
    def target(self) -> TargetUri:
        """Return the target URI in its parts.

        Raises:
            Refused: VALID, code "bad_url".
        """
        found = _URL.fullmatch(self.url) if len(self.url) <= MAX_URL else None
        if found is None:
            raise Refused(
                VALID,
                f"the target URI isn't scheme://host/path?query of at most {MAX_URL} characters",
                code="bad_url",
            )
        scheme, port = found["scheme"].lower(), found["port"]
        authority = found["host"].lower()
        if port is not None and port != _PORTS[scheme]:
            authority = f"{authority}:{port}"
        query = "" if found["query"] is None else f"?{found['query']}"
        return TargetUri(scheme, authority, found["path"] or "/", query)

    def __repr__(self) -> str:
        """Return its sizes alone: a URL and a field may hold secrets."""
        return f"RequestMessage({len(self.content)} bytes, {self.fields!r})"


class ResponseMessage(msgspec.Struct, frozen=True):
    """A response, with the request that it answers.

    Attributes:
        status: 200.
        fields: Every header field line.
        content: As it came over the wire, before any Content-Encoding is undone.
        request: What was asked, as whoever verifies knows it: never what the response says of it.
    """

    status: int
    fields: Fields = _NO_FIELDS
    content: bytes = b""
    request: RequestMessage | None = None

    def __repr__(self) -> str:
        """Return its sizes alone."""
        return f"ResponseMessage({self.status}, {len(self.content)} bytes, {self.fields!r})"


def request_of(claim: Claim, *, origin: str) -> RequestMessage:
    """Return a claim that reached us as the request that its sender signed.

    Args:
        claim: As a door made it.
        origin: "https://api.example": under which senders know us, as we declare it. Host and the
            forwarded fields are somebody's claim, and a proxy in front of us changes them.

    Raises:
        ValueError: the origin has a path, or is none.
        Refused: VALID, code "bad_url": the request's own target isn't a path.
    """
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        raise ValueError("origin= is the scheme and the host alone: https://api.example")
    via = claim.via
    if not via.target.startswith("/"):
        raise Refused(VALID, "the request's target isn't a path", code="bad_url")
    return RequestMessage(via.method, found["origin"] + via.target, claim.fields, claim.content)
