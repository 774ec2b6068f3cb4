"""An address that a proxy wrote: one grammar, and one spelling of each address."""

from ipaddress import IPv6Address
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final, NamedTuple

from pratique.core.obligation import VALID
from pratique.core.refusal import Refused

MAX_ENTRY: Final = 64
"""Characters: "[" + 45 of the longest IPv6 spelling + "]:65535", and what nobody needs."""
MAX_PORT: Final = 65535
_PORT_DIGITS: Final = 5
_V4_BYTES: Final = 4
_V4_BITS: Final = 32
_MAPPED: Final = 0xFFFF
_BROADCAST: Final = 0xFFFFFFFF
_V4_MULTICAST: Final = 0xE
"""The first four bits of 224.0.0.0/4, RFC 5771."""
_V6_MULTICAST: Final = 0xFF
"""The first octet of ff00::/8, RFC 4291 §2.7."""


class Address(NamedTuple):
    """One address: its one spelling (RFC 5952), its number, whether it is of IPv6."""

    text: str
    number: int
    is_v6: bool


def address_of(text: str) -> Address | None:
    """Return an address; None where the text is none. IPv4 mapped into IPv6 is the IPv4 address.

    Zones, leading zeros, hexadecimal, short forms and digits beyond ASCII are no address.

    Args:
        text: ASCII.

    Source: RFC 4291 §2.2, §2.5.5.2; RFC 5952; CVE-2021-29921 (octal).
    """
    try:
        raw = inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError):
        return None
    number = int.from_bytes(raw)
    if len(raw) == _V4_BYTES:
        return Address(text, number, is_v6=False)
    if number >> _V4_BITS == _MAPPED:
        return Address(inet_ntop(AF_INET, raw[-_V4_BYTES:]), number & _BROADCAST, is_v6=False)
    # The system writes 32 bits after zeros as a dotted quad, and Python as RFC 5952 has it.
    spelt = str(IPv6Address(raw)) if number >> _V4_BITS == 0 else inet_ntop(AF_INET6, raw)
    return Address(spelt, number, is_v6=True)


def is_unicast(address: Address) -> bool:
    """Say whether one host can have it: not unspecified, multicast or broadcast."""
    number = address.number
    if number == 0:
        return False
    if address.is_v6:
        return number >> 120 != _V6_MULTICAST
    return number >> 28 != _V4_MULTICAST and number != _BROADCAST


def node_of(text: str) -> Address:
    """Return the address of one entry: IPv4, IPv4:port, IPv6, [IPv6] or [IPv6]:port.

    Raises:
        Refused: VALID, code "bad_forwarded".
    """
    if not text or len(text) > MAX_ENTRY or not text.isascii():
        raise bad(f"an entry is empty, not ASCII, or has more than {MAX_ENTRY} characters")
    if text[0] == "[":
        inside, closed, port = text[1:].partition("]")
        is_whole = closed and ":" in inside and (not port or (port[0] == ":" and is_port(port[1:])))
        address = address_of(inside) if is_whole else None
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
        address = address_of(host) if is_port(port) else None
    else:
        address = address_of(text)
    if address is None:
        raise bad("an entry is no address, with or without a port")
    if not is_unicast(address):
        raise bad("an entry is an address that no host can have")
    return address


def is_port(text: str) -> bool:
    """Say whether a text is a port: 1 to 65535, at most five ASCII digits."""
    return (
        len(text) <= _PORT_DIGITS
        and text.isascii()
        and text.isdigit()
        and 0 < int(text) <= MAX_PORT
    )


def bad(detail: str) -> Refused:
    """Return the refusal of something that our own proxy wrote, or let through."""
    return Refused(
        VALID,
        f"the forwarded field is malformed: {detail}",
        code="bad_forwarded",
        hint="let the proxy overwrite or append to the field that the policy declares",
    )
