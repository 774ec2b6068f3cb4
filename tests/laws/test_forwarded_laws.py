"""Laws of the forwarded boundary: any bytes, what an attacker may write, and an oracle of addresses."""

import asyncio
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pratique import Perimeter
from pratique.core.claim import Claim, Fields, Via
from pratique.core.refusal import Refused
from pratique.forwarded import Forwarded, Origin, ProxyPolicy, origin_of
from pratique.forwarded.address import address_of
from pratique.forwarded.family import is_family
from tests.sink import Kept

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HOSTS = ("api.example.com",)
TRUSTED = ("10.0.0.0/8", "2001:db8:7::/48", "192.0.2.7")
LIST = ProxyPolicy(
    trusted=TRUSTED, header="x-forwarded-for", proto="x-forwarded-proto", hosts=HOSTS
)
COUNT = ProxyPolicy(trusted=TRUSTED, header="x-forwarded-for", hops=2, hosts=HOSTS)
ELEMENTS = ProxyPolicy(trusted=TRUSTED, header="forwarded", host="forwarded", hosts=HOSTS)
SINGLE = ProxyPolicy(
    trusted=TRUSTED, header="x-real-ip", host="x-forwarded-host", hosts=HOSTS, missing="peer"
)
POLICIES = st.sampled_from([LIST, COUNT, ELEMENTS, SINGLE])
NAMES = st.sampled_from(
    "Host X-Forwarded-For Forwarded X-Real-IP X-Forwarded-Proto X-Forwarded-Host Connection "
    "Content-Length Transfer-Encoding X_Forwarded_For".split()
)
PIECES = st.sampled_from(
    'api.example.com 93.184.216.34 10.0.0.9 2001:db8::1 [2001:db8::1]:9 for= proto=https ; , " \\ '
    "https http unknown _x :443 ::ffff:1.2.3.4 % host= 0 chunked x-forwarded-for evil.test".split()
)
TEXT = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=30)
VALUES = st.lists(st.one_of(PIECES, TEXT), max_size=8).map("".join)
LINES = st.lists(st.tuples(NAMES, VALUES), max_size=8)
PEERS = st.sampled_from(["10.0.0.1", "::ffff:10.0.0.1", "203.0.113.9", "unix:", "", "fe80::1%e"])
ENTRIES = st.one_of(st.ip_addresses().map(str), TEXT, PIECES)


def asked(peer: str, lines: Any, policy: ProxyPolicy, target: str = "/") -> Origin | str:
    """Return the origin, or the code of the refusal."""
    try:
        return origin_of(peer, Fields(lines), policy, target=target)
    except Refused as refused:
        return refused.code


@given(PEERS, LINES, POLICIES, st.one_of(st.just("/"), VALUES))
@settings(max_examples=150)
def test_anything_is_an_origin_or_refused(
    peer: str, lines: Any, policy: ProxyPolicy, target: str
) -> None:
    """Law 1: nothing else leaves, and an origin is an address, a scheme and a host of ours."""
    found = asked(peer, lines, policy, target)
    if isinstance(found, Origin):
        assert str(ip_address(found.client)) == found.client
        assert found.scheme in ("http", "https")
        assert found.host in HOSTS


@given(VALUES, st.lists(VALUES, max_size=4), st.sampled_from([LIST, COUNT]))
@settings(max_examples=100)
def test_nothing_left_of_the_client_changes_anything(
    left: str, lines: list[str], policy: ProxyPolicy
) -> None:
    """CWE-348: an attacker writes there, by more entries or by lines of its own."""
    proxies = "93.184.216.34, 10.0.0.9" if policy is LIST else "93.184.216.34, 198.51.100.1"
    rest = [("Host", HOSTS[0]), ("X-Forwarded-Proto", "https")]
    plain = asked("10.0.0.1", [*rest, ("X-Forwarded-For", proxies)], policy)
    more = [("X-Forwarded-For", line) for line in lines]
    forged = [*rest, *more, ("X-Forwarded-For", f"{left}, {proxies}")]
    assert asked("10.0.0.1", forged, policy) == plain
    assert isinstance(plain, Origin)
    assert plain.client == "93.184.216.34"


@given(st.lists(VALUES, max_size=4))
def test_no_line_of_the_clients_changes_what_forwarded_says(lines: list[str]) -> None:
    """Its own lines stand before the proxy's, whatever they hold."""
    own = [("Forwarded", line) for line in lines]
    last = ("Forwarded", 'for=93.184.216.34;host="api.example.com"')
    found = asked("10.0.0.1", [("Host", "x"), *own, last], ELEMENTS)
    assert found == Origin("93.184.216.34", "http", "api.example.com")


@given(LINES, st.ip_addresses().map(str))
@settings(max_examples=100)
def test_an_outsider_is_itself_whatever_it_says(lines: Any, peer: str) -> None:
    """CWE-290: no field makes another client of it."""
    address = ip_address(peer)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    own = mapped or address
    if any(own in ip_network(network) for network in TRUSTED):
        return
    found = asked(peer, [("Host", HOSTS[0]), *lines], LIST)
    assert isinstance(found, str) or found == Origin(str(own), "http", HOSTS[0])


@given(st.lists(ENTRIES, min_size=1, max_size=6))
@settings(max_examples=150)
def test_the_walk_agrees_with_an_oracle(entries: list[str]) -> None:
    """The same rule in ten slow lines over `ipaddress`, for lists of plain addresses."""
    line = ",".join(entries)
    expect = oracle(line)
    lines = [("Host", HOSTS[0]), ("X-Forwarded-Proto", "http"), ("X-Forwarded-For", line)]
    found = asked("10.0.0.1", lines, LIST)
    client = found.client if isinstance(found, Origin) else None
    if expect is not Ellipsis:
        assert client == expect


def oracle(line: str) -> Any:
    """Return the client; None for a refusal; ... where an entry has a port or brackets."""
    for entry in reversed([part.strip(" \t") for part in line.split(",")]):
        if not entry:
            continue
        if entry.startswith("[") or entry.count(":") == 1:
            return ...
        try:
            found = ip_address(entry)
        except ValueError:
            return None
        if isinstance(found, IPv6Address):
            if found.scope_id is not None:
                return None
            found = found.ipv4_mapped or found
        if found.is_unspecified or found.is_multicast or found == IPv4Address("255.255.255.255"):
            return None
        if not any(found in ip_network(network) for network in TRUSTED):
            return str(found)
    return None


@given(st.one_of(st.ip_addresses().map(str), TEXT, st.from_regex(r"[0-9a-f:.]{2,24}")))
@settings(max_examples=150)
def test_an_address_has_the_spelling_that_python_gives_it(text: str) -> None:
    """RFC 5952, by another implementation; what that refuses, we refuse."""
    found = address_of(text) if text.isascii() else None
    try:
        expect = ip_address(text)
    except ValueError:
        assert found is None
        return
    if isinstance(expect, IPv6Address):
        if expect.scope_id is not None:
            assert found is None
            return
        expect = expect.ipv4_mapped or expect
    assert found is not None
    assert (found.text, found.number) == (str(expect), int(expect))


@given(PEERS, LINES, st.sampled_from([LIST, SINGLE]))
@settings(max_examples=60)
def test_the_drivers_agree(peer: str, lines: Any, policy: ProxyPolicy) -> None:
    """Law 3: `admit`, `aadmit` and the doors' own way say the same."""
    perimeter = Perimeter(events=Kept(), clock=lambda: NOW, deadline=None)
    edge = perimeter.declare(Forwarded("edge", policy))
    perimeter.start()
    try:
        claim = Claim(b"", Fields([("Host", HOSTS[0]), *lines]), NOW, Via(peer, "http"))
    except Refused:
        return

    def said(call: Any) -> Any:
        try:
            found = call()
        except Refused as refused:
            return refused.code
        return getattr(found, "proven", found).value

    def on_a_loop() -> Any:
        return asyncio.run(perimeter.aadmit(edge, claim))

    first = said(lambda: perimeter.admit(edge, claim))
    assert first == said(on_a_loop) == said(lambda: edge.cross(claim))


@given(LINES, st.booleans())
@settings(max_examples=100)
def test_what_is_stripped_is_the_family_less_what_is_believed(lines: Any, is_ours: bool) -> None:
    """No field of the family passes by its spelling."""
    edge = Forwarded("edge", LIST)
    try:
        fields = Fields(lines)
    except Refused:
        return
    stripped = edge.stripper.stripped(fields.by_name, "10.0.0.1" if is_ours else "203.0.113.9")
    left = set(fields.by_name) - set(stripped)
    assert {name for name in left if is_family(name)} <= (LIST.declared if is_ours else set())
