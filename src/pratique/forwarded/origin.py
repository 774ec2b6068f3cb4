"""Where a request comes from: the client, the scheme and the host, from what may be believed."""

from collections.abc import Iterator
from typing import Final

import msgspec

from pratique.core.claim import Fields
from pratique.core.obligation import VALID
from pratique.core.refusal import Refused

from . import chain, framing, rfc7239
from .address import bad
from .chain import Hop, Lines
from .framing import ByName
from .host import authority_of
from .policy import FORWARDED, LIST, ProxyPolicy

_NO_ELEMENT: Final[rfc7239.Element] = {}
_SCHEMES: Final = {"http": "http", "https": "https", "HTTPS": "https", "HTTP": "http"}
_SOCKET_SCHEMES: Final = {"ws": "http", "wss": "https"}
"""What Traefik writes of a WebSocket; taken where the request is one."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a request comes from.

    Attributes:
        client: The client's address in its one spelling (RFC 5952, IPv4 where it was mapped):
            the key of a rate limiter. "unix:" where a trusted unix socket is itself the client.
        scheme: "http" or "https".
        host: Lower case, with a port only where it isn't the scheme's.
    """

    client: str
    scheme: str
    host: str


def origin_of(
    peer: str, fields: Fields, policy: ProxyPolicy, *, scheme: str = "http", target: str = "/"
) -> Origin:
    """Return where a request comes from. Pure: what is said is weighed, nothing is asked.

    Args:
        peer: As our own socket saw it: an address, or "unix:".
        fields: Every line as it came.
        policy: Whose word is taken, and for what.
        scheme: Of the connection: "http", "https"; "ws", "wss" for a WebSocket.
        target: The request's target as it came; of one in absolute-form the authority must be
            `Host`.

    Raises:
        Refused: AUTHENTIC, VALID or ALLOWED, each with status 400: `docs/reference/refusals.md`.

    Source: RFC 7239; RFC 9110 §7.2, §7.6.1; RFC 9112 §3.2, §6.3; CWE-290, CWE-348, CWE-444,
    CWE-644.
    """
    known = fields.by_name
    framing.check(known, policy.declared)
    own_scheme = _SOCKET_SCHEMES.get(scheme, scheme)
    host = known.get("host")
    if not isinstance(host, str):
        raise _no_host(0 if host is None else len(host))
    if target[:1] != "/" and target not in ("", "*"):
        _require_same_authority(target, host)
    client, is_trusted = policy.judge_peer(peer)
    if not is_trusted:
        return Origin(client, own_scheme, policy.names.admit(host, own_scheme))
    return _believed(known, policy, host, Origin(client, own_scheme, ""), scheme)


def _believed(known: ByName, policy: ProxyPolicy, host: str, own: Origin, transport: str) -> Origin:
    """Return the origin that a trusted peer says; *own* is what the connection itself says."""
    client, own_scheme = own.client, own.scheme
    if policy.edge_fields:
        _require_single(known, policy)
    place, said = 1, ""
    if policy.header is not None:
        found = _client(known, policy)
        if found is not None:
            (client, place), element = found
            said = element.get("proto", "")
            if policy.host == FORWARDED:
                host = element.get("host") or _missing(policy, host)
    if policy.proto is not None and policy.proto != FORWARDED:
        own_scheme = _declared_scheme(known, policy, place, transport)
    elif said:
        own_scheme = _scheme(said, transport)
    if policy.host is not None and policy.host != FORWARDED:
        authority_of(host, own_scheme)  # not compared, and still one Host of the grammar
        host = _declared_host(known, policy, place, host)
    return Origin(client, own_scheme, policy.names.admit(host, own_scheme))


def _client(known: ByName, policy: ProxyPolicy) -> tuple[Hop, rfc7239.Element] | None:
    name = policy.header or ""
    lines = _lines(known, name)
    if name == FORWARDED:
        found = _from_elements(lines, policy)
    elif name == LIST:
        hop = _only(lines, policy) or (
            chain.walk(
                chain.from_the_right(lines),
                policy.judge_entry,
                internal_clients=policy.internal_clients,
            )
            if policy.hops is None
            else chain.count(chain.from_the_right(lines), policy.judge_entry, policy.hops)
        )
        found = None if hop is None else (hop, _NO_ELEMENT)
    else:
        found = _single(lines, policy)
    if found is None:
        _missing(policy, "")
    return found


def _only(lines: Lines, policy: ProxyPolicy) -> Hop | None:
    """Return the client where the list is one entry that was met before: most requests."""
    if len(lines) == 1 and policy.hops in (None, 1):
        known = policy.met(lines[0])
        if known is not None and (policy.hops == 1 or not known[1]):
            return Hop(known[0], 1)
    return None


def _from_elements(lines: Lines, policy: ProxyPolicy) -> tuple[Hop, rfc7239.Element] | None:
    last: rfc7239.Element = {}

    def nodes() -> Iterator[str]:
        nonlocal last
        for element in rfc7239.from_the_right(lines):
            last = element
            yield rfc7239.node_in(element)

    hop = (
        chain.walk(nodes(), policy.judge_entry, internal_clients=policy.internal_clients)
        if policy.hops is None
        else chain.count(nodes(), policy.judge_entry, policy.hops)
    )
    return None if hop is None else (hop, last)


def _single(lines: Lines, policy: ProxyPolicy) -> tuple[Hop, rfc7239.Element] | None:
    if len(lines) > 1:
        raise Refused(
            VALID,
            f"the field that holds the client's address came {len(lines)} times",
            code="duplicate_field",
            hint="let the proxy overwrite it, not add to it",
            status=400,
        )
    entry = lines[0].strip(" \t") if lines else ""
    return (Hop(policy.judge_entry(entry)[0], 1), {}) if entry else None


def _declared_scheme(known: ByName, policy: ProxyPolicy, place: int, scheme: str) -> str:
    lines = _lines(known, policy.proto or "")
    if len(lines) == 1:
        found = _SCHEMES.get(lines[0])
        if found is not None:
            return found
    if not any(line.strip(" \t") for line in lines):
        return _missing(policy, _SOCKET_SCHEMES.get(scheme, scheme))
    return chain.aligned(lines, place, lambda text: _scheme(text, scheme))


def _declared_host(known: ByName, policy: ProxyPolicy, place: int, host: str) -> str:
    lines = _lines(known, policy.host or "")
    if not any(line.strip(" \t") for line in lines):
        return _missing(policy, host)
    return chain.aligned(lines, place, lambda text: text)


def _scheme(text: str, transport: str) -> str:
    lower = text.lower()
    found = _SCHEMES.get(lower)
    if found is None and transport in _SOCKET_SCHEMES:
        found = _SOCKET_SCHEMES.get(lower)
    if found is None:
        raise bad("the scheme is neither http nor https")
    return found


def _missing(policy: ProxyPolicy, instead: str) -> str:
    if policy.missing == "peer":
        return instead
    raise Refused(
        VALID,
        "a trusted peer doesn't send a field that the policy declares",
        code="no_forwarded",
        hint='let the proxy set it on every request; its health checks: missing="peer"',
        status=400,
    )


def _require_single(known: ByName, policy: ProxyPolicy) -> None:
    for name in policy.edge_fields:
        if isinstance(known.get(name, ""), tuple):
            raise Refused(
                VALID,
                "a field of the edge came more than once: the client's own, and the edge's",
                code="duplicate_field",
                hint="let the proxy overwrite it, not add to it",
                status=400,
            )


def _require_same_authority(target: str, host: str) -> None:
    # RFC 9112 §3.2.2: a server ignores Host beside an absolute-form, so both must say the same.
    scheme, separator, rest = target.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _SCHEMES:
        raise _other_target("the target is no path, * or URL of http or https")
    authority = rest.partition("/")[0].partition("?")[0]
    if authority_of(authority, scheme) != authority_of(host, scheme):
        raise _other_target("the target names another host than Host")


def _other_target(detail: str) -> Refused:
    return Refused(
        VALID,
        detail,
        code="target_mismatch",
        hint="RFC 9112 §3.2.2: an absolute-form's authority is what Host says",
        status=400,
    )


def _no_host(lines: int) -> Refused:
    if lines:
        return Refused(
            VALID,
            f"Host came {lines} times",
            code="duplicate_field",
            hint="RFC 9112 §3.2: one Host",
            status=400,
        )
    return Refused(
        VALID, "no Host came", code="bad_host", hint="RFC 9112 §3.2: one Host", status=400
    )


def _lines(known: ByName, name: str) -> Lines:
    found = known.get(name, ())
    return (found,) if isinstance(found, str) else found
