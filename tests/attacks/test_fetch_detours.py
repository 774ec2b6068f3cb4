"""FT-05 to FT-07, FT-16 to FT-19, FT-22, the detours: a URL that was gated leads elsewhere. Each refusal has its twin."""

import asyncio
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import aiohttp
import httpx
import pytest
import requests
import trustme

from pratique.core.refusal import Refused
from pratique.fetch import PUBLIC, AsyncFetcher, Fetcher, FetchPolicy, gate
from pratique.integrations.aiohttp import FetchConnector
from pratique.integrations.requests import mount
from tests.fetch.clients import (
    DOORS,
    GOOD,
    OTHER,
    POLICY,
    REFUSALS,
    SHORT,
    Get,
    every_client,
    refused,
)
from tests.fetch.world import Server, World, reply


@every_client
def test_a_redirect_never_leads_out_of_the_policy(world: World, get: Get) -> None:
    """FT-05: a hop to a forbidden address, from https to http, or one too many is refused; two are followed."""
    world.names.update({"a.test": [GOOD], "in.test": ["10.0.0.7"]})
    leads = [""]
    world.server.answer = lambda seen: (
        reply(302, b"", Location=leads[0]) if seen.target.startswith("/go") else reply()
    )
    for leads[0], code in (
        ("http://127.0.0.1/", "address_not_allowed"),
        ("http://in.test/", "address_not_allowed"),
        ("http://a.test:22/", "port_not_allowed"),
        ("/go", "too_many_redirects"),
    ):
        assert refused(get, POLICY, "http://a.test/go") == code
    leads[0] = "ftp://a.test/"
    with pytest.raises((Refused, aiohttp.NonHttpUrlRedirectClientError)):
        get(POLICY, ["http://a.test/go"])
    leads[0] = "http://a.test/"
    assert refused(get, POLICY, "https://a.test/go") == "downgrade"
    leads[0] = "/there"
    assert get(POLICY, ["http://a.test/go"]) == [(200, b"OK-FINAL")]


@every_client
@pytest.mark.parametrize("hops", [1, 3, 20])
def test_no_chain_of_redirects_ends_inside(world: World, get: Get, hops: int) -> None:
    """FT-05: an allowed host that passes a fetch on, hop by hop, to the canary; ended outside, it is followed."""
    world.names["a.test"] = [GOOD]
    end = "http://127.0.0.1:8099/canary"
    world.server.answer = lambda seen: (
        reply(
            302, b"", Location=end if seen.target == f"/{hops}" else f"/{int(seen.target[1:]) + 1}"
        )
        if seen.target != "/end"
        else reply()
    )
    many = FetchPolicy(hosts=PUBLIC, schemes={"http"}, ports={80, 8099}, redirects=20)
    with pytest.raises(REFUSALS):
        get(many, ["http://a.test/1"])
    assert {touched.rpartition(":")[0] for touched in world.touched} == {GOOD}
    assert "/canary" not in {seen.target for seen in world.server.seen}
    if hops < 10:  # aiohttp's own limit
        end = "/end"
        assert get(many, ["http://a.test/1"]) == [(200, b"OK-FINAL")]


@every_client
def test_a_kept_connection_survives_a_rebind_and_a_new_one_is_judged(
    world: World, get: Get
) -> None:
    """FT-06: the name leads elsewhere by now; the checked connection is used again, no other is made."""
    world.names["a.test"] = {"sequence": [[GOOD], ["127.0.0.1"]]}
    assert get(POLICY, ["http://a.test/", "http://a.test/"]) == [(200, b"OK-FINAL")] * 2
    assert world.touched == [f"{GOOD}:80"]
    assert refused(get, POLICY, "http://a.test/") == "address_not_allowed"
    assert world.touched == [f"{GOOD}:80"]


@every_client
def test_the_address_that_was_checked_is_connected_to(world: World, get: Get) -> None:
    """FT-06: public for the first lookup, loopback for every other (TTL 0): one lookup, one address (CWE-367)."""
    world.names["a.test"] = {"sequence": [[GOOD], ["127.0.0.1"], ["127.0.0.1"]]}
    assert get(POLICY, ["http://a.test/"]) == [(200, b"OK-FINAL")]
    assert world.touched == [f"{GOOD}:80"]
    assert world.lookups == ["a.test"]


@every_client
@pytest.mark.parametrize("inside", ["10.0.0.7", "127.0.0.1", "::1", "fd12::1", "64:ff9b::a00:7"])
def test_one_bad_answer_beside_a_good_one_is_refused(world: World, get: Get, inside: str) -> None:
    """FT-07: A and AAAA, in either order: whoever wrote that zone decides which one is taken next (CWE-367)."""
    for both in ([GOOD, inside], [inside, GOOD]):
        world.names["a.test"] = both
        assert refused(get, POLICY, "http://a.test/") == "address_not_allowed"
    assert world.touched == []
    world.names["a.test"] = [GOOD, OTHER]
    assert get(POLICY, ["http://a.test/"]) == [(200, b"OK-FINAL")]


@every_client
def test_a_stored_url_is_judged_when_it_is_used(world: World, get: Get) -> None:
    """FT-16: stored while its name led outside, fetched by a job when it leads inside: judged at use."""
    world.names.update({"hook.test": [GOOD], "still.test": [GOOD]})
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE hooks (url TEXT)")
    for url in (
        "http://hook.test/",
        "http://still.test/",
        "http://127.0.0.1/",
        "file:///etc/hosts",
    ):
        db.execute("INSERT INTO hooks VALUES (?)", (url,))
    assert gate("http://hook.test/", POLICY).host == "hook.test"
    world.names["hook.test"] = ["127.0.0.1"]
    done = []
    for (url,) in db.execute("SELECT url FROM hooks"):
        try:
            done += [url for _ in get(POLICY, [url])]
        except REFUSALS:
            continue
    db.close()
    assert done == ["http://still.test/"]
    assert world.touched == [f"{GOOD}:80"]


ENTITY = b'<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:8099/canary">]><svg>&e;</svg>'
IMAGES = FetchPolicy(hosts=PUBLIC, schemes={"http"}, content_types={"image/*"})
XML = FetchPolicy(hosts=PUBLIC, schemes={"http"}, content_types={"image/svg+xml"})


@every_client
def test_a_url_inside_a_document_is_not_followed(world: World, get: Get) -> None:
    """FT-17: "image/*" is no svg; where one is declared, its entity arrives unread (CWE-611)."""
    world.names["a.test"] = [GOOD]
    world.server.answer = lambda _: reply(200, ENTITY, Content_Type="image/svg+xml")
    assert refused(get, IMAGES, "http://a.test/") == "content_type"
    assert get(XML, ["http://a.test/"]) == [(200, ENTITY)]
    assert set(world.touched) == {f"{GOOD}:80"}
    world.server.answer = lambda _: reply(200, b"png", Content_Type="image/png")
    assert get(IMAGES, ["http://a.test/"]) == [(200, b"png")]


@every_client
@pytest.mark.parametrize("field", ["picture", "callback_url", "jku"])
def test_a_url_inside_another_claim_is_gated_when_it_is_used(
    world: World, get: Get, field: str
) -> None:
    """FT-17: an avatar in a profile, a callback in an event, a key set in a token: a proven claim holds unproven URLs."""
    world.names.update({"idp.test": [GOOD], "inside.test": ["10.0.0.7"]})
    told = {field: ""}
    world.server.answer = lambda seen: (
        reply(200, json.dumps(told).encode(), Content_Type="application/json")
        if seen.target == "/claim"
        else reply()
    )
    for url in (
        "http://127.0.0.1:80/",
        "http://inside.test/",
        "http://169.254.169.254/",
        "file:///",
    ):
        told[field] = url
        [(_, content)] = get(POLICY, ["http://idp.test/claim"])
        with pytest.raises(REFUSALS):
            get(POLICY, [json.loads(content)[field]])
    assert set(world.touched) == {f"{GOOD}:80"}
    assert {seen.target for seen in world.server.seen} == {"/claim"}
    told[field] = "http://idp.test/avatar"
    [(_, content)] = get(POLICY, ["http://idp.test/claim"])
    assert get(POLICY, [json.loads(content)[field]]) == [(200, b"OK-FINAL")]


@every_client
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_ignored(
    world: World, get: Get, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FT-18: it would look the name up again, and connect where it likes: the canary proxy isn't asked."""
    world.names["a.test"] = [GOOD]
    canary = Server(trustme.CA())
    world.ways[f"127.0.0.1:{canary.port}"] = canary.port
    monkeypatch.setenv(variable, f"http://127.0.0.1:{canary.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    try:
        asked = ["http://a.test/", "https://a.test/"]
        assert get(POLICY, asked) == [(200, b"OK-FINAL")] * 2
        assert world.touched == [f"{GOOD}:80", f"{GOOD}:443"]
        assert canary.accepted == 0
        if variable.lower() == "http_proxy":  # the twin: a bare client does ask it
            assert httpx.get("http://a.test/").status_code == 200
            assert canary.accepted == 1
    finally:
        canary.close()


@every_client
def test_no_other_name_goes_into_the_connection(world: World, get: Get) -> None:
    """FT-19: a caller's Host, that of another tenant of the same address, gives way to the gated name."""
    world.names["a.test"] = [GOOD]
    for url in ("http://a.test/", "https://a.test/"):
        assert get(POLICY, [url], headers={"Host": "internal.a.test"}) == [(200, b"OK-FINAL")]
        assert world.server.seen[-1].fields["host"] == "a.test"
        assert get(POLICY, [url], headers={"X-Host": "kept"}) == [(200, b"OK-FINAL")]


async def _by_aiohttp(method: str, url: str, **named: Any) -> int:
    session = aiohttp.ClientSession(connector=FetchConnector(POLICY))
    async with session, session.request(method, url, **named) as answer:
        return answer.status


def test_no_other_name_is_proven_by_the_certificate(world: World) -> None:
    """FT-19: what a caller may say of the server's name changes nothing: the URL's own is proven (CWE-295)."""
    world.names["a.test"] = [GOOD]
    world.server.certificate_names = ["inside.test"]
    before = len(world.server.seen)
    with pytest.raises(aiohttp.ClientConnectorError):
        asyncio.run(_by_aiohttp("GET", "https://a.test/", server_hostname="inside.test"))
    named = {"sni_hostname": "inside.test"}
    for library, door in DOORS.values():
        transport = door.FetchTransport(POLICY)
        with library.Client(transport=transport) as client, pytest.raises(Refused) as caught:
            client.get("https://a.test/", extensions=named)
        assert caught.value.code == "bad_certificate"
    assert len(world.server.seen) == before
    world.server.certificate_names = None
    for library, door in DOORS.values():
        with library.Client(transport=door.FetchTransport(POLICY)) as client:
            assert client.get("https://a.test/", extensions=named).status_code == 200
    assert asyncio.run(_by_aiohttp("GET", "https://a.test/", server_hostname="inside.test")) == 200


def test_a_tunnel_is_no_fetch(world: World) -> None:
    """FT-19: CONNECT to an allowed host is refused unsent: what runs inside is gated by nobody (CWE-441)."""
    world.names["a.test"] = [GOOD]
    for library, door in DOORS.values():
        with library.Client(transport=door.FetchTransport(POLICY)) as client:
            for method in ("CONNECT", "connect"):
                with pytest.raises(Refused) as caught:
                    client.request(method, "http://a.test/")
                assert caught.value.code == "method_not_allowed"
            assert world.touched == []
            assert client.request("OPTIONS", "http://a.test/").status_code == 200
        world.touched.clear()
    with mount(requests.Session(), POLICY) as session:
        with pytest.raises(Refused):
            session.request("CONNECT", "http://a.test/")
        assert world.touched == []
        assert session.request("OPTIONS", "http://a.test/").status_code == 200
    world.touched.clear()
    with pytest.raises(Refused):
        asyncio.run(_by_aiohttp("CONNECT", "http://a.test/"))
    assert world.touched == []
    assert asyncio.run(_by_aiohttp("OPTIONS", "http://a.test/")) == 200


def test_names_that_hang_are_their_own_principals(world: World) -> None:
    """FT-22: eight names of one user hang; the ninth is refused at once, another user is served."""
    end = Event()
    world.names.update({f"h{n}.test": lambda: end.wait(5) and None for n in range(9)})
    world.names["a.test"] = [GOOD]
    try:
        with Fetcher(SHORT) as fetcher:
            with ThreadPoolExecutor(9) as pool:
                codes = list(pool.map(lambda n: _code(fetcher, f"http://h{n}.test/"), range(9)))
            assert sorted(codes) == ["lookup_quota"] + ["lookup_timeout"] * 8
            assert fetcher.get("http://a.test/", principal="other").value.status == 200
    finally:
        end.set()


def _code(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(Refused) as caught:
        fetcher.get(url, principal="user-7")
    return caught.value.code


async def test_names_that_hang_stop_nobody_else_on_the_loop(world: World) -> None:
    """FT-22: the same on an event loop: nine names of one user, and another user meanwhile."""
    end = Event()
    world.names.update({f"h{n}.test": lambda: end.wait(5) and None for n in range(9)})
    world.names["a.test"] = [GOOD]
    async with AsyncFetcher(SHORT) as fetcher:
        try:
            hanging = [
                asyncio.ensure_future(fetcher.get(f"http://h{n}.test/", principal="user-7"))
                for n in range(9)
            ]
            await asyncio.sleep(0)  # they begin
            served = await fetcher.get("http://a.test/", principal="other")
            assert served.value.status == 200
            ended = await asyncio.gather(*hanging, return_exceptions=True)
            codes = sorted(one.code for one in ended if isinstance(one, Refused))
            assert codes == ["lookup_quota"] + ["lookup_timeout"] * 8
        finally:
            end.set()
