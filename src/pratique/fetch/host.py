"""One spelling of a host: an address in its canonical form, or a name in A-labels."""

import re
from ipaddress import IPv6Address
from typing import Final

import idna

from pratique.core.obligation import VALID
from pratique.core.refusal import Refused

from .address import packed

MAX_NAME: Final = 253
"""Characters, RFC 1035 §2.3.4."""
# RFC 1123 §2.1 labels of at most 63 characters, and "_", which real hosts have.
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_is_name: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII).fullmatch
# What some resolver reads as an IPv4 address: it ends in a number, however that is written.
_ends_in_a_number: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII).fullmatch
_HINT: Final = "a host is a name, a dotted quad, or an IPv6 address in brackets"


def canonical_host(text: str) -> str:
    """Return the only spelling of a host that is used from here on.

    Args:
        text: As it stands in a URL's authority: "Example.COM", "bücher.example", "192.0.2.1",
            "[2001:db8::1]"; one trailing dot is dropped.

    Returns:
        A name in lower-case A-labels, a dotted quad, or an IPv6 address without brackets, RFC 5952.

    Raises:
        Refused: VALID, code "bad_host".

    Source: RFC 3986 §3.2.2; RFC 5891 §4 (IDNA2008); WHATWG URL "ends in a number".
    """
    if text.startswith("["):
        return _ipv6(text)
    name = text.removesuffix(".")
    name = name.lower() if name.isascii() else _a_labels(name)
    if len(name) > MAX_NAME or _is_name(name) is None:
        raise _bad("it is no name of letters, digits, - and _ in labels of at most 63 characters")
    if _ends_in_a_number(name) is not None:
        if packed(name) is None:
            raise _bad("it ends in a number and is no dotted quad")
    elif "xn--" in name or _reserved(name):
        _require_round_trip(name)
    return name


def is_literal(host: str) -> bool:
    """Say whether a host in its one spelling is an address, so that nothing is looked up."""
    return ":" in host or host.replace(".", "").isdigit()


def _reserved(name: str) -> bool:
    # RFC 5891 §4.2.3.1: "--" in the third and fourth place is an encoding's mark.
    return any(label[2:4] == "--" for label in name.split("."))


def _ipv6(text: str) -> str:
    raw = packed(text[1:-1]) if text.endswith("]") and ":" in text else None
    if raw is None:
        raise _bad("it is in brackets and is no IPv6 address without a scope")
    return str(IPv6Address(raw))


def _a_labels(name: str) -> str:
    # IDNA2008 itself, without the mappings of UTS 46: they fold one name into another's.
    try:
        return idna.encode(name.lower(), strict=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise _bad("IDNA2008 knows no such name") from None


def _require_round_trip(name: str) -> None:
    for label in name.split("."):
        if label[2:4] == "--" and not _is_a_label(label):
            raise _bad("a label is marked as encoded and doesn't decode to a name of IDNA2008")


def _is_a_label(label: str) -> bool:
    try:
        return label.startswith("xn--") and idna.alabel(idna.ulabel(label)).decode() == label
    except (idna.IDNAError, UnicodeError):
        return False


def _bad(why: str) -> Refused:
    return Refused(VALID, f"the host can't be used: {why}", code="bad_host", hint=_HINT)
