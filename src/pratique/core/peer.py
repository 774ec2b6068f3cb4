"""Where a request came from, in one spelling."""

from ipaddress import IPv6Address
from typing import Final

_NETWORK_BITS: Final = 64
"""Of an IPv6 address: one client has the rest of it to itself. Source: RFC 6177 §2."""


def network_of(peer: str) -> str:
    """Return the whole IPv4 address, the network of an IPv6 one; any other peer as it is named."""
    if ":" not in peer:
        return peer  # IPv4, which a server spells in one way alone
    try:
        address = IPv6Address(peer.partition("%")[0])
    except ValueError:
        return peer
    mapped = address.ipv4_mapped
    if mapped is not None:
        return str(mapped)
    return f"{int(address) >> (128 - _NETWORK_BITS):016x}::/{_NETWORK_BITS}"
