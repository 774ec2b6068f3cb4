"""What happens on real sockets, by every way to fetch: bombs, drips, hangs, rebinding, redirects."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import Callable
from datetime import timedelta
from threading import Event

import aiohttp
import pytest
import requests

from pratique.core.recorder import Recorder
from pratique.core.refusal import Refused
from pratique.core.threads import Tally
from pratique.fetch import PUBLIC, Fetcher, FetchPolicy, Internal
from pratique.integrations.aiohttp import FetchConnector
from pratique.integrations.requests import FetchAdapter, mount
from tests.fetch.clients import (
    DOORS,
    GOOD,
    OTHER,
    PATIENT,
    POLICY,
    SHORT,
    Get,
    every_client,
    refused,
)
from tests.fetch.second_copy import every_copy
from tests.fetch.world import Seen, World, black_hole, reply


@every_client
def test_a_bomb_stops_at_the_cap(world: World, get: Get) -> None:
    """FT-14: 60 MiB of zeros in 60 KiB is refused at 1 MB; the same within the cap arrives (CWE-409)."""
    world.names["a.test"] = [GOOD]
    bomb, small = gzip.compress(bytes(60 << 20)), gzip.compress(b"small")
    content = bomb
    world.server.answer = lambda _: reply(200, content, Content_Encoding="gzip")
    policy = FetchPolicy(hosts=PUBLIC, schemes={"http"}, max_content_bytes=1_000_000)
    assert refused(get, policy, "http://a.test/") == "too_large_decoded"
    content = small
    assert get(policy, ["http://a.test/"]) == [(200, b"small")]


@every_client
def test_an_answer_over_the_wire_cap_is_refused(world: World, get: Get) -> None:
    """FT-14: more bytes than declared, with and without a length; as many as declared arrive."""
    world.names["a.test"] = [GOOD]
    policy = FetchPolicy(hosts=PUBLIC, schemes={"http"}, max_wire_bytes=200_000)
    world.server.answer = lambda _: reply(200, bytes(300_000))
    assert refused(get, policy, "http://a.test/") == "too_large_on_the_wire"
    world.server.answer = lambda _: reply(200, bytes(100_000))
    assert get(policy, ["http://a.test/"]) == [(200, bytes(100_000))]


@every_client
@pytest.mark.parametrize("codings", ["gzip, gzip", "gzip\r\nContent-Encoding: gzip", "br, gzip"])
def test_nested_codings_are_refused(world: World, get: Get, codings: str) -> None:
    """FT-14: two codings multiply what one can hold; deflate alone, in both of its forms, arrives."""
    world.names["a.test"] = [GOOD]
    twice = gzip.compress(gzip.compress(b"x"))
    world.server.answer = lambda _: reply(200, twice, Content_Encoding=codings)
    assert refused(get, POLICY, "http://a.test/") == "content_coding"
    for wbits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        packer = zlib.compressobj(wbits=wbits)
        packed = packer.compress(b"once") + packer.flush()
        world.server.answer = lambda _, packed=packed: reply(
            200, packed, Content_Encoding="deflate"
        )
        assert get(POLICY, ["http://a.test/"]) == [(200, b"once")]


@every_client
def test_one_set_of_codings_is_asked_for(world: World, get: Get) -> None:
    """What a caller or its library can undo besides isn't asked for: we couldn't count it."""
    world.names["a.test"] = [GOOD]
    get(POLICY, ["http://a.test/"], headers={"Accept-Encoding": "br, zstd", "Accept": "text/*"})
    fields = world.server.seen[0].fields
    assert (fields["accept-encoding"], fields["accept"]) == ("gzip, deflate", "text/*")


def drip(end: Event, piece: bytes, start: bytes) -> Callable[[socket.socket], None]:
    """Send *start*, then *piece* again and again, twenty times a second."""

    def raw(connection: socket.socket) -> None:
        connection.sendall(start)
        while not end.wait(0.05):
            connection.sendall(piece)

    return raw


@every_client
@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99999\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        (b"", b""),
    ],
    ids=["a byte at a time", "endless fields", "nothing at all"],
)
def test_a_drip_meets_the_deadline(world: World, get: Get, start: bytes, piece: bytes) -> None:
    """FT-14: each read is answered in time, and the whole isn't (CWE-400)."""
    world.names["a.test"] = [GOOD]
    end = Event()
    world.server.raw = drip(end, piece, start)
    try:
        assert refused(get, SHORT, "http://a.test/") == "fetch_deadline"
    finally:
        end.set()
    world.server.raw = None
    assert get(PATIENT, ["http://a.test/"]) == [(200, b"OK-FINAL")]


@every_client
def test_a_kept_connection_that_hangs_meets_the_deadline(world: World, get: Get) -> None:
    """FT-14: the first answer's end is not the second one's: each fetch has its own deadline."""
    world.names["a.test"] = [GOOD]
    end = Event()

    def answer(seen: Seen) -> bytes:
        if seen.target == "/hang":
            end.wait(5)
        return reply()

    world.server.answer = answer
    try:
        urls = ["http://a.test/1", "http://a.test/hang"]
        assert refused(get, SHORT, *urls) == "fetch_deadline"
    finally:
        end.set()
    assert get(PATIENT, ["http://a.test/1", "http://a.test/2"]) == [(200, b"OK-FINAL")] * 2


@every_client
@pytest.mark.parametrize("url", ["http://a.test/", "https://a.test/"])
def test_a_host_that_never_picks_up_meets_the_deadline(world: World, get: Get, url: str) -> None:
    """FT-14: a backlog that is full, and a handshake that isn't answered; a prompt host is served (CWE-400)."""
    world.names["a.test"] = [GOOD]
    short = FetchPolicy(hosts=PUBLIC, schemes={"http", "https"}, deadline=timedelta(seconds=0.5))
    place = f"{GOOD}:{443 if url.startswith('https') else 80}"
    with black_hole() as port, socket.create_server(("127.0.0.1", 0)) as silent:
        for world.ways[place] in (port, silent.getsockname()[1]):
            assert refused(get, short, url) == "fetch_deadline"
    del world.ways[place]
    assert get(POLICY, [url]) == [(200, b"OK-FINAL")]


@every_client
def test_an_address_that_hangs_gives_way_to_the_next(
    world: World, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were checked; the first swallows what is sent to it. Where both do, the deadline ends it."""
    for dial in every_copy("pratique.fetch.wire.dial"):
        monkeypatch.setattr(dial, "FIRST_TRIES", 0.1)
    world.names["a.test"] = [OTHER, GOOD]
    with black_hole() as port:
        world.ways[f"{OTHER}:80"] = port
        assert get(POLICY, ["http://a.test/"]) == [(200, b"OK-FINAL")]
        world.ways[f"{GOOD}:80"] = port
        assert refused(get, SHORT, "http://a.test/") in ("fetch_deadline", "unreachable")


async def test_who_waits_for_a_free_connection_waits_no_longer(world: World) -> None:
    """With one connection for all, whoever waits for it has a deadline too; once it is free, it is served."""
    world.names["a.test"] = [GOOD]
    loop, is_asked, end = asyncio.get_running_loop(), asyncio.Event(), Event()

    def hold(_: socket.socket) -> None:
        loop.call_soon_threadsafe(is_asked.set)
        end.wait(5)

    world.server.raw = hold
    connector = FetchConnector(POLICY, limit=1)
    async with aiohttp.ClientSession(connector=connector) as session:
        held = asyncio.ensure_future(session.get("http://a.test/held"))
        await is_asked.wait()
        connector._policy = SHORT
        with pytest.raises(Refused) as caught:
            await session.get("http://a.test/waits")
        assert caught.value.code == "fetch_deadline"
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)
        world.server.raw = None
        end.set()
        async with session.get("http://a.test/") as answer:
            assert await answer.read() == b"OK-FINAL"


@every_client
def test_a_name_that_hangs_meets_the_deadline(world: World, get: Get) -> None:
    """FT-22: DNS that doesn't answer is refused in time; another name meanwhile is served."""
    end = Event()
    world.names.update({"hangs.test": lambda: end.wait(5) and None, "a.test": [GOOD]})
    try:
        assert refused(get, SHORT, "http://hangs.test/") == "lookup_timeout"
        assert get(PATIENT, ["http://a.test/"]) == [(200, b"OK-FINAL")]
    finally:
        end.set()


@every_client
def test_a_dead_address_gives_way_to_the_next(world: World, get: Get) -> None:
    """Both were checked; the first doesn't answer. Where none does, it is refused."""
    world.names["a.test"] = [OTHER, GOOD]
    world.dead = {OTHER}
    assert get(POLICY, ["http://a.test/"]) == [(200, b"OK-FINAL")]
    world.dead = {OTHER, GOOD}
    with pytest.raises(Exception, match=r"reach|connect"):
        get(POLICY, ["http://a.test/"])


@every_client
def test_two_names_on_one_address_are_two_certificates(world: World, get: Get) -> None:
    """The second name's certificate is checked too: a pool keyed by address would skip it (CWE-295)."""
    world.names.update({"one.test": [GOOD], "two.test": [GOOD]})
    assert get(POLICY, ["https://one.test/", "https://two.test/"]) == [(200, b"OK-FINAL")] * 2
    world.server.certificate_names = ["one.test"]
    assert get(POLICY, ["https://one.test/"]) == [(200, b"OK-FINAL")]
    before = len(world.server.seen)
    with pytest.raises(Exception, match=r"(?i)certificate"):
        get(POLICY, ["https://one.test/", "https://two.test/"])
    assert len(world.server.seen) == before + 1  # the stub saw no request of the second


def test_a_way_inside_is_the_policys_own(world: World) -> None:
    """A connection that one policy's exception opened is never used by another policy."""
    world.names["wiki.test"] = ["10.1.2.3"]
    way = Internal("wiki.test", "10.1.2.0/24", 80, "the wiki's pages are linked from tickets")
    open_, shut = (
        FetchPolicy(hosts=PUBLIC, schemes={"http"}, internal=ways) for ways in ([way], [])
    )
    with Fetcher(open_) as inside, Fetcher(shut) as outside:
        assert inside.get("http://wiki.test/").value.content == b"OK-FINAL"
        with pytest.raises(Refused) as caught:
            outside.get("http://wiki.test/")
        assert caught.value.code == "address_not_allowed"
        world.names["wiki.test"] = ["10.1.3.3"]  # outside the network that was declared
    with Fetcher(open_) as inside, pytest.raises(Refused) as caught:
        inside.get("http://wiki.test/")
    assert caught.value.code == "address_not_allowed"
    world.names["wiki.test"] = ["169.254.169.254"]
    wide = Internal("wiki.test", "0.0.0.0/0", 80, "far too wide")
    policy = FetchPolicy(hosts=PUBLIC, schemes={"http"}, internal=[wide])
    with Fetcher(policy) as inside, pytest.raises(Refused):
        inside.get("http://wiki.test/")


async def _by_aiohttp(open_: FetchPolicy, shut: FetchPolicy, url: str) -> bytes:
    first, second = (
        aiohttp.ClientSession(connector=FetchConnector(policy)) for policy in (open_, shut)
    )
    async with first, second:
        async with first.get(url) as answer:
            content = await answer.read()
        with pytest.raises(Refused):
            await second.get(url)
        return content


async def _by_async_client(open_: FetchPolicy, shut: FetchPolicy, url: str, way: str) -> bytes:
    library, door = DOORS[way]
    first, second = (
        library.AsyncClient(transport=door.AsyncFetchTransport(policy)) for policy in (open_, shut)
    )
    async with first, second:
        content = (await first.get(url)).content
        with pytest.raises(Refused):
            await second.get(url)
        return bytes(content)


def test_an_adapter_never_shares_a_way_inside(world: World) -> None:
    """Two adapters, two policies, one host: what the first has open isn't used by the second."""
    world.names["wiki.test"] = ["10.1.2.3"]
    way = Internal("wiki.test", "10.1.2.0/24", 80, "the wiki's pages are linked from tickets")
    open_, shut = (
        FetchPolicy(hosts=PUBLIC, schemes={"http"}, internal=ways) for ways in ([way], [])
    )
    url = "http://wiki.test/"
    for way_, (library, door) in DOORS.items():
        with (
            library.Client(transport=door.FetchTransport(open_)) as client,
            library.Client(transport=door.FetchTransport(shut)) as other,
        ):
            assert client.get(url).content == b"OK-FINAL"
            with pytest.raises(Refused):
                other.get(url)
        assert asyncio.run(_by_async_client(open_, shut, url, way_)) == b"OK-FINAL"
    with mount(requests.Session(), open_) as session:
        session.mount("http://wiki.test/shut", FetchAdapter(shut))
        assert session.get(url).content == b"OK-FINAL"
        with pytest.raises(Refused):
            session.get(f"{url}shut")
    assert asyncio.run(_by_aiohttp(open_, shut, url)) == b"OK-FINAL"
    assert set(world.touched) == {"10.1.2.3:80"}
    assert len(world.touched) == 6


def test_a_fetch_is_a_crossing(world: World) -> None:
    """What comes out is proven by three obligations; each end is one record."""
    world.names["a.test"] = [GOOD]
    recorder = Recorder((), count=Tally().add)
    with Fetcher(POLICY, recorder=recorder) as fetcher:
        proven = fetcher.get("http://a.test/")
        assert [proof.obligation for proof in proven.proofs] == ["authentic", "allowed", "valid"]
        record = recorder.find(proven.crossing_id)
        assert record is not None
        assert (record.outcome, record.proofs) == ("proven", ("authentic", "allowed", "valid"))
        with pytest.raises(Refused) as caught:
            fetcher.get("http://10.0.0.7/")
        record = recorder.find(caught.value.crossing_id)
        assert record is not None
        assert (record.outcome, record.code) == ("refused", "address_not_allowed")


def test_requests_keeps_the_cookies_that_came(world: World) -> None:
    """A session on the adapter works as before: cookies, status, reason, final URL."""
    world.names["a.test"] = [GOOD]
    world.server.answer = lambda _: reply(200, b"x", Set_Cookie="c=1")
    with mount(requests.Session(), POLICY) as session:
        answer = session.get("http://a.test/b")
        session.get("http://a.test/c")
    assert (answer.cookies.get("c"), answer.url) == ("1", "http://a.test/b")
    assert (answer.reason, answer.ok) == ("OK", True)
    sent = [seen.fields.get("cookie") for seen in world.server.seen]
    assert sent == [None, "c=1"]


def test_requests_reads_an_answer_in_the_pieces_that_are_asked_for(world: World) -> None:
    """iter_content, iter_lines, raw.read and a response that is closed early work as before."""
    world.names["a.test"] = [GOOD]
    content = b"one\ntwo\n" + bytes(100_000)
    world.server.answer = lambda _: reply(200, content)
    with mount(requests.Session(), POLICY) as session:

        def get() -> requests.Response:
            return session.get("http://a.test/", stream=True)

        assert get().content == content
        pieces = list(get().iter_content(1000))
        assert (b"".join(pieces), max(map(len, pieces))) == (content, 1000)
        assert list(get().iter_content(3))[:3] == [b"one", b"\ntw", b"o\n\0"]
        assert next(get().iter_lines()) == b"one"
        raw = get().raw
        assert (raw.read(5), raw.read(2), len(raw.read())) == (b"one\nt", b"wo", 100_001)
        assert (raw.closed, raw.read()) == (True, b"")
        with get() as answer:
            assert next(answer.iter_content(4)) == b"one\n"
        assert answer.raw.closed
        assert get().content == content


async def _twice(recorder: Recorder) -> None:
    connector = FetchConnector(POLICY, recorder=recorder)
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get("http://a.test/") as answer:
            await answer.read()
        with pytest.raises(Refused):
            await session.get("http://10.0.0.7/")


def test_an_adapter_records_each_crossing(world: World) -> None:
    """httpx, httpx2, requests and aiohttp: one record an end, proven or refused, nothing twice."""
    world.names["a.test"] = [GOOD]
    wanted = {("proven", ""): 1, ("refused", "address_not_allowed"): 1}
    for way in ("httpx", "httpx2", "requests", "aiohttp"):
        tally = Tally()
        recorder = Recorder((), count=tally.add)
        if way == "aiohttp":
            asyncio.run(_twice(recorder))
        elif way in DOORS:
            library, door = DOORS[way]
            transport = door.FetchTransport(POLICY, recorder=recorder)
            with library.Client(transport=transport) as client:
                client.get("http://a.test/")
                with pytest.raises(library.HTTPError):
                    client.get("http://10.0.0.7/")
        else:
            with mount(requests.Session(), POLICY, recorder=recorder) as session:
                session.get("http://a.test/")
                with pytest.raises(requests.RequestException):
                    session.get("http://10.0.0.7/")
        assert {(o, c): n for (_, _, o, _, c), n in tally.counts.items()} == wanted, way
