"""Whose word is taken for who the client is: peers, one field a fact, our own names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from pratique.core.memo import Memo
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import BoundaryError, Refused

from .address import address_of, node_of
from .chain import MAX_HOPS
from .family import FRAMING
from .host import Hosts
from .trusted import UNIX, TrustedPeers

FORWARDED: Final = "forwarded"
LIST: Final = "x-forwarded-for"
"""The one field beside `Forwarded` that proxies append to; every other holds one address."""
KNOWN: Final = 4096
"""Addresses that a policy remembers to have parsed."""
Missing = Literal["refuse", "peer"]
Judged = tuple[str, bool]
"""An address in its one spelling, and whether it is one of our proxies."""
_is_token: Final = re.compile(r"[a-z0-9!#$%&'*+.^`|~-]{1,64}").fullmatch


@dataclass(frozen=True)
class ProxyPolicy:
    """What an application takes from the proxies in front of it. Nothing else is believed.

    Args:
        trusted: Networks of one's own proxies, "10.0.0.0/8", "2001:db8::7"; "unix:" for a unix
            socket. Whoever is in one of them can say who the client is. Empty: there is no proxy.
        header: Where they write the client's address: "x-forwarded-for" and "forwarded" are lists
            that each appends to; any other field holds one address. None: the peer is the client.
        hops: How many proxies append, where their addresses aren't known: the client is the n-th
            entry from the right. None: the first entry from the right that isn't `trusted`.
        proto: Where they write the scheme. None: that of `Forwarded`, else the connection's.
        host: Where they write the host, where they replace `Host`. None: `Host`.
        hosts: The names that are ours: "api.example.com", "api.example.com:8443",
            "*.example.com" (exactly one label in front).
        edge_fields: Further fields that the proxies set or drop on each request; from anybody else
            they don't reach the application.
        missing: "peer": where a trusted peer doesn't send a declared field, its own connection
            counts. For a proxy's health checks alone, since it lets a client that gets a field
            dropped be taken for the proxy.
        internal_clients: Clients are in `trusted` too: where every entry is, the leftmost is the
            client, and each of them can name another.

    Attributes:
        peers: `trusted`, as it is asked.
        names: `hosts`, as it is asked.
        declared: Every field that is believed from a trusted peer.

    Raises:
        BoundaryError: everybody is trusted, something is empty, no network, field or host, or
            contradicts another.

    Source: RFC 7239 §8; CWE-290, CWE-348, CWE-644.
    """

    trusted: Sequence[str] = ()
    header: str | None = None
    hops: int | None = None
    proto: str | None = None
    host: str | None = None
    hosts: Sequence[str] = ()
    edge_fields: Sequence[str] = ()
    missing: Missing = "refuse"
    internal_clients: bool = False
    peers: TrustedPeers = field(init=False, repr=False, compare=False)
    names: Hosts = field(init=False, repr=False, compare=False)
    declared: frozenset[str] = field(init=False, repr=False, compare=False)
    _peers: Memo[str, Judged] = field(
        init=False, repr=False, compare=False, default_factory=lambda: Memo[str, Judged](KNOWN)
    )
    _entries: Memo[str, Judged] = field(
        init=False, repr=False, compare=False, default_factory=lambda: Memo[str, Judged](KNOWN)
    )

    def __post_init__(self) -> None:
        """Put every word into its one spelling; refuse what is empty or contradicts another."""
        try:
            self._check()
        except (TypeError, AttributeError) as error:
            raise BoundaryError(f"ProxyPolicy: an argument is of another type: {error}.") from None

    def _check(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("peers", TrustedPeers(self.trusted))
        put("trusted", tuple(self.trusted))
        put("header", _name("header", self.header))
        put("proto", _name("proto", self.proto))
        put("host", _name("host", self.host))
        if isinstance(self.edge_fields, str):
            raise BoundaryError('ProxyPolicy(edge_fields=…) is a sequence: ("cf-ipcountry",).')
        put("edge_fields", tuple(_name("edge_fields", each) or "" for each in self.edge_fields))
        facts = [name for name in (self.header, self.proto, self.host) if name]
        put("declared", frozenset((*facts, *self.edge_fields)))
        put("names", Hosts(self.hosts))
        put("hosts", self.names.names)
        self._check_fields(facts)
        self._check_hops()
        if self.missing not in get_args(Missing):
            raise BoundaryError('ProxyPolicy(missing=…) is "refuse" or "peer".')
        if not isinstance(self.internal_clients, bool):
            raise BoundaryError("ProxyPolicy(internal_clients=…) is True or False.")

    def _check_fields(self, facts: list[str]) -> None:
        if self.declared and not self.peers:
            raise BoundaryError(
                f"ProxyPolicy believes {', '.join(sorted(self.declared))} and trusts no peer, so "
                'that anybody could write it. Name your proxies: trusted=("10.0.0.0/8",).'
            )
        if FORWARDED in (self.proto, self.host) and self.header != FORWARDED:
            raise BoundaryError(
                'ProxyPolicy: proto or host of "forwarded" goes with header="forwarded".'
            )
        others = [name for name in facts if name != FORWARDED]
        if len({*others, *self.edge_fields}) < len(others) + len(self.edge_fields):
            raise BoundaryError("ProxyPolicy declares one field for two facts. One says one thing.")

    def _check_hops(self) -> None:
        hops: object = self.hops
        if hops is None:
            return
        if not isinstance(hops, int) or isinstance(hops, bool) or not 1 <= hops <= MAX_HOPS:
            raise BoundaryError(f"ProxyPolicy(hops=…) is a number from 1 to {MAX_HOPS}.")
        if not self.peers:
            raise BoundaryError(
                f"ProxyPolicy(hops={hops}) trusts no peer: a count alone lets whoever reaches the "
                'application write the list. Name your proxies: trusted=("10.0.0.0/8",).'
            )
        if self.header not in (LIST, FORWARDED):
            raise BoundaryError(
                f"ProxyPolicy(hops={hops}) counts the entries of a list, and header="
                f'{self.header!r} is none. Declare "{LIST}" or "{FORWARDED}".'
            )

    def judge_peer(self, peer: str) -> Judged:
        """Return who the connection comes from, and whether it is one of our proxies.

        Args:
            peer: As our own socket saw it: an address, with a zone or mapped where the socket says
                so, or "unix:".

        Raises:
            Refused: AUTHENTIC, code "unknown_peer".
        """
        known = self._peers.get(peer)
        if known is not None:
            return known
        if peer == UNIX and self.peers.has_unix:
            return self._peers.keep(peer, (UNIX, True))
        address = address_of(peer.partition("%")[0])
        if address is None:
            raise Refused(
                AUTHENTIC,
                "the peer of the connection has no address, and no unix socket is trusted",
                code="unknown_peer",
                hint='behind a unix socket declare trusted=("unix:",); in a test name the client',
                status=400,
            )
        return self._peers.keep(peer, (address.text, self.peers.holds(address)))

    def met(self, entry: str) -> Judged | None:
        """Return what was found of an entry before; None where it is a new one."""
        return self._entries.get(entry)

    def judge_entry(self, entry: str) -> Judged:
        """Return the address of one entry of a list, and whether it is one of our proxies.

        Raises:
            Refused: VALID, code "bad_forwarded".
        """
        known = self._entries.get(entry)
        if known is not None:
            return known
        address = node_of(entry)
        return self._entries.keep(entry, (address.text, self.peers.holds(address)))


def _name(argument: str, name: str | None) -> str | None:
    if name is None:
        return None
    lower = name.lower()
    if _is_token(lower) is None:
        raise BoundaryError(
            f"ProxyPolicy({argument}=…): {name!r} is no field name, or has an underscore, which "
            "a WSGI server takes for another field's."
        )
    if lower in FRAMING:
        raise BoundaryError(f"ProxyPolicy({argument}=…): {name!r} isn't a proxy's to set.")
    return lower
