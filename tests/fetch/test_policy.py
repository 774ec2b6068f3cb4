"""A policy is whole or isn't made; empty is never "unset"."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique import Perimeter, Secret
from pratique.core.refusal import BoundaryError, Refused
from pratique.fetch import PUBLIC, EgressProxy, Fetch, FetchPolicy, Internal, gate

GOOD: dict[str, Any] = {"hosts": {"a.example"}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"hosts": set()},
        {"hosts": "a.example"},
        {"hosts": {""}},
        {"hosts": {"*a.example"}},
        {"hosts": {"*."}},
        {"hosts": {"a b"}},
        {"hosts": {"127.1"}},
        {"schemes": set()},
        {"schemes": {"ftp"}},
        {"ports": set()},
        {"ports": {0}},
        {"ports": {65536}},
        {"ports": {True}},
        {"redirects": -1},
        {"content_types": set()},
        {"content_types": {"html"}},
        {"max_wire_bytes": 0},
        {"max_content_bytes": 0},
        {"deadline": timedelta(0)},
        {"deadline": 5},
        {"internal": [Internal("a.example", "10.0.0.0/8", 80, " ")]},
        {"internal": [Internal("a.example", "10.0.0.1/8", 80, "r")]},
        {"internal": [Internal("a.example", "10.0.0.0/8", 0, "r")]},
        {"nat64": ["10.0.0.0/8"]},
        {"off_limits": ["x"]},
    ],
    ids=str,
)
def test_refuses_what_admits_nothing_or_is_none(wrong: dict[str, Any]) -> None:
    """Law 6: the declaration itself is refused; the twin without the mistake is made."""
    with pytest.raises(BoundaryError):
        FetchPolicy(**{**GOOD, **wrong})
    FetchPolicy(**GOOD)


def test_an_internal_way_opens_one_host_one_network_one_port() -> None:
    """The exception that self-hosters ask for, without switching the guard off."""
    way = Internal("wiki.corp.example", "10.1.2.0/24", 8080, "tickets link to it")
    policy = FetchPolicy(hosts={"a.example"}, schemes={"http"}, internal=[way])
    policy.require("http", "wiki.corp.example", 8080)
    assert policy.judge("wiki.corp.example", 8080, ["10.1.2.3"]) == ["10.1.2.3"]
    for host, port in (("wiki.corp.example", 80), ("a.example", 8080), ("b.example", 8080)):
        with pytest.raises(Refused):
            policy.require("http", host, port)
    for addresses in (["10.1.3.3"], ["8.8.8.8"], ["10.1.2.3", "10.1.3.3"], []):
        with pytest.raises(Refused):
            policy.judge("wiki.corp.example", 8080, addresses)
    with pytest.raises(Refused):
        policy.judge("a.example", 80, ["10.1.2.3"])


@pytest.mark.parametrize("prefix", ["::ffff:", "64:ff9b::", "64:ff9b:1::"])
def test_an_internal_way_leads_to_no_metadata_endpoint_in_other_clothes(prefix: str) -> None:
    """FT-03: mapped, or behind a NAT64 gateway, it is that endpoint; its neighbour is none."""
    network = f"{prefix}/96" if prefix != "::ffff:" else "::ffff:0:0/96"
    way = Internal("wiki.corp.example", network, 443, "the gateway's side")
    policy = FetchPolicy(hosts={"a.example"}, internal=[way], nat64=["64:ff9b:1::/96"])
    with pytest.raises(Refused):
        policy.judge("wiki.corp.example", 443, [f"{prefix}169.254.169.254"])
    near = [f"{prefix}169.254.169.253"]
    assert policy.judge("wiki.corp.example", 443, near) == near


@pytest.mark.parametrize(
    ("address", "is_admitted"),
    [
        ("93.184.215.14", True),
        ("2606:4700::1111", True),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("198.41.0.4", False),
        ("64:ff9b::a00:7", False),
        ("a.example", False),
        ("", False),
    ],
)
def test_says_whether_it_admits_an_address(address: str, is_admitted: bool) -> None:
    """As it judges what a name leads to; a way inside opens nothing for other hosts."""
    way = Internal("wiki.corp.example", "10.1.2.0/24", 443, "our own wiki")
    policy = FetchPolicy(hosts=PUBLIC, internal=[way], off_limits=["198.41.0.0/24"])
    assert policy.admits_address(address) is is_admitted
    if is_admitted:
        assert policy.judge("a.example", 443, [address]) == [address]
    else:
        with pytest.raises(Refused):
            policy.judge("a.example", 443, [address])


def test_settings_declare_the_same_policy() -> None:
    """From TOML or JSON; a name that isn't known is a typo that would leave a limit unset."""
    given = {"hosts": ["a.example"], "redirects": 2, "deadline": 3}
    expected = FetchPolicy(hosts={"a.example"}, redirects=2, deadline=timedelta(seconds=3))
    assert FetchPolicy.of(given) == expected
    assert hash(FetchPolicy.of({**given, "nat64": []})) == hash(expected)
    assert FetchPolicy.of({"hosts": "public"}).is_public
    with pytest.raises(BoundaryError, match="max_redirects"):
        FetchPolicy.of({"hosts": "public", "max_redirects": 2})


def test_a_fetch_boundary_says_on_what_it_rests() -> None:
    """Over http the network itself is a root; over https it isn't."""
    perimeter = Perimeter()
    perimeter.declare(Fetch("previews", FetchPolicy(hosts=PUBLIC)))
    plain = perimeter.declare(Fetch("plain", FetchPolicy(hosts=PUBLIC, schemes={"http"})))
    assert perimeter.debts() == []
    roots = {str(root) for proof in plain.declarations()[0].proofs for root in proof.roots}
    assert any("the network in between" in root for root in roots)


def test_an_address_in_the_url_is_judged_by_the_gate() -> None:
    """CWE-918: nobody looks it up, so it is judged before anything is connected to; also for a proxy that enforces."""
    proxy = EgressProxy(
        "proxy.corp.example", 3128, "10.0.0.0/8", "one way out", enforces="its list"
    )
    way = Internal("10.1.2.3", "10.1.2.0/24", 443, "our own wiki")
    for more in ({}, {"proxy": proxy}):
        policy = FetchPolicy(hosts=PUBLIC, internal=[way], off_limits=["198.41.0.0/24"], **more)
        for host in ("10.0.0.7", "127.0.0.1", "[::1]", "[64:ff9b::a00:7]", "198.41.0.4"):
            with pytest.raises(Refused) as caught:
                gate(f"https://{host}/", policy)
            assert caught.value.code == "address_not_allowed"
        for host in ("93.184.215.14", "[2606:4700::1111]", "10.1.2.3"):
            assert gate(f"https://{host}/", policy).url == f"https://{host}/"


def test_a_proxys_credential_is_read_at_the_start() -> None:
    """An unset variable is a debt, not a tunnel without a credential; one that is set starts."""

    def debts(variable: str) -> list[str]:
        secret = Secret.optional(variable)
        proxy = EgressProxy("proxy.corp.example", 3128, "10.0.0.0/8", "one way out", secret)
        perimeter = Perimeter()
        perimeter.declare(Fetch("previews", FetchPolicy(hosts=PUBLIC, proxy=proxy)))
        return perimeter.debts()

    assert "no credential" in debts("PRATIQUE_TEST_NEVER_SET")[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRATIQUE_TEST_PROXY", "user:long-enough-7Hq2vXb9Tz")
        assert debts("PRATIQUE_TEST_PROXY") == []


def test_a_file_of_authorities_that_is_not_there_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it every certificate would be refused, at the first fetch; one that is there starts."""
    file = tmp_path / "ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    perimeter = Perimeter()
    perimeter.declare(Fetch("previews", FetchPolicy(hosts=PUBLIC)))
    (said,) = perimeter.debts()
    assert "SSL_CERT_FILE" in said
    file.touch()
    assert perimeter.debts() == []
