"""The peers whose word is taken: networks, and a unix socket where that is declared."""

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Network,
    IPv6Network,
    collapse_addresses,
    ip_network,
)
from typing import Final, NamedTuple

from pratique.core.refusal import BoundaryError

from .address import Address

UNIX: Final = "unix:"
"""A unix socket: whoever may open its file is trusted, so its mode is part of the policy."""
_MAPPED: Final = 0xFFFF << 32
_MAPPED_BITS: Final = 96
_V4_BITS: Final = 32


class _Block(NamedTuple):
    """A network as numbers: an address lies in it when its bits above are the same."""

    number: int
    shift: int


class TrustedPeers:
    """Networks of one's own proxies.

    Args:
        entries: "10.0.0.0/8", "10.0.0.7", "2001:db8::/32", "unix:".

    Attributes:
        names: Each entry in its one spelling, for the report.
        has_unix: A unix socket is one of them.

    Raises:
        BoundaryError: an entry is empty, no network, has host bits set, or all together they are
            the whole internet.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        if isinstance(entries, str):
            raise BoundaryError(
                'ProxyPolicy(trusted=…) is a sequence: trusted=("10.0.0.0/8",), not one string.'
            )
        self.has_unix = UNIX in entries
        networks = [_network(entry) for entry in entries if entry != UNIX]
        v4 = [each for each in networks if isinstance(each, IPv4Network)]
        v6 = [each for each in networks if isinstance(each, IPv6Network)]
        _refuse_everything(collapse_addresses(v4))
        _refuse_everything(collapse_addresses(v6))
        self._v4 = tuple(_block(each) for each in v4)
        self._v6 = tuple(_block(each) for each in v6)
        self.names = (*map(str, networks), *((UNIX,) if self.has_unix else ()))

    def __bool__(self) -> bool:
        """Say whether anybody is trusted."""
        return bool(self.names)

    def holds(self, address: Address) -> bool:
        """Say whether the address lies in one of the networks."""
        number = address.number
        return any(
            number >> shift == wanted for wanted, shift in (self._v6 if address.is_v6 else self._v4)
        )


def _block(network: IPv4Network | IPv6Network) -> _Block:
    shift = network.max_prefixlen - network.prefixlen
    return _Block(int(network.network_address) >> shift, shift)


def _network(entry: object) -> IPv4Network | IPv6Network:
    if not isinstance(entry, str) or not entry.strip():
        raise BoundaryError(
            "ProxyPolicy(trusted=…) has an empty entry. Name networks: "
            '"10.0.0.0/8", or "unix:" for a unix socket.'
        )
    if entry == "*":
        raise _everybody()
    prefix = entry.partition("/")[2]
    if prefix and not (prefix.isascii() and prefix.isdigit()):
        raise BoundaryError(f"ProxyPolicy(trusted=…): {entry!r}: a prefix length is digits.")
    if "%" in entry:
        raise BoundaryError(f"ProxyPolicy(trusted=…): {entry!r}: a zone is of one machine.")
    try:
        network = ip_network(entry)
    except ValueError as error:
        raise BoundaryError(f"ProxyPolicy(trusted=…): {entry!r} is no network: {error}.") from None
    return _unmapped(network)


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    number = int(network.network_address)
    if isinstance(network, IPv4Network) or number >> _V4_BITS != _MAPPED >> _V4_BITS:
        return network
    if network.prefixlen < _MAPPED_BITS:
        raise BoundaryError(f"ProxyPolicy(trusted=…): {network} is wider than IPv4 itself.")
    return IPv4Network((number & 0xFFFFFFFF, network.prefixlen - _MAPPED_BITS))


def _refuse_everything(networks: Iterable[IPv4Network] | Iterable[IPv6Network]) -> None:
    if any(network.prefixlen == 0 for network in networks):
        raise _everybody()


def _everybody() -> BoundaryError:
    return BoundaryError(
        "ProxyPolicy(trusted=…) trusts every peer, so that any client is a proxy. Name the "
        "networks in which your own proxies are."
    )
