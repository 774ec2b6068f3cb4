"""What may be fetched: hosts, ports, redirects, types and sizes, declared once."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Final

from pratique.core.memo import Memo
from pratique.core.obligation import ALLOWED
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.waiver import Observe

from .address import METADATA, AddressJudge, Network, is_inside, packed
from .credential import Credential, Credentials
from .egress import EgressProxy
from .host import canonical_host
from .internal import Internal
from .port import DEFAULT_PORTS, is_port
from .special_purpose import METADATA_NAMES
from .table import arguments_of

PUBLIC: Final = frozenset({"*"})
"""Any host in the open internet: `hosts=PUBLIC`."""
DEFAULT_TYPES: Final = frozenset({"text/html", "text/plain", "application/json"})
_SVG: Final = "image/svg+xml"
Spelt = tuple[str, str, str | None]
"""Scheme, host and port as they stand in a URL."""
Origin = tuple[str, str, int, str]
"""Scheme, host, port and authority in their one spelling."""
KNOWN: Final = 1024
"""Spellings of origins that a policy remembers to have admitted."""


@dataclass(frozen=True)
class FetchPolicy:
    """What may be fetched. Everything that isn't named here is refused.

    Args:
        hosts: Exact names, "*.cdn.example" (exactly one label in front), IDN in either form; or
            `PUBLIC` for any host in the open internet.
        schemes: "https", "http". Over http nothing proves who answered.
        ports: By default those of the schemes.
        redirects: How many are followed; each is gated like the first.
        content_types: "image/png"; "image/*" for every image but image/svg+xml, a document with
            scripts and entities that is named or not admitted; "*/*" for any.
        max_wire_bytes: Content as it is sent, bytes.
        max_content_bytes: Content decoded, bytes.
        deadline: On the wall clock, over lookup, connecting, every hop and the last byte.
        internal: Narrow ways to services of one's own.
        proxy: The one way out, where a network has no other.
        protocols: ALPN ids (RFC 7301) that are offered: "http/1.1", "h2" (extra `h2`).
        credentials: {"api.example": Credential(Secret.env("API_KEY"))}: sent to that origin alone.
        observe: From `pratique.unsafe.observe`: adapters judge and record, and let everything go
            on as it would without them, until then.
        nat64: Prefixes of one's own NAT64 gateways; the IPv4 address inside is judged.
        off_limits: One's own public prefixes.

    Attributes:
        open_ports: The ports, those of the schemes where none are named.
        credentials_of: The credentials, by origin.
        known: For the gate: origins as they were spelt in a URL, and admitted.

    Raises:
        BoundaryError: something is empty, zero, or no host, scheme, port, type or network.
    """

    hosts: AbstractSet[str] = frozenset()
    schemes: AbstractSet[str] = frozenset({"https"})
    ports: AbstractSet[int] | None = None
    redirects: int = 0
    content_types: AbstractSet[str] = DEFAULT_TYPES
    max_wire_bytes: int = 5_000_000
    max_content_bytes: int = 10_000_000
    deadline: timedelta = timedelta(seconds=10)
    internal: Sequence[Internal] = ()
    proxy: EgressProxy | None = None
    protocols: AbstractSet[str] = frozenset({"http/1.1"})
    credentials: Mapping[str, Credential] = field(
        default_factory=dict[str, Credential], repr=False, compare=False
    )
    observe: Observe | None = None
    nat64: Sequence[str] = ()
    off_limits: Sequence[str] = ()
    known: Memo[Spelt, Origin] = field(
        init=False, repr=False, compare=False, default_factory=lambda: Memo[Spelt, Origin](KNOWN)
    )
    credentials_of: Credentials = field(init=False, repr=False, compare=False)
    open_ports: frozenset[int] = field(init=False, repr=False, compare=False)
    _addresses: AddressJudge = field(init=False, repr=False, compare=False)
    _exact: frozenset[str] = field(init=False, repr=False, compare=False)
    _parents: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Put every word into its one spelling; refuse what is empty."""
        try:
            self._check()
        except (TypeError, AttributeError) as error:
            raise BoundaryError(f"FetchPolicy: an argument is of another type: {error}.") from None

    def _check(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        hosts = _words("hosts", self.hosts)
        schemes = _words("schemes", self.schemes)
        for scheme in schemes - DEFAULT_PORTS.keys():
            raise BoundaryError(f"FetchPolicy(schemes=…): {scheme!r} is neither https nor http.")
        ports = self.ports
        if ports is None:
            ports = {DEFAULT_PORTS[scheme] for scheme in schemes}
        if not ports or not all(map(is_port, ports)):
            raise BoundaryError("FetchPolicy(ports=…) names no port, or one outside 1 to 65535.")
        self._require_limits()
        put("hosts", hosts)
        put("schemes", schemes)
        put("open_ports", frozenset(ports))
        put("content_types", frozenset(map(_type, _words("content_types", self.content_types))))
        put("_exact", frozenset(_name(h) for h in hosts if not h.startswith("*")))
        put("_parents", frozenset(_name(h[2:]) for h in hosts if h.startswith("*.")))
        put("internal", tuple(way.whole() for way in self.internal))
        put("protocols", _protocols(self.protocols))
        put("nat64", tuple(self.nat64))
        put("off_limits", tuple(self.off_limits))
        put("credentials_of", Credentials(self.credentials))
        put("_addresses", AddressJudge(self.nat64, self.off_limits))
        for host in hosts:
            if host.startswith("*") and host != "*" and not host.startswith("*."):
                raise BoundaryError(f"FetchPolicy(hosts=…): {host!r}: a star stands for one label.")

    def _require_limits(self) -> None:
        if not isinstance(self.deadline, timedelta):
            raise BoundaryError("FetchPolicy(deadline=…) is a timedelta: timedelta(seconds=5).")
        for name in ("max_wire_bytes", "max_content_bytes"):
            if not _is_count(getattr(self, name), 1):
                raise BoundaryError(f"FetchPolicy({name}=…) admits nothing: bytes, above zero.")
        if not _is_count(self.redirects, 0):
            raise BoundaryError("FetchPolicy(redirects=…) is a number of redirects, zero or more.")
        if self.deadline <= timedelta(0):
            raise BoundaryError("FetchPolicy(deadline=…) is a timedelta above zero.")
        if self.observe is not None:
            debts = self.observe.debts(datetime.now(UTC).date())
            if debts:
                raise BoundaryError(*(f"FetchPolicy: {debt}" for debt in debts))

    def is_on_this_machine(self, host: str, port: int) -> bool:
        """Say whether a host is reached over loopback alone."""
        ways = self._ways_to(host, port)
        return bool(ways) and all(network.is_loopback for network in ways)

    def unread(self) -> list[str]:
        """Return what is wrong with the secrets that it sends, one sentence each."""
        return [*self.credentials_of.read(), *(self.proxy.unread() if self.proxy else ())]

    @cached_property
    def is_public(self) -> bool:
        """Say whether any host of the open internet is admitted."""
        return "*" in self.hosts

    def require(self, scheme: str, host: str, port: int) -> None:
        """Refuse a target that the policy doesn't name.

        Raises:
            Refused: ALLOWED, code "scheme_not_allowed", "host_not_allowed", "port_not_allowed",
                "metadata_endpoint"; "address_not_allowed" where the host is an address that no
                connection may go to.
        """
        if scheme not in self.schemes:
            raise _not_named(
                "scheme_not_allowed", f"the scheme isn't one of {sorted(self.schemes)}"
            )
        raw = packed(host)
        if host in METADATA_NAMES or raw in METADATA:
            raise _not_named("metadata_endpoint", "it is a cloud's metadata endpoint")
        is_declared = bool(self._ways_to(host, port))
        if not is_declared and port not in self.open_ports:
            raise _not_named("port_not_allowed", f"the port isn't one of {sorted(self.open_ports)}")
        if raw is not None:  # nobody looks an address up: it is judged as it stands
            self.judge(host, port, (host,))
        if is_declared:
            return
        if host in self._exact or host.partition(".")[2] in self._parents:
            return
        # A name without a dot is one of this machine's or its search domain's.
        if not self.is_public or ("." not in host and ":" not in host):
            raise _not_named(
                "host_not_allowed",
                "a name without a dot isn't in the open internet"
                if self.is_public
                else "the policy names no such host",
            )

    def judge(self, host: str, port: int, addresses: Sequence[str]) -> Sequence[str]:
        """Return the addresses to connect to: all of them, or none.

        Raises:
            Refused: ALLOWED, code "address_not_allowed", where any of them isn't in the open
                internet, or for an internal way not in its network. One bad answer beside a good
                one is a rebinding (CWE-367).
        """
        ways = self._ways_to(host, port)
        outside = (
            "outside the network that was declared" if ways else "that isn't in the open internet"
        )
        for address in addresses:
            good = (
                is_inside(address, ways) and not self._addresses.leads_to_metadata(address)
                if ways
                else self.admits_address(address)
            )
            if not good:
                raise _not_named("address_not_allowed", f"the host leads to an address {outside}")
        if not addresses:
            raise _not_named("address_not_allowed", "the name leads to no address")
        return addresses

    def _ways_to(self, host: str, port: int) -> list[Network]:
        return [way.range for way in self.internal if way.host == host and way.port == port]

    def admits_address(self, address: str) -> bool:
        """Say whether a host may be connected to there: in the open internet, and not ours.

        A declared way inside has a network of its own, which this doesn't ask.

        Args:
            address: "203.0.113.7", "2001:db8::1"; any other text is no address.
        """
        return self._addresses.is_good(address)

    def admits_type(self, media_type: str) -> bool:
        """Say whether content of a media type (lower case, no parameters) is wanted."""
        types = self.content_types
        return (
            media_type in types
            or (f"{media_type.partition('/')[0]}/*" in types and media_type != _SVG)
            or "*/*" in types
        )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "FetchPolicy":
        """Return the policy that a table of settings declares (TOML, JSON).

        Args:
            settings: The arguments by name; `hosts = "public"` for `PUBLIC`, `deadline` in seconds,
                `internal` as a list of tables, a secret as `{env = "NAME"}`.

        Raises:
            BoundaryError: a name that isn't known, in a table inside too (a typo would leave a
                limit unset); a value of another type; a secret that stands in the table itself.
        """
        try:
            return cls(**arguments_of(settings, PUBLIC))
        except (TypeError, ValueError, OverflowError) as error:
            raise BoundaryError(f"FetchPolicy: a setting can't be read: {error}.") from None


def _words(name: str, words: Iterable[object]) -> frozenset[str]:
    if isinstance(words, str):  # a text is a set of letters
        raise BoundaryError(f"FetchPolicy({name}={words!r}) is one text: give a set of them.")
    found = frozenset(word for word in words if isinstance(word, str) and word)
    if not found or len(found) != len(set(words)):
        raise BoundaryError(f"FetchPolicy({name}=…) names nothing, so nothing would be admitted.")
    return found


def _name(host: str) -> str:
    try:
        return canonical_host(host)
    except Refused as refused:
        raise BoundaryError(f"FetchPolicy(hosts=…): {host!r}: {refused.detail}.") from None


def _protocols(named: Iterable[object]) -> frozenset[str]:
    protocols = _words("protocols", named)
    for protocol in protocols - {"http/1.1", "h2"}:
        raise BoundaryError(f"FetchPolicy(protocols=…): {protocol!r} is neither http/1.1 nor h2.")
    if "h2" in protocols and find_spec("h2") is None:
        raise BoundaryError('FetchPolicy(protocols={"h2"}) needs the library h2: pratique[h2].')
    return protocols


def _type(text: str) -> str:
    kind, slash, sub = text.lower().partition("/")
    if not (kind and slash and sub) or ";" in text:
        raise BoundaryError(f"FetchPolicy(content_types=…): {text!r} is no media type.")
    return f"{kind}/{sub}"


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _not_named(code: str, detail: str) -> Refused:
    return Refused(ALLOWED, detail, code=code, hint="compare the URL with the fetch policy")
