"""What an issuer answers to a guarded fetcher, read as one JSON object or not at all."""

from collections.abc import Collection, Sequence
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from pratique.core.answered import Answered
from pratique.core.proofs.authentic.strict_json import object_of
from pratique.core.proven import Proven
from pratique.core.refusal import BoundaryError

Lines = Sequence[tuple[str, str]]
JSON: Final = frozenset({"application/json"})
JWKS_TYPES: Final = frozenset({"application/json", "application/jwk-set+json"})
"""RFC 7517 §8.5.2 registers the second one; most issuers send the first."""
MAX_CONTENT_BYTES: Final = 262_144
"""A key of RSA 4096 with a certificate chain is 8 KiB of JSON; an issuer has a handful."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_OK: Final = 200


class Getter(Protocol):
    """Goes to an issuer under a fetch policy: a `pratique.fetch.Fetch`."""

    def get(self, url: str, *, fields: Lines = ()) -> Proven[Answered]:
        """Return what the URL leads to; Refused where the policy doesn't let it."""
        ...


class Poster(Protocol):
    """Asks an issuer under a fetch policy: a `pratique.fetch.Fetch`."""

    def post(self, url: str, *, content: bytes, fields: Lines = ()) -> Proven[Answered]:
        """Return what is answered; Refused where the policy doesn't let it."""
        ...

    async def apost(self, url: str, *, content: bytes, fields: Lines = ()) -> Proven[Answered]:
        """Do the same on the event loop."""
        ...


class UnusableError(ValueError):
    """An issuer's answer that nothing can be learnt from. Its text is ours, for the operator."""


def object_in(answer: Answered, *, types: Collection[str] = JSON) -> dict[str, Any]:
    """Return the members of an answer that is one JSON object of a wanted type and size.

    Raises:
        UnusableError: it is anything else.
    """
    if answer.status != _OK:
        raise UnusableError(f"it answers with status {answer.status}")
    told = answer.fields.all("Content-Type")
    if len(told) != 1 or told[0].partition(";")[0].strip().lower() not in types:
        raise UnusableError(f"its content type isn't {' or '.join(sorted(types))}")
    if len(answer.content) > MAX_CONTENT_BYTES:
        raise UnusableError(f"it sends more than {MAX_CONTENT_BYTES} bytes")
    try:
        return object_of(answer.content)
    except ValueError:
        raise UnusableError("it sends no JSON object, or one with a member twice") from None


def is_issuer_url(url: object) -> bool:
    """Say whether a URL is one that an issuer may have: https, or http on this machine.

    It has no query, fragment or user information. Source: RFC 8414 §2; OpenID Connect Discovery §3.
    """
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or "?" in url or "#" in url or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


def require_issuer_url(what: str, url: str) -> str:
    """Return a URL that `is_issuer_url`.

    Raises:
        BoundaryError: it is none.
    """
    if not is_issuer_url(url):
        raise BoundaryError(
            f"{what} isn't an https URL without query and fragment (http on this machine alone)."
        )
    return url
