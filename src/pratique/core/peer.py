"""Where a request came from, in one spelling."""

from ipaddress import IPv6Address, ip_address
from typing import Final

_NETWORK_BITS: Final = 64
"""Of an IPv6 address: one client has the rest of it to itself. Source: RFC 6177 §2."""


def network_of(peer: str) -> str:
    """Return the whole IPv4 address, the network of an IPv6 one; any other peer as it is named."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> (128 - _NETWORK_BITS):016x}::/{_NETWORK_BITS}"
