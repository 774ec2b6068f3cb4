"""A declared egress proxy: told a checked address, trusted with nothing, left at the deadline."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from pratique import Secret
from pratique.core.refusal import BoundaryError, Refused
from pratique.fetch import PUBLIC, Fetch, FetchPolicy
from pratique.fetch.egress import EgressProxy, tunnel_is_open
from pratique.integrations.aiohttp import FetchConnector
from tests.fetch.clients import CLIENTS
from tests.fetch.proxy import OPEN, Proxy
from tests.fetch.world import Server, World

GOOD = "93.184.215.14"
NAME, PORT, NETWORK = "proxy.corp.example", 3128, "10.0.0.0/8"
every_client = pytest.mark.parametrize(
    "get",
    [get for name, get in CLIENTS.items() if name != "aiohttp"],
    ids=[name for name in CLIENTS if name != "aiohttp"],
)


def policy(**more: Any) -> FetchPolicy:
    """Return a policy whose one way out is the proxy."""
    made = {"reason": "the only way out", **more}
    return FetchPolicy(
        hosts=PUBLIC,
        schemes={"https", "http"},
        redirects=2,
        deadline=timedelta(seconds=1),
        proxy=EgressProxy(NAME, PORT, NETWORK, **made),
    )


@pytest.fixture
def proxy(world: World) -> Iterator[Proxy]:
    """Give the proxy, in its place in the small internet."""
    made = Proxy(lambda: world.server.port)
    world.names.update({NAME: ["10.0.0.9"], "a.test": [GOOD], "bad.test": ["10.0.0.7"]})
    world.ways[f"10.0.0.9:{PORT}"] = made.port
    yield made
    made.close()


def code_of(get: Any, made: FetchPolicy, url: str) -> str:
    """Fetch, and return the code of the refusal."""
    with pytest.raises(Refused) as caught:
        get(made, [url])
    return caught.value.code


@every_client
@pytest.mark.parametrize(("url", "port"), [("https://a.test/", 443), ("http://a.test/", 80)])
def test_it_is_told_the_checked_address(
    world: World, proxy: Proxy, get: Any, url: str, port: int
) -> None:
    """We look the name up and judge it; the proxy sees an address, the host proves its name."""
    assert get(policy(), [url]) == [(200, b"OK-FINAL")]
    assert proxy.asked == [f"{GOOD}:{port}"]
    assert world.server.seen[0].fields["host"] == "a.test"
    assert world.touched == [f"10.0.0.9:{PORT}"]


@every_client
def test_no_bad_address_reaches_the_proxy(world: World, proxy: Proxy, get: Any) -> None:
    """FT-06, FT-07 through a proxy: it isn't even asked. A good name is."""
    assert code_of(get, policy(), "https://bad.test/") == "address_not_allowed"
    assert code_of(get, policy(), "http://169.254.169.254/") == "metadata_endpoint"
    assert proxy.asked == []
    assert get(policy(), ["https://a.test/"]) == [(200, b"OK-FINAL")]


@every_client
def test_a_tunnel_to_somebody_else_is_refused(world: World, proxy: Proxy, get: Any) -> None:
    """FT-19: the name inside the tunnel is proven there, whatever the proxy leads to."""
    world.server.certificate_names = ["evil.test"]
    assert code_of(get, policy(), "https://a.test/") == "bad_certificate"
    assert world.server.seen == []
    world.server.certificate_names = None
    assert get(policy(), ["https://a.test/"]) == [(200, b"OK-FINAL")]


@every_client
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://evil/\r\n\r\n",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 4000,
        OPEN + b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nevil",
    ],
    ids=["403", "407", "no HTTP", "302", "cut off", "endless", "too early"],
)  # fmt: skip
def test_a_proxy_that_opens_no_tunnel_is_refused(
    world: World, proxy: Proxy, get: Any, answer: bytes
) -> None:
    """No, something else, half, too much, or an answer of its own in the host's place."""
    proxy.answer = answer
    assert code_of(get, policy(), "http://a.test/") in ("proxy_refused", "fetch_deadline")
    assert world.server.seen == []
    proxy.answer = b"HTTP/1.1 200 OK\r\nVia: proxy\r\n\r\n"
    assert get(policy(), ["http://a.test/"]) == [(200, b"OK-FINAL")]


@every_client
def test_a_proxy_that_hangs_meets_the_deadline(world: World, proxy: Proxy, get: Any) -> None:
    """Nothing is waited for beyond the fetch's own deadline; a prompt proxy serves."""
    proxy.hangs = True
    assert code_of(get, policy(), "https://a.test/") == "fetch_deadline"
    proxy.hangs = False
    assert get(policy(), ["https://a.test/"]) == [(200, b"OK-FINAL")]


def test_the_proxy_itself_lies_in_its_network(world: World, proxy: Proxy) -> None:
    """A proxy's name that leads elsewhere is refused: it would see every request."""
    get = CLIENTS["fetcher"]
    for address in ("192.0.2.1", "169.254.169.254", "fd00::1"):
        world.names[NAME] = [address]
        assert code_of(get, policy(), "https://a.test/") == "proxy_not_allowed"
    assert proxy.asked == []
    world.names[NAME] = ["10.0.0.9"]
    assert get(policy(), ["https://a.test/"]) == [(200, b"OK-FINAL")]


@every_client
def test_a_proxy_may_enforce_by_itself(world: World, proxy: Proxy, get: Any) -> None:
    """Where it alone resolves names, it is told the name, and the report says on whom that rests."""
    made = policy(enforces="denies RFC 1918 and metadata (squid.conf)", controller="network team")
    assert get(made, ["https://a.test/"]) == [(200, b"OK-FINAL")]
    assert proxy.asked == ["a.test:443"]
    assert world.lookups == [NAME]
    allowed = next(
        proof
        for proof in Fetch("f", made).declarations()[0].proofs
        if proof.obligation == "allowed"
    )
    assert "denies RFC 1918" in allowed.method
    assert "network team" in {root.controller for root in allowed.roots}
    ours = Fetch("f", policy()).declarations()[0].proofs[1]
    assert "network team" not in {root.controller for root in ours.roots}


def test_its_credential_goes_to_it_alone(
    world: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read when it is used; seen by the proxy, never by the host, in no text of ours."""
    monkeypatch.setenv("PROXY_LOGIN", "user:correct horse battery")
    made = policy(credential=Secret.env("PROXY_LOGIN"))
    assert CLIENTS["fetcher"](made, ["https://a.test/"]) == [(200, b"OK-FINAL")]
    basic = base64.b64encode(b"user:correct horse battery").decode()
    assert f"Proxy-Authorization: Basic {basic}" in proxy.heads[0]
    assert "proxy-authorization" not in world.server.seen[0].fields
    assert "correct horse" not in repr(made)


def test_the_environments_proxy_is_still_none(
    world: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FT-18: what isn't declared isn't used, even beside one that is."""
    canary = Server(world.server._authority)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    assert CLIENTS["httpx"](policy(), ["http://a.test/"]) == [(200, b"OK-FINAL")]
    assert canary.seen == []
    canary.close()


async def test_aiohttp_says_that_it_can_not() -> None:
    """Its connector opens no tunnel of ours: said where it is made. Without a proxy it is made."""
    with pytest.raises(BoundaryError, match="AsyncFetcher"):
        FetchConnector(policy())
    with pytest.raises(BoundaryError, match="AsyncFetcher"):
        FetchConnector(FetchPolicy(hosts=PUBLIC, protocols={"h2"}))
    async with aiohttp.ClientSession(connector=FetchConnector(FetchPolicy(hosts=PUBLIC))):
        pass


@pytest.mark.parametrize(
    "given",
    [
        {"host": ""},
        {"host": "user@proxy"},
        {"port": 0},
        {"port": 70_000},
        {"network": "10.0.0.1/8"},
        {"network": "everything"},
        {"reason": " "},
    ],
)
def test_a_proxy_that_is_none_is_refused_at_once(given: dict[str, Any]) -> None:
    """Host, port, network and reason, or it isn't declared."""
    whole = {"host": NAME, "port": PORT, "network": NETWORK, "reason": "x"}
    with pytest.raises(BoundaryError):
        EgressProxy(**{**whole, **given})
    assert EgressProxy(**whole).port == PORT


def test_settings_declare_a_proxy_too() -> None:
    """From a table as from code."""
    table = {"host": NAME, "port": PORT, "network": NETWORK, "reason": "x"}
    made = FetchPolicy.of({"hosts": "public", "proxy": table, "protocols": ["http/1.1"]})
    assert made.proxy == EgressProxy(**table)


def test_an_ipv6_address_is_put_in_brackets() -> None:
    """RFC 9112 §3.2.3: authority-form."""
    asked = EgressProxy(NAME, PORT, NETWORK, "x").ask("2606:4700::1111", 443)
    assert asked.startswith(b"CONNECT [2606:4700::1111]:443 HTTP/1.1\r\n")
    assert tunnel_is_open(OPEN)
    assert not tunnel_is_open(OPEN[:-1])
