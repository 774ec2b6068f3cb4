"""What a redirect may lead to: gated like any URL, never down to http, never with what was ours."""

import re
from typing import Final

import msgspec

from pratique.core.claim import Fields
from pratique.core.obligation import ALLOWED
from pratique.core.refusal import Refused

from .gate import Target, gate
from .policy import FetchPolicy

Lines = tuple[tuple[str, str], ...]
"""Header fields as (name, value)."""
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD: Final = frozenset({307, 308})
# What any host may see. Everything else that a caller adds may be a credential (CWE-522).
_FOR_ANYBODY: Final = frozenset({"accept", "accept-encoding", "accept-language", "user-agent"})
_OF_CONTENT: Final = frozenset({"content-type", "content-length", "content-encoding"})
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request to one gated target."""

    target: Target
    method: str = "GET"
    lines: Lines = ()
    content: bytes = b""


def follow(request: Request, status: int, fields: Fields, policy: FetchPolicy) -> Request | None:
    """Return the next request; None where the answer is no redirect.

    Raises:
        Refused: what `gate` refuses; ALLOWED, code "downgrade", "body_across_origins"; VALID where
            Location comes twice.

    Source: RFC 9110 §15.4; OWASP API7:2023; CWE-601.
    """
    location = fields.one("Location") if status in REDIRECTS else None
    if location is None:
        return None
    came_from = request.target
    target = gate(resolve(location, came_from), policy)
    keeps = status in _KEEPS_METHOD or request.method in ("GET", "HEAD")
    method = request.method if keeps else "GET"
    content = request.content if keeps else b""
    lines = request.lines
    if not keeps:
        lines = tuple(line for line in lines if line[0].lower() not in _OF_CONTENT)
    require_hop(came_from, target, has_content=bool(content))
    if origin(target) != origin(came_from):
        lines = for_anybody(lines)
    return Request(target, method, lines, content)


def require_hop(came_from: Target, target: Target, *, has_content: bool) -> None:
    """Refuse a redirect that gives up TLS, or that takes content to another origin.

    Raises:
        Refused: ALLOWED, code "downgrade" or "body_across_origins".
    """
    if came_from.scheme == "https" and target.scheme != "https":
        raise Refused(
            ALLOWED,
            "a redirect leads from https to http",
            code="downgrade",
            hint="fetch what it leads to over https, where the host has it so",
        )
    if has_content and origin(target) != origin(came_from):
        raise Refused(
            ALLOWED,
            "a redirect would send the content of the request to another origin",
            code="body_across_origins",
            hint="ask the other origin itself, where that is meant",
        )


def for_anybody(lines: Lines) -> Lines:
    """Return the fields that may be sent to an origin for which they were not meant."""
    return tuple(line for line in lines if line[0].lower() in _FOR_ANYBODY)


def origin(target: Target) -> tuple[str, str, int]:
    """Return scheme, host and port. Source: RFC 6454 §4."""
    return target.scheme, target.host, target.port


def resolve(location: str, base: Target) -> str:
    """Return the URL that a Location means, to be gated. Source: RFC 3986 §5.2.2."""
    reference = location.partition("#")[0]
    if _SCHEME.match(reference):
        return reference
    if reference.startswith("//"):
        return f"{base.scheme}:{reference}"
    root = f"{base.scheme}://{base.authority}"
    if reference.startswith("/"):
        return root + reference
    path = base.path_and_query.partition("?")[0]
    if not reference:
        return root + base.path_and_query
    if reference.startswith("?"):
        return root + path + reference
    return root + path[: path.rindex("/") + 1] + reference
