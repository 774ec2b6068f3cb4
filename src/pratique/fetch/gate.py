"""One strict grammar of a URL: what it reads is what is fetched, by whichever client."""

import re
from typing import Final

import msgspec

from pratique.core.obligation import VALID
from pratique.core.refusal import Refused

from .host import canonical_host
from .policy import FetchPolicy, Origin, Spelt
from .port import DEFAULT_PORTS, MAX_PORT

MAX_URL: Final = 8192
"""Characters."""
# RFC 3986 §3, narrowed: an authority without userinfo, a host that is a name, a dotted quad or in
# brackets, a port of ASCII digits. What stands in the host is looked at in `host.py`.
_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://"
    r"(?P<host>\[[0-9A-Fa-f:.]*\]|[^/?#:\[\]@\\%\s]+)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?:#.*)?",
    re.ASCII | re.DOTALL,
)
# Half a surrogate pair has no UTF-8: each client makes something else of it.
_CONTROLS: Final = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
_plain_path: Final = re.compile(r"/[A-Za-z0-9_~.!$&'()*+,;=:@/\-]*", re.ASCII).fullmatch
_plain_query: Final = re.compile(r"\?[A-Za-z0-9_~.!$&'()*+,;=:@/?\-]*", re.ASCII).fullmatch
_UNRESERVED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)
_IN_PATH: Final = _UNRESERVED | frozenset(b"!$&'()*+,;=:@/")
_IN_QUERY: Final = _IN_PATH | frozenset(b"?")
_PERCENT: Final = ord("%")
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")
_HINT: Final = "whoever named the URL can mend it: https://host/path"


class Target(msgspec.Struct, frozen=True, gc=False):
    """Where a gated URL leads. Its `url` is ours, and it alone is fetched.

    Attributes:
        url: Canonical: scheme://authority/path?query.
        scheme: "https".
        host: A name in A-labels, a dotted quad, or an IPv6 address without brackets.
        port: Always there.
        authority: As it stands in the URL and in Host: brackets, and the port where it isn't the
            scheme's.
        path_and_query: Begins with "/".
    """

    url: str
    scheme: str
    host: str
    port: int
    authority: str
    path_and_query: str


def gate(url: str, policy: FetchPolicy) -> Target:
    """Return where a URL leads, if the policy names it. Pure: nothing is looked up.

    It says no early and replaces nothing: what a name leads to is judged where it is connected to.
    An address that the URL itself names is judged here.

    Args:
        url: Absolute, at most 8192 characters, also in its canonical form. A fragment is dropped.
        policy: What may be fetched.

    Raises:
        Refused: VALID, code "bad_url", "bad_host", "scheme_not_allowed"; ALLOWED, what
            `FetchPolicy.require` refuses.

    Source: RFC 3986; OWASP API7:2023; CWE-918; for what two parsers read differently "A New Era
    of SSRF" (Tsai, 2017).
    """
    if len(url) > MAX_URL:
        raise _bad(f"it has more than {MAX_URL} characters")
    if _CONTROLS.search(url) is not None:
        raise _bad("it holds a space, a control character or half a surrogate pair")
    found = _URL.fullmatch(url)
    if found is None:
        raise _bad("it isn't scheme://host[:port]/path?query, without userinfo, \\ or %")
    spelt: Spelt = found["scheme"], found["host"], found["port"]
    known = policy.known.get(spelt)
    if known is None:
        known = policy.known.keep(spelt, _origin(spelt, policy))
    scheme, host, port, authority = known
    path = found["path"] or "/"
    if _plain_path(path) is None or "/." in path:
        path = _without_dots(_quoted(path, _IN_PATH))
    query = found["query"] or ""
    if query == "?":
        query = ""  # requests drops it, httpx and aiohttp keep it
    elif query and _plain_query(query) is None:
        query = "?" + _quoted(query[1:], _IN_QUERY)
    rest = path + query
    canonical = f"{scheme}://{authority}{rest}"
    if len(canonical) > MAX_URL:
        raise _bad(f"percent-encoded it has more than {MAX_URL} characters")
    return Target(canonical, scheme, host, port, authority, rest)


def _origin(spelt: Spelt, policy: FetchPolicy) -> Origin:
    """Return an origin in its one spelling, if the policy names it."""
    scheme = spelt[0].lower()
    default = DEFAULT_PORTS.get(scheme)
    if default is None:
        raise Refused(
            VALID, "the scheme is neither https nor http", code="scheme_not_allowed", hint=_HINT
        )
    host = canonical_host(spelt[1])
    port = int(spelt[2] or default)
    if port > MAX_PORT:
        raise _bad("its port is over 65535")
    policy.require(scheme, host, port)
    authority = f"[{host}]" if ":" in host else host
    return scheme, host, port, authority if port == default else f"{authority}:{port}"


def _quoted(text: str, allowed: frozenset[int]) -> str:
    """Percent-encode what isn't allowed, and undo what needn't be, so that no client does either.

    Source: RFC 3986 §6.2.2: %41 is "A", %2f stays, in capitals.
    """
    raw, out, at = text.encode(), bytearray(), 0
    while at < len(raw):
        byte = raw[at]
        if byte == _PERCENT and len(raw) > at + 2 and {raw[at + 1], raw[at + 2]} <= _HEX:
            meant = int(raw[at + 1 : at + 3], 16)
            out += bytes((meant,)) if meant in _UNRESERVED else b"%%%02X" % meant
            at += 3
            continue
        out += bytes((byte,)) if byte in allowed else b"%%%02X" % byte
        at += 1
    return out.decode("ascii")


def _without_dots(path: str) -> str:
    """Remove "." and ".." segments. Source: RFC 3986 §5.2.4."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for number, segment in enumerate(segments):
        is_last = number == len(segments) - 1
        if segment == "..":
            del kept[-1:]
        if segment not in (".", ".."):
            kept.append(segment)
        elif is_last:
            kept.append("")
    return "/" + "/".join(kept)


def _bad(why: str) -> Refused:
    return Refused(VALID, f"the URL can't be used: {why}", code="bad_url", hint=_HINT)
