"""A host that an allowed URL leads to, and that plays with fields, lengths and kept connections."""

from collections.abc import Callable

import pytest

from pratique.fetch import PUBLIC, FetchPolicy
from tests.fetch.clients import CLIENTS
from tests.fetch.world import Seen, World, reply

A, B = "93.184.215.14", "151.101.1.69"
POLICY = FetchPolicy(hosts=PUBLIC, schemes={"http", "https"}, redirects=3)
Get = Callable[..., list[tuple[int, bytes]]]
every_client = pytest.mark.parametrize("get", CLIENTS.values(), ids=CLIENTS.keys())


@pytest.fixture(autouse=True)
def names(world: World) -> None:
    """Give the world two hosts."""
    world.names |= {"a.test": [A], "b.test": [B]}


@every_client
def test_what_was_meant_for_one_origin_stays_there_over_several_hops(
    world: World, get: Get
) -> None:
    """FT-13: the second hop at another origin gets no more than the first; where nothing leaves
    the origin, each hop gets what the caller sent (CWE-522)."""
    ours = {"Authorization": "Bearer ours", "X-Api-Key": "ours", "Cookie": "session=ours"}
    leads_to = {"/": "http://b.test/1", "/1": "http://b.test/2"}

    def answer(seen: Seen) -> bytes:
        following = leads_to.get(seen.target)
        return reply(302, b"", Location=following) if following else reply()

    world.server.answer = answer
    get(POLICY, ["http://a.test/"], headers=ours)
    told = [{name.lower() for name in ours} & set(seen.fields) for seen in world.server.seen]
    assert told == [{name.lower() for name in ours}, set(), set()]
    leads_to = {"/": "/1", "/1": "/2"}
    world.server.seen.clear()
    get(POLICY, ["http://a.test/"], headers=ours)
    assert [seen.fields.get("x-api-key") for seen in world.server.seen] == ["ours"] * 3
