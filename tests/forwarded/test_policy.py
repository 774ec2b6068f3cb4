"""A policy is whole or isn't made: what would trust anybody, or says two things, is refused."""

from typing import Any

import pytest

from pratique.core.refusal import BoundaryError
from pratique.forwarded import ProxyPolicy, presets

GOOD: dict[str, Any] = {
    "trusted": ("10.0.0.0/8",),
    "header": "x-forwarded-for",
    "proto": "x-forwarded-proto",
    "hosts": ("api.example.com",),
}


@pytest.mark.parametrize(
    "other",
    [
        {"trusted": ("*",)},
        {"trusted": ("0.0.0.0/0",)},
        {"trusted": ("::/0",)},
        {"trusted": ("::ffff:0.0.0.0/96",)},
        {"trusted": ("::ffff:0:0/90",)},
        {"trusted": ("0.0.0.0/1", "128.0.0.0/1")},
        {"trusted": ("10.0.0.1/8",)},
        {"trusted": ("10.0.0.0/255.0.0.0",)},
        {"trusted": ("10.0.0.0/33",)},
        {"trusted": ("010.0.0.0/8",)},
        {"trusted": ("fe80::1%eth0",)},
        {"trusted": ("proxy.example",)},
        {"trusted": ("",)},
        {"trusted": (" ",)},
        {"trusted": ("10.0.0.0/8", "")},
        {"trusted": (None,)},
        {"trusted": (7,)},
        {"trusted": "10.0.0.0/8"},
        {"trusted": None},
        {"trusted": ()},
        {"trusted": (), "header": None},
        {"trusted": (), "header": None, "proto": None, "host": "x-forwarded-host"},
        {"trusted": (), "header": None, "proto": None, "edge_fields": ("x-country",)},
        {"trusted": (), "header": None, "proto": None, "hops": 1},
        {"hops": 0},
        {"hops": -1},
        {"hops": 17},
        {"hops": True},
        {"hops": "1"},
        {"hops": 1.0},
        {"hops": 1, "header": "x-real-ip"},
        {"hops": 1, "header": None},
        {"header": ""},
        {"header": "x_forwarded_for"},
        {"header": "x forwarded for"},
        {"header": "host"},
        {"header": "connection"},
        {"header": 7},
        {"proto": ""},
        {"proto": "x-forwarded-for"},
        {"proto": "forwarded"},
        {"host": "forwarded"},
        {"host": ""},
        {"host": "x-forwarded-proto"},
        {"hosts": ()},
        {"hosts": ("*",)},
        {"hosts": ("",)},
        {"hosts": "api.example.com"},
        {"hosts": ("api.example.com", "*")},
        {"hosts": ("*.",)},
        {"hosts": ("a.*.example.com",)},
        {"hosts": (".example.com",)},
        {"hosts": ("https://api.example.com",)},
        {"hosts": ("api.example.com/x",)},
        {"hosts": ("api.example.com:0",)},
        {"hosts": ("bücher.example",)},
        {"hosts": (None,)},
        {"edge_fields": ("",)},
        {"edge_fields": ("x_country",)},
        {"edge_fields": "cf-ipcountry"},
        {"edge_fields": ("x-forwarded-for",)},
        {"edge_fields": ("x-country", "X-Country")},
        {"missing": "ignore"},
        {"missing": ""},
        {"internal_clients": "yes"},
    ],
    ids=str,
)
def test_refuses_a_policy_that_trusts_anybody_or_nothing(other: dict[str, Any]) -> None:
    """CWE-348: the declaration itself is refused, where it is made."""
    with pytest.raises(BoundaryError, match="ProxyPolicy"):
        ProxyPolicy(**(GOOD | other))


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"trusted": ("10.0.0.7",)},
        {"trusted": ("unix:",)},
        {"trusted": ("2001:db8::/32", "unix:", "10.0.0.0/8")},
        {"trusted": ("0.0.0.0/1",)},
        {"trusted": (), "header": None, "proto": None},
        {"hops": 16},
        {"header": "Forwarded", "proto": None, "host": "forwarded"},
        {"header": "x-real-ip"},
        {"header": None},
        {"host": "X-Forwarded-Host"},
        {"hosts": ("API.example.com.", "*.example.com", "api.example.com:8443", "[::1]:8000")},
        {"edge_fields": ("CF-IPCountry",)},
        {"missing": "peer", "internal_clients": True},
    ],
    ids=str,
)
def test_admits_a_policy_that_says_one_thing(other: dict[str, Any]) -> None:
    """The twins."""
    assert ProxyPolicy(**(GOOD | other)).names.names


def test_words_have_one_spelling() -> None:
    """Field names and hosts in lower case; a mapped network is the IPv4 one."""
    policy = ProxyPolicy(
        trusted=("::ffff:10.0.0.0/104",),
        header="X-Forwarded-For",
        hosts=("API.Example.com.:443",),
        edge_fields=("CF-IPCountry",),
    )
    assert policy.header == "x-forwarded-for"
    assert policy.hosts == ("api.example.com",)
    assert policy.peers.names == ("10.0.0.0/8",)
    assert policy.declared == {"x-forwarded-for", "cf-ipcountry"}


@pytest.mark.parametrize("name", ["nginx", "haproxy", "envoy", "caddy", "traefik", "aws_alb"])
def test_a_preset_is_a_policy(name: str) -> None:
    """The proxies that append."""
    policy = getattr(presets, name)(trusted=("10.0.0.0/8",), hosts=("api.example.com",))
    assert (policy.header, policy.proto) == ("x-forwarded-for", "x-forwarded-proto")


def test_cloudflare_writes_one_address() -> None:
    """And the country, which only it may set."""
    policy = presets.cloudflare(trusted=("173.245.48.0/20",), hosts=("api.example.com",))
    assert (policy.header, policy.edge_fields) == ("cf-connecting-ip", ("cf-ipcountry",))


@pytest.mark.parametrize("name", ["nginx", "cloudflare"])
def test_a_preset_trusts_nobody_by_itself(name: str) -> None:
    """Whose proxies they are is never guessed."""
    with pytest.raises(BoundaryError, match="trusts no peer"):
        getattr(presets, name)(trusted=(), hosts=("api.example.com",))
