"""FT-13, FT-15, FT-21: what goes out with a fetch, and what may come back. Each refusal has its twin."""

import asyncio

import aiohttp
import pytest
import requests

from pratique.core.refusal import Refused
from pratique.fetch import PUBLIC, AsyncFetcher, Fetcher, FetchPolicy
from pratique.integrations.aiohttp import FetchConnector
from pratique.integrations.requests import mount
from tests.fetch.clients import CLIENTS, DOORS, GOOD, OTHER, POLICY, Get, every_client
from tests.fetch.world import Seen, World, reply


@every_client
def test_what_was_meant_for_one_origin_stays_there(world: World, get: Get) -> None:
    """FT-13: a key in a field of one's own isn't sent on to another origin; within it, it is (CWE-522)."""
    world.names.update({"a.test": [GOOD], "b.test": [OTHER]})
    lead = "http://b.test/"
    world.server.answer = lambda seen: (
        reply(302, b"", Location=lead) if seen.target == "/go" else reply()
    )
    for place, wanted in (("http://b.test/", False), ("/stay", True)):
        lead = place
        world.server.seen.clear()
        get(POLICY, ["http://a.test/go"], headers={"X-Api-Key": "k", "Cookie": "c=1"})
        last: Seen = world.server.seen[-1]
        assert ("x-api-key" in last.fields, "cookie" in last.fields) == (wanted, wanted)


@every_client
@pytest.mark.parametrize(
    "media_type",
    ["text/html", "image/svg+xml", "IMAGE/SVG+XML; charset=utf-8", "imagepng", "text/html, image/png", ""],
)  # fmt: skip
def test_a_content_type_that_is_not_declared_is_refused(
    world: World, get: Get, media_type: str
) -> None:
    """FT-15: html and svg where an image was expected: refused, and nothing is stored (CWE-434)."""
    world.names["a.test"] = [GOOD]
    images = FetchPolicy(hosts=PUBLIC, schemes={"http"}, content_types={"image/*"})
    stored: list[bytes] = []
    world.server.answer = lambda _: reply(200, b"<script>", Content_Type=media_type)
    with pytest.raises(Refused) as caught:
        stored += [content for _, content in get(images, ["http://a.test/"])]
    assert (caught.value.code, stored) == ("content_type", [])
    world.server.answer = lambda _: reply(200, b"png", Content_Type="image/png; q=1")
    stored += [content for _, content in get(images, ["http://a.test/"])]
    assert stored == [b"png"]


@every_client
def test_two_content_types_are_none(world: World, get: Get) -> None:
    """FT-15: one reader takes the first, another the last: refused; said once, it is taken (CWE-436)."""
    world.names["a.test"] = [GOOD]
    images = FetchPolicy(hosts=PUBLIC, schemes={"http"}, content_types={"image/png"})
    twice = "image/png\r\nContent-Type: text/html"
    world.server.answer = lambda _: reply(200, b"<script>", Content_Type=twice)
    with pytest.raises(Refused):
        get(images, ["http://a.test/"])
    world.server.answer = lambda _: reply(200, b"png", Content_Type="image/png")
    assert get(images, ["http://a.test/"]) == [(200, b"png")]


def post(world: World, way: str, url: str) -> int:
    """Send content to a URL by one of the ways, and return the status."""
    if way == "fetcher":
        with Fetcher(POLICY) as fetcher:
            return fetcher.post(url, content=b"secret").value.status
    if way in DOORS:
        library, door = DOORS[way]
        with library.Client(transport=door.FetchTransport(POLICY)) as client:
            return int(client.post(url, content=b"secret").status_code)
    if way == "requests":
        with mount(requests.Session(), POLICY) as session:
            return session.post(url, data=b"secret").status_code

    return asyncio.run(apost(way, url))


async def apost(way: str, url: str) -> int:
    """Do the same on an event loop."""
    if way == "async fetcher":
        async with AsyncFetcher(POLICY) as fetcher:
            return (await fetcher.post(url, content=b"secret")).value.status
    if way != "aiohttp":
        library, door = DOORS[way.removeprefix("async ")]
        async with library.AsyncClient(transport=door.AsyncFetchTransport(POLICY)) as client:
            return int((await client.post(url, content=b"secret")).status_code)
    session = aiohttp.ClientSession(connector=FetchConnector(POLICY))
    async with session, session.post(url, data=b"secret") as answer:
        return answer.status


@pytest.mark.parametrize("way", CLIENTS)
def test_content_never_goes_to_another_origin(world: World, way: str) -> None:
    """FT-21: 307 to another origin is refused before anything is sent; within it, it arrives."""
    world.names.update({"a.test": [GOOD], "b.test": [OTHER]})
    leads = [""]
    world.server.answer = lambda seen: (
        reply(307, b"", Location=leads[0]) if seen.target == "/go" else reply()
    )
    leads[0] = "http://b.test/"
    with pytest.raises(Refused) as caught:
        post(world, way, "http://a.test/go")
    assert caught.value.code == "body_across_origins"
    assert [seen.fields["host"] for seen in world.server.seen] == ["a.test"]
    leads[0] = "/there"
    assert post(world, way, "http://a.test/go") == 200
    assert world.server.seen[-1].content == b"secret"
