"""Addresses: what the registries call reachable, what hides another address, what is ours."""

from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.refusal import BoundaryError
from pratique.fetch import is_globally_reachable
from pratique.fetch.address import AddressJudge
from pratique.fetch.special_purpose import IPV4, IPV6, METADATA_ADDRESSES


@pytest.mark.parametrize(
    ("inside", "beside"),
    [
        ("10.255.255.255", "11.0.0.0"),
        ("100.64.0.0", "100.63.255.255"),
        ("127.0.0.1", "128.0.0.1"),
        ("169.254.1.1", "169.253.255.255"),
        ("172.31.255.255", "172.32.0.0"),
        ("192.0.0.8", "192.0.0.9"),
        ("192.0.2.1", "192.0.3.1"),
        ("192.88.99.1", "192.88.100.1"),
        ("198.19.255.255", "198.20.0.0"),
        ("224.0.0.1", "223.255.255.255"),
        ("255.255.255.255", "8.8.8.8"),
        ("168.63.129.16", "168.63.129.17"),
        ("1fff::1", "2000::1"),
        ("2001:0:1::1", "2001:200::1"),
        ("2001:1::4", "2001:1::1"),
        ("2001:db8::1", "2001:db7::1"),
        ("2002:808:808::1", "2003::1"),
        ("3fff::1", "3fff:1000::1"),
        ("4000::1", "2a00:1450::1"),
        ("64:ff9b::a00:7", "64:ff9b::808:808"),
        ("64:ff9b:1::808:808", "64:ff9b::5db8:d70e"),
        ("2a00::5efe:a00:7", "2a00::5efe:808:808"),
        ("2a00::200:5efe:a00:7", "2a00::200:5efe:808:808"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("::8.8.8.8", "8.8.4.4"),
        ("fe80::1", "2606:4700::1"),
        ("fec0::1", "2606:4700::2"),
        ("ff02::1", "2606:4700::3"),
        ("5f00::1", "2606:4700::4"),
    ],
)
def test_the_edge_of_each_block(inside: str, beside: str) -> None:
    """What lies in a block isn't reachable, its neighbour is (RFC 6890 registries)."""
    assert not is_globally_reachable(inside)
    assert is_globally_reachable(beside)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.1",
        "0x7f.1",
        "2130706433",
        "010.0.0.1",
        "8.8.8.8 ",
        "fe80::1%eth0",
        "[::1]",
        "a.b",
        "8.8.8.8\0",
    ],
)
def test_any_other_spelling_is_not_reachable(text: str) -> None:
    """One form alone is read; what another resolver makes of the rest doesn't matter."""
    assert not is_globally_reachable(text)
    assert is_globally_reachable("8.8.8.8")


@pytest.mark.parametrize("address", METADATA_ADDRESSES)
def test_a_metadata_endpoint_is_never_good(address: str) -> None:
    """FT-03: whatever the registries say of it; nor through NAT64."""
    assert not is_globally_reachable(address)
    raw = ip_address(address).packed
    if len(raw) == 4:
        assert not is_globally_reachable(
            str(IPv6Address(bytes.fromhex("0064ff9b" + "00" * 8) + raw))
        )


@pytest.mark.parametrize(
    ("prefix", "private", "public"),
    [
        ("2001:db8::/32", "2001:db8:a00:7::", "2001:db8:808:808::"),
        ("2001:db8:100::/40", "2001:db8:10a:0:7::", "2001:db8:108:808:8::"),
        ("2001:db8:122::/48", "2001:db8:122:a00:0:700::", "2001:db8:122:808:8:800::"),
        ("2001:db8:122:300::/56", "2001:db8:122:30a:0:7::", "2001:db8:122:308:8:808::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:a:0:700::", "2001:db8:122:344:8:808:800::"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::a00:7", "2001:db8:122:344::808:808"),
    ],
)
def test_an_own_nat64_prefix_is_judged_by_what_is_inside(
    prefix: str, private: str, public: str
) -> None:
    """FT-20: every length of RFC 6052 §2.2; undeclared, the prefix is no open internet."""
    judge = AddressJudge(nat64=[prefix])
    assert not judge.is_good(private)
    assert judge.is_good(public)
    assert not is_globally_reachable(public)


def test_ones_own_public_prefix_is_off_limits() -> None:
    """FT-20: our own servers lie in the open internet too."""
    judge = AddressJudge(off_limits=["198.51.99.0/24", "2a00:1450::/32"])
    assert not judge.is_good("198.51.99.7")
    assert not judge.is_good("2a00:1450::1")
    assert judge.is_good("198.51.98.7")


@pytest.mark.parametrize("prefix", ["2001:db8::/33", "10.0.0.0/8", "x", "2001:db8::1/96"])
def test_a_prefix_that_is_none_refuses_the_start(prefix: str) -> None:
    """A mistake of ours, named."""
    with pytest.raises(BoundaryError, match=r"network|NAT64"):
        AddressJudge(nat64=[prefix])
    AddressJudge(nat64=["2001:db8::/96"])


def test_a_judge_forgets_rather_than_grows() -> None:
    """The answers that it remembers are bounded."""
    judge = AddressJudge()
    for number in range(10_000):
        judge.is_good(f"8.8.{number // 250}.{number % 250}")
    assert len(judge._known) <= 4096


@given(st.ip_addresses())
def test_never_reachable_where_the_registries_say_no(address: object) -> None:
    """Law: no address inside a block that isn't reachable, save one that a longer prefix names."""
    found = ip_address(str(address))
    lines = IPV4 if found.version == 4 else IPV6
    holding = [(ip_network(p), good) for p, good in lines if found in ip_network(p)]
    last = max(holding, key=lambda block: block[0].prefixlen, default=None)
    if last is not None and not last[1]:
        assert not is_globally_reachable(str(found))


@given(st.text(max_size=60))
def test_any_text_gets_an_answer(text: str) -> None:
    """Law 1: nothing is raised."""
    assert is_globally_reachable(text) in (True, False)
