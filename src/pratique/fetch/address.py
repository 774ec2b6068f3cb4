"""Which addresses lie in the open internet, and which of them a policy may connect to."""

from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final

from pratique.core.memo import Memo
from pratique.core.refusal import BoundaryError

from .special_purpose import IPV4, IPV6, METADATA_ADDRESSES, NAT64

Network = IPv4Network | IPv6Network
KNOWN: Final = 4096
"""Answers that a judge remembers."""
_NAT64_LENGTHS: Final = frozenset({32, 40, 48, 56, 64, 96})
_BYTE_64: Final = 8  # RFC 6052 §2.2: bits 64 to 71 are zero, and the IPv4 address steps over them
_MAPPED: Final = bytes(10) + b"\xff\xff"
_ISATAP: Final = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")


class _Ranges:
    """The whole of one address family as ranges in order, with a verdict each."""

    def __init__(self, lines: Iterable[tuple[str, bool]], *, otherwise: bool) -> None:
        # The longest prefix has the last word.
        blocks = sorted(
            ((ip_network(prefix), verdict) for prefix, verdict in lines),
            key=lambda block: -block[0].prefixlen,
        )
        edges = {0}
        for network, _ in blocks:
            edges |= {int(network[0]), int(network[-1]) + 1}
        self._starts = sorted(edges)
        self._verdicts = [
            next((good for net, good in blocks if int(net[0]) <= at <= int(net[-1])), otherwise)
            for at in self._starts
        ]

    def verdict(self, number: int) -> bool:
        """Return what holds where the number lies."""
        return self._verdicts[bisect_right(self._starts, number) - 1]


_V4: Final = _Ranges(IPV4, otherwise=True)
_V6: Final = _Ranges(IPV6, otherwise=False)


def packed(address: str) -> bytes | None:
    """Return the 4 or 16 bytes of an address in its plain form; None for any other text.

    No octal, hexadecimal, short or decimal form, and no scope (`fe80::1%eth0`).
    """
    try:
        return inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    except (OSError, ValueError):
        return None


class AddressJudge:
    """Says of an address whether a policy may connect to it.

    Args:
        nat64: Prefixes of one's own NAT64 gateways, RFC 6052: the IPv4 address inside is judged.
        off_limits: One's own public prefixes, which lie in the open internet and are ours.

    Raises:
        BoundaryError: no network, or a NAT64 prefix of a length that RFC 6052 doesn't know.
    """

    def __init__(self, nat64: Iterable[str] = (), off_limits: Iterable[str] = ()) -> None:
        self._nat64 = [_nat64(prefix) for prefix in (NAT64, *nat64)]
        self._off_limits = [network_of(prefix) for prefix in off_limits]
        self._known = Memo[str, bool](KNOWN)

    def is_good(self, address: str) -> bool:
        """Say whether it lies in the open internet and isn't ours."""
        known = self._known.get(address)
        if known is None:
            raw = packed(address)
            known = self._known.keep(address, raw is not None and self._judged(raw))
        return known

    def leads_to_metadata(self, address: str) -> bool:
        """Say whether an address is a metadata endpoint's, or holds one's IPv4 address.

        Behind NAT64, or mapped (RFC 4291 §2.5.5.2): the way to both is the way to the endpoint.
        """
        raw = packed(address) or b""
        inside = [raw, raw.removeprefix(_MAPPED)]
        inside += [
            _embedded(raw, length) or b"" for length, begin in self._nat64 if raw.startswith(begin)
        ]
        return not METADATA.isdisjoint(inside)

    def _judged(self, raw: bytes) -> bool:
        if raw in METADATA:
            return False
        if any(_lies_in(raw, network) for network in self._off_limits):
            return False
        number = int.from_bytes(raw)
        if len(raw) == _V4_BYTES:
            return _V4.verdict(number)
        for length, prefix in self._nat64:
            if raw[:length] == prefix:
                inside = _embedded(raw, length)
                return inside is not None and self._judged(inside)
        if not _V6.verdict(number):
            return False
        # RFC 5214 §6.1: the interface id of ISATAP names the IPv4 address that a tunnel leads to.
        return raw[8:12] not in _ISATAP or self._judged(raw[12:])


def is_globally_reachable(address: str) -> bool:
    """Say whether an address lies in the open internet, by the registries' own words.

    Args:
        address: "203.0.113.7", "2001:db8::1"; any other text isn't reachable.

    Source: IANA special-purpose address registries, see `special_purpose.py`; OWASP API7:2023.
    """
    return _PLAIN.is_good(address)


def is_inside(address: str, networks: Iterable[Network]) -> bool:
    """Say whether an address lies in a declared network. A metadata endpoint lies in none."""
    raw = packed(address)
    return raw is not None and raw not in METADATA and any(_lies_in(raw, net) for net in networks)


def _lies_in(raw: bytes, network: Network) -> bool:
    number = int.from_bytes(raw)
    is_of_its_family = network.max_prefixlen == len(raw) * 8
    return is_of_its_family and int(network[0]) <= number <= int(network[-1])


def network_of(prefix: str) -> Network:
    """Return a network; BoundaryError where it is no text, no network or has host bits."""
    if not isinstance(prefix, str):  # `ip_network(5)` is 0.0.0.5/32
        raise BoundaryError(f"{prefix!r} is no network: it is of type {type(prefix).__name__}.")
    try:
        return ip_network(prefix)
    except ValueError as error:
        raise BoundaryError(f"{prefix!r} is no network: {error}.") from None


def _nat64(prefix: str) -> tuple[int, bytes]:
    network = network_of(prefix)
    if network.version != 6 or network.prefixlen not in _NAT64_LENGTHS:  # noqa: PLR2004
        raise BoundaryError(
            f"{prefix} is no NAT64 prefix: RFC 6052 knows /32, /40, /48, /56, /64 and /96."
        )
    length = network.prefixlen // 8
    return length, network.network_address.packed[:length]


def _embedded(raw: bytes, length: int) -> bytes | None:
    """Return the IPv4 address behind a NAT64 prefix of *length* bytes. Source: RFC 6052 §2.2."""
    if length >= _BYTE_64:
        start = length if length > _BYTE_64 else length + 1
        if length == _BYTE_64 and raw[_BYTE_64]:
            return None
        return raw[start : start + _V4_BYTES]
    if raw[_BYTE_64]:
        return None
    bare = raw[:_BYTE_64] + raw[_BYTE_64 + 1 :]
    return bare[length : length + _V4_BYTES]


_V4_BYTES: Final = 4
METADATA: Final = frozenset(filter(None, map(packed, METADATA_ADDRESSES)))
"""Packed addresses of the clouds' metadata endpoints: no exception opens one."""
_PLAIN: Final = AddressJudge()
