"""What a declaration says of a sender besides its secrets: our public URL, and what it pins."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from pratique.core.claim import Claim
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused

# RFC 3986 §3.4, strictly: nothing that could begin a content (a brace, a quotation mark) is part of
# a query, so that where a sender signs URL and content without a sign between, none moves over.
_QUERY: Final = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*")
_NO_URL: Final = re.compile(r"[\x00-\x20\"<>\\^`{|}\x7f]")


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What the declaration says, and no delivery can: never read from a field of one."""

    url: str | None = None
    """Our own public URL, as the sender was told it."""
    pins: Mapping[str, Any] = {}


def is_absolute(url: str) -> bool:
    """Say whether it is an absolute http or https URL with a host, and no port that can't be.

    Nor a sign that RFC 3986 has nowhere: one that could begin a content would move the border.
    """
    try:
        at = urlsplit(url)
        is_whole = at.scheme in ("http", "https") and bool(at.hostname) and at.port != 0
        return is_whole and _NO_URL.search(url) is None
    except ValueError:
        return False


def declared_url(facts: Facts) -> str:
    """Return the declared URL as it stands, for senders that sign the one that they were told.

    Refused where none is declared.
    """
    if not facts.url:
        raise Refused(
            AUTHENTIC,
            "the sender signs our URL, and the declaration names none",
            code="undeclared",
            hint="pass url=, the public URL as the sender was told it",
        )
    return facts.url


def requested_url(facts: Facts, claim: Claim) -> str:
    """Return the declared URL with the query of this request, for senders that add to the query.

    Scheme, host and path are the declaration's: what a proxy or a client says of them proves
    nothing. A query that is declared stands at the start of the request's, else it is what counts.
    """
    url = declared_url(facts)
    _, asked, query = claim.via.target.partition("?")
    base, _, declared = url.partition("?")
    if not asked or _QUERY.fullmatch(query) is None:
        return url
    if declared and query != declared and not query.startswith(f"{declared}&"):
        return url
    return f"{base}?{query}"
