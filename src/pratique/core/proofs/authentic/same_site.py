"""Which page a request comes from: a browser adds a cookie to any page's requests (CWE-352)."""

from collections.abc import Sequence
from typing import Final

from pratique.core.claim import Claim
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import BoundaryError, Refused

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS: Final = {"https": ":443", "http": ":80"}


def require_origins(identity: str, origins: Sequence[str]) -> frozenset[str]:
    """Return the origins from which state may be changed.

    Args:
        identity: Whose argument it is, for the message.
        origins: "https://shop.example": no path, and no port where it is the scheme's own.

    Raises:
        BoundaryError: there is none, or one isn't an origin.
    """
    if isinstance(origins, str) or not origins or not all(map(_is_origin, origins)):
        raise BoundaryError(
            f'{identity}(origins=…) names where state may be changed from: ["https://…"].'
        )
    return frozenset(origins)


def require_same_site(identity: str, claim: Claim, origins: frozenset[str]) -> None:
    """Refuse a change of state that a page of somebody else's asks for.

    A browser names the origin with every unsafe method. With a GET it does so across origins alone:
    without an origin, it is taken from a page of the same origin, as the browser says.

    Args:
        identity: Whose argument `origins` is, for the hint.
        claim: The request.
        origins: See `require_origins`.

    Raises:
        Refused: AUTHENTIC, code "cross_site".

    Source: CWE-352; RFC 6454; Fetch Standard, "Origin" header; Fetch Metadata (Sec-Fetch-Site).
    """
    origin = claim.fields.one("Origin")
    site = claim.fields.one("Sec-Fetch-Site")
    if origin in origins and site in (None, "same-origin", "same-site"):
        return
    if origin is None and site == "same-origin" and claim.via.method in SAFE:
        return
    raise _cross_site(identity)


def require_no_other_site(identity: str, claim: Claim, origins: frozenset[str]) -> None:
    """Refuse a change of state that a browser says a page of another origin asks for.

    For an identity that programs have as well as browsers: who says nothing of a page isn't one of
    today's browsers. A GET that changes something is owed what a browser says all the same.

    Args:
        identity: Whose argument `origins` is, for the hint.
        claim: The request.
        origins: Further ones than our own, whose pages may; see `require_origins`.

    Raises:
        Refused: AUTHENTIC, code "cross_site".

    Source: CWE-352; Fetch Metadata (Sec-Fetch-Site), "none" where no page asks; RFC 6454.
    """
    origin, site = claim.fields.one("Origin"), claim.fields.one("Sec-Fetch-Site")
    if origin in origins or site == "same-origin":
        return
    if claim.via.method not in SAFE:
        host = claim.fields.one("Host")
        is_ours = origin is None or bool(host and origin.partition("://")[2] == host.lower())
        if site == "none" or (site is None and is_ours):
            return
    raise _cross_site(identity)


def _is_origin(text: str) -> bool:
    # RFC 6454 §6.2: lower case, no path, and no port where it is the scheme's own.
    scheme, _, host = text.partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    is_host = bool(host) and not any(sign in host for sign in "/?#@*")
    return port is not None and is_host and not host.endswith(port) and text == text.lower()


def _cross_site(identity: str) -> Refused:
    return Refused(
        AUTHENTIC,
        "a change of state comes from an origin that isn't declared, or from none",
        code="cross_site",
        hint=f"compare the Origin field with {identity}(origins=…)",
    )
