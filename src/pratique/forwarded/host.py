"""The host that a request is for: one strict grammar, and the names that are ours."""

import re
from collections.abc import Sequence
from typing import Final

from pratique.core.memo import Memo
from pratique.core.obligation import ALLOWED, VALID
from pratique.core.refusal import BoundaryError, Refused

from .address import address_of, is_port

MAX_NAME: Final = 253
"""Characters, RFC 1035 §2.3.4."""
MAX_HOST: Final = MAX_NAME + 1 + len(":65535")
KNOWN: Final = 1024
"""Spellings of hosts that a policy remembers to have admitted."""
DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
# RFC 1123 §2.1 labels of at most 63 characters, and "_", which real hosts have.
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_is_name: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII).fullmatch
# What some resolver or browser reads as an IPv4 address: it ends in a number (WHATWG URL).
_ends_in_a_number: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII).fullmatch


def authority_of(text: str, scheme: str) -> str:
    """Return a host, and its port where it isn't the scheme's, in their one spelling.

    Lower case, one trailing dot dropped, the scheme's default port and an empty port dropped.

    Args:
        text: As it stands in `Host` or `X-Forwarded-Host`.
        scheme: "http" or "https".

    Raises:
        Refused: VALID, code "bad_host".

    Source: RFC 9110 §7.2; RFC 3986 §3.2.2; CWE-644.
    """
    if not text or len(text) > MAX_HOST or not text.isascii():
        raise _bad(f"it is empty, not ASCII, or has more than {MAX_HOST} characters")
    lower = text.lower()
    if lower[0] == "[":
        inside, closed, rest = lower[1:].partition("]")
        address = address_of(inside) if closed and ":" in inside else None
        if address is None or not (rest == "" or rest[0] == ":"):
            raise _bad("it is in brackets and is no IPv6 address, or text follows")
        name, port = f"[{inside if not address.is_v6 else address.text}]", rest[1:]
    else:
        name, _, port = lower.partition(":")
        name = _name(name.removesuffix("."))
    if port and not is_port(port):
        raise _bad("its port is no number from 1 to 65535")
    if not port or port == DEFAULT_PORTS[scheme]:
        return name
    return f"{name}:{port}"


def _name(name: str) -> str:
    if len(name) > MAX_NAME or _is_name(name) is None:
        raise _bad("it is no name of letters, digits, - and _ in labels of at most 63 characters")
    if _ends_in_a_number(name) is not None and address_of(name) is None:
        raise _bad("it ends in a number and is no dotted quad")
    return name


class Hosts:
    """The names that are ours.

    Args:
        entries: "api.example.com", "api.example.com:8443", "*.example.com" (exactly one label in
            front), an address. A name beyond ASCII is written in A-labels.

    Raises:
        BoundaryError: none is named, one is "*" alone, or is no host.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        if isinstance(entries, str) or not entries:
            raise BoundaryError(
                "ProxyPolicy(hosts=…) names no host, and a host that nobody named is in every link "
                'that the application makes. Name yours: hosts=("api.example.com",).'
            )
        self.names = tuple(_entry(entry) for entry in entries)
        self._exact = frozenset(name for name in self.names if name[0] != "*")
        self._parents = frozenset(name[1:] for name in self.names if name[0] == "*")
        self._admitted = Memo[tuple[str, str], str](KNOWN)

    def admit(self, text: str, scheme: str) -> str:
        """Return the one spelling of a host that is ours.

        Raises:
            Refused: VALID, code "bad_host"; ALLOWED, code "host_not_allowed".
        """
        known = self._admitted.get((text, scheme))
        if known is not None:
            return known
        host = authority_of(text, scheme)
        if host not in self._exact and not self._is_below(host):
            raise Refused(
                ALLOWED,
                "the request is for a host that the policy doesn't name",
                code="host_not_allowed",
                hint="a scanner, or a name that is missing in hosts=",
                status=400,
            )
        return self._admitted.keep((text, scheme), host)

    def _is_below(self, host: str) -> bool:
        label, dot, parent = host.partition(".")
        return bool(label and dot) and f".{parent}" in self._parents


def _entry(entry: object) -> str:
    if not isinstance(entry, str):
        raise BoundaryError("ProxyPolicy(hosts=…): a host is a string.")
    if entry == "*":
        raise BoundaryError(
            'ProxyPolicy(hosts=…): "*" names every host. Name yours, or "*.example.com".'
        )
    wild = entry.startswith("*.")
    try:
        # "https" drops :443 and keeps :80, "http" the other way round: neither says a default port.
        name = authority_of(entry.removeprefix("*."), "https")
        return f"*.{name}" if wild else name
    except Refused as refused:
        raise BoundaryError(f"ProxyPolicy(hosts=…): {entry!r}: {refused.detail}.") from None


def _bad(why: str) -> Refused:
    return Refused(
        VALID,
        f"the host can't be used: {why}",
        code="bad_host",
        hint="RFC 9110 §7.2: one Host, a name or an address, and a port",
    )
