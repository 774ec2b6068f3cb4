"""HTTP/2 where a policy offers it: the same limits, and one fetch on a connection."""

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pratique.core.refusal import BoundaryError, Refused
from pratique.fetch import PUBLIC, Fetcher, FetchPolicy
from tests.fetch.clients import CLIENTS
from tests.fetch.h2_server import H2Server, plain
from tests.fetch.world import World

URL = "https://h2.test/"
BOTH = frozenset({"h2", "http/1.1"})
POLICY = FetchPolicy(
    hosts=PUBLIC,
    protocols=BOTH,
    max_wire_bytes=50_000,
    max_content_bytes=100_000,
    deadline=timedelta(seconds=20),
)
SHORT = replace(POLICY, deadline=timedelta(seconds=1))
OURS = [name for name in CLIENTS if name != "aiohttp"]
every_client = pytest.mark.parametrize("get", [CLIENTS[name] for name in OURS], ids=OURS)


@pytest.fixture
def server(world: World) -> Iterator[H2Server]:
    """Give a host that speaks HTTP/2."""
    made = H2Server(world.server._authority, "h2.test")
    world.names["h2.test"] = ["93.184.215.14"]
    world.ways["93.184.215.14:443"] = made.port
    yield made
    made.close()


def code_of(get: Any, policy: FetchPolicy = POLICY) -> str:
    """Fetch, and return the code of the refusal."""
    with pytest.raises(Refused) as caught:
        get(policy, [URL])
    return caught.value.code


@every_client
def test_it_is_spoken_where_both_offer_it(server: H2Server, get: Any) -> None:
    """ALPN chooses it; two fetches after each other share a connection."""
    assert get(POLICY, [URL, URL]) == [(200, b"OK-H2")] * 2
    assert [seen[":authority"] for seen in server.seen] == ["h2.test"] * 2
    assert server.connections == 1


def test_a_host_of_both_gets_what_the_policy_offers(world: World) -> None:
    """Without h2 in the policy it isn't offered, whatever the host would speak."""
    world.names["a.test"] = ["93.184.215.14"]
    assert CLIENTS["fetcher"](FetchPolicy(hosts=PUBLIC), ["https://a.test/"])[0][1] == b"OK-FINAL"
    assert CLIENTS["fetcher"](POLICY, ["https://a.test/"])[0][1] == b"OK-FINAL"


@every_client
def test_the_caps_hold(server: H2Server, get: Any) -> None:
    """FT-14 over HTTP/2: too much on the wire, and a bomb; what fits arrives."""
    page = [(":status", "200"), ("content-type", "text/html")]
    server.reply = lambda _: (page, [bytes(16_000)] * 4, True)
    assert code_of(get) == "too_large_on_the_wire"
    bomb = gzip.compress(bytes(200_000))
    server.reply = lambda _: ([*page, ("content-encoding", "gzip")], [bomb], True)
    assert code_of(get) == "too_large_decoded"
    server.reply = lambda _: ([(":status", "200"), ("content-type", "image/svg+xml")], [b"x"], True)
    assert code_of(get) == "content_type"
    server.reply = plain
    assert get(POLICY, [URL]) == [(200, b"OK-H2")]


@every_client
def test_a_stream_that_does_not_end_meets_the_deadline(server: H2Server, get: Any) -> None:
    """CWE-400: half an answer is none; another fetch of the same host is served."""
    server.reply = lambda _: ([(":status", "200"), ("content-type", "text/html")], [b"half"], False)
    assert code_of(get, SHORT) == "fetch_deadline"
    server.reply = plain
    assert get(POLICY, [URL]) == [(200, b"OK-H2")]


def test_a_fetch_that_hangs_ends_no_other(server: H2Server) -> None:
    """One fetch on a connection: eight at once, one of which hangs, and seven answers."""

    def reply(asked: dict[str, str]) -> Any:
        lines, frames, _ = plain(asked)
        return lines, frames, asked[":path"] != "/hangs"

    server.reply = reply
    with Fetcher(SHORT) as fetcher, ThreadPoolExecutor(8) as pool:
        paths = ["hangs", *map(str, range(7))]
        futures = [pool.submit(fetcher.get, URL + path) for path in paths]
        with pytest.raises(Refused) as caught:
            futures[0].result()
        assert caught.value.code == "fetch_deadline"
        assert {future.result().value.content for future in futures[1:]} == {b"OK-H2"}


@every_client
def test_a_host_that_hung_up_is_connected_anew(server: H2Server, get: Any) -> None:
    """A connection that waits and was ended by its host isn't used again."""
    with Fetcher(POLICY) as fetcher:
        assert fetcher.get(URL).value.content == b"OK-H2"
        server.hang_up()
        assert fetcher.get(URL).value.content == b"OK-H2"
    assert server.connections == 2
    assert get(POLICY, [URL]) == [(200, b"OK-H2")]


@every_client
def test_what_names_a_hop_is_not_passed_on(server: H2Server, get: Any) -> None:
    """A caller's own Host never goes out: the target's authority does."""
    assert get(POLICY, [URL], headers={"Host": "evil.test"}) == [(200, b"OK-H2")]
    assert server.seen[0][":authority"] == "h2.test"
    assert "evil.test" not in str(server.seen)


@pytest.mark.parametrize("protocols", [set(), {"h3"}, {"spdy/3"}, "h2"])
def test_a_protocol_that_is_none_is_refused(protocols: Any) -> None:
    """Neither of the two, or nothing: said where it is written."""
    with pytest.raises(BoundaryError):
        FetchPolicy(hosts=PUBLIC, protocols=protocols)
    assert FetchPolicy(hosts=PUBLIC, protocols={"h2"}).protocols == {"h2"}
