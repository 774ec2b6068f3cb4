"""A host that an allowed URL leads to, and that plays with fields, lengths and kept connections."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from secrets import token_bytes
from threading import Event
from typing import Any, cast

import aiohttp
import httpx
import pytest
import requests
from yarl import URL

from pratique.core.refusal import Refused
from pratique.fetch import PUBLIC, FetchPolicy
from pratique.fetch.budget import Budget, current
from pratique.fetch.fetcher import Base
from pratique.fetch.wire.dial import _Stream
from pratique.integrations.aiohttp import FetchConnector
from pratique.integrations.aiohttp.bounded import Bounded
from pratique.integrations.aiohttp.chain import Chain
from pratique.integrations.httpx import FetchTransport
from pratique.integrations.requests import mount
from tests.fetch.clients import CLIENTS, refused
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
    """FT-13: nor does the second hop there get them; hops at home do (CWE-522)."""
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


DRIP = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9999\r\n\r\n"


def by_aiohttp(
    policy: FetchPolicy, *targets: str, follow: bool = True, url: Callable[[str], Any] = str
) -> list[bytes]:
    """Get one after the other on one session, and return their content."""

    async def work() -> list[bytes]:
        async with aiohttp.ClientSession(connector=FetchConnector(policy)) as session:
            found: list[bytes] = []
            for target in targets:
                async with session.get(url(target), allow_redirects=follow) as answer:
                    found.append(await answer.read())
            return found

    return asyncio.run(work())


def test_aiohttp_gets_no_content_of_a_redirect_that_is_not_of_its_types(world: World) -> None:
    """FT-15: a redirect that isn't followed arrives without it; one without Location is an answer."""
    location, kind = "/x", "image/svg+xml"
    world.server.answer = lambda _: (
        f"HTTP/1.1 302 X\r\nContent-Type: {kind}\r\nContent-Length: 5\r\n"
        f"Location: {location}\r\n\r\n<svg>"
    ).encode()
    assert by_aiohttp(POLICY, "http://a.test/", follow=False) == [b""]
    location = ""
    with pytest.raises(Refused) as caught:
        by_aiohttp(POLICY, "http://a.test/")
    assert caught.value.code == "content_type"
    kind = "text/html"
    assert by_aiohttp(POLICY, "http://a.test/", follow=False) == [b"<svg>"]


def test_aiohttp_keeps_its_deadline_where_the_field_uri_leads_on(world: World) -> None:
    """FT-14: aiohttp follows the old field URI too; what comes after it is bounded (CWE-400)."""
    end = Event()

    def raw(connection: socket.socket) -> None:
        if world.server.seen[-1].target == "/":
            connection.sendall(reply(302, b"moved", URI="http://a.test/2"))
            return
        connection.sendall(DRIP)
        end.wait(20)

    world.server.raw = raw
    policy = FetchPolicy(
        hosts=PUBLIC, schemes={"http"}, redirects=3, deadline=timedelta(seconds=0.5)
    )
    try:
        with pytest.raises(Refused) as caught:
            by_aiohttp(policy, "http://a.test/")
    finally:
        end.set()
    assert caught.value.code == "fetch_deadline"
    world.server.raw = None
    world.server.answer = lambda seen: (
        reply(302, b"", URI="http://a.test/2") if seen.target == "/" else reply()
    )
    assert by_aiohttp(policy, "http://a.test/") == [b"OK-FINAL"]


async def test_aiohttp_drops_a_connection_on_which_something_comes_unasked(world: World) -> None:
    """What is sent ahead answers no question (CWE-444); a quiet connection is kept."""
    go = Event()
    connections: list[socket.socket] = []

    def raw(connection: socket.socket) -> None:
        connections.append(connection)
        connection.sendall(reply(200, b"first"))
        while go.wait(5) and connection.recv(65536):
            connection.sendall(reply(200, b"next"))

    world.server.raw = raw
    async with aiohttp.ClientSession(connector=FetchConnector(POLICY)) as session:

        async def read() -> bytes:
            async with session.get("http://a.test/") as answer:
                return await answer.read()

        assert await read() == b"first"
        go.set()
        assert await read() == b"next"
        assert len(connections) == 1
        (kept,) = next(iter(session.connector._conns.values()))  # type: ignore[union-attr]
        closed = kept[0].closed
        connections[0].sendall(reply(200, b"unasked"))
        async with asyncio.timeout(5):
            await closed
        assert await read() == b"first"


async def test_aiohttp_takes_a_deadline_forward_on_a_kept_connection() -> None:
    """FT-14: slow hops leave a call less than the one before it had (CWE-400); more is set later."""
    loop = asyncio.get_running_loop()
    base, bounded = Base(POLICY), Bounded(loop, POLICY)
    bounded.connection_made(asyncio.Transport())
    ends: list[float] = []
    for seconds in (60.0, 5.0, 90.0):
        bounded.begin(Chain(base, [], loop.time() + seconds))
        assert bounded._end is not None
        ends.append(bounded._end.when() - loop.time())
    assert ends[0] > 30 > ends[1]
    assert ends[2] == pytest.approx(ends[1], abs=5)
    bounded.connection_lost(None)


def test_aiohttp_gates_a_path_that_nobody_encoded_at_a_known_origin_too(world: World) -> None:
    """URL(…, encoded=True) is sent as it stands: a line end in it would be a field (CWE-93)."""
    home, bad = "http://a.test/", "http://a.test/x HTTP/1.1\r\nX-Evil: 1\r\nX-Rest: y"
    with pytest.raises(Refused) as caught:
        by_aiohttp(POLICY, home, bad, url=lambda text: URL(text, encoded=True))
    assert caught.value.code == "bad_url"
    assert [seen.target for seen in world.server.seen] == ["/"]
    assert by_aiohttp(POLICY, home, f"{home}%2F", url=lambda text: URL(text, encoded=True))


@every_client
@pytest.mark.parametrize(
    "head",
    [
        "205 X\r\nContent-Length: 5\r\n\r\n",
        "200 X\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
    ],
    ids=["a status that should have none", "a length of zero, and chunks"],
)
def test_no_content_goes_by_without_a_type(world: World, get: Get, head: str) -> None:
    """FT-15: what declares that it has no content has none; where it has, its type is looked at."""
    status, _, rest = head.partition("\r\n")
    end = "\r\n0\r\n\r\n" if "chunked" in head else ""
    kind = "image/svg+xml"
    world.server.answer = lambda _: (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{rest}<svg>{end}".encode()
    )
    with pytest.raises((Refused, aiohttp.ClientError)):  # aiohttp itself refuses two lengths
        get(POLICY, ["http://a.test/"])
    world.server.answer = lambda _: reply(205, b"", Content_Type="")
    assert get(POLICY, ["http://a.test/"]) == [(205, b"")]


@pytest.mark.parametrize("client", ["httpx", "requests"])
def test_a_host_that_a_redirect_leads_to_sets_no_cookie_of_the_one_that_was_asked(
    world: World, client: str
) -> None:
    """CWE-384: the session would send it to the first host; the first host's own is kept."""
    leads_to = "http://b.test/1"

    def answer(seen: Seen) -> bytes:
        if seen.target == "/":
            return reply(302, b"", Location=leads_to)
        return reply(200, b"", Set_Cookie="session=theirs; Path=/")

    world.server.answer = answer
    made = (
        httpx.Client(transport=FetchTransport(POLICY))
        if client == "httpx"
        else mount(requests.Session(), POLICY)
    )
    with made as session:
        for _ in range(2):
            session.get("http://a.test/")
        assert not list(session.cookies)
        assert all("cookie" not in seen.fields for seen in world.server.seen)
        leads_to = "http://a.test/1"
        session.get("http://a.test/")
        assert dict(session.cookies) == {"session": "theirs"}


@every_client
def test_an_answer_that_comes_with_another_is_not_that_of_the_next_question(
    world: World, get: Get
) -> None:
    """CWE-444: whoever answers for one path would answer for all; a plain one keeps its connection."""
    world.server.answer = lambda seen: (
        reply(200, seen.target.encode()) + (reply(200, b"ahead") if seen.target == "/1" else b"")
    )
    urls = [f"http://a.test/{number}" for number in (1, 2, 3)]
    assert get(POLICY, urls) == [(200, b"/1"), (200, b"/2"), (200, b"/3")]
    assert len(world.touched) == 2
    world.touched.clear()
    assert get(POLICY, urls[1:]) == [(200, b"/2"), (200, b"/3")]
    assert len(world.touched) == 1


@pytest.mark.parametrize("extra", ["a HEAD with content", "a 204 with content"])
def test_content_where_there_is_none_is_no_next_answer(world: World, extra: str) -> None:
    """CWE-444: what stands after a head that ends the answer isn't read as another answer."""
    method, status = ("HEAD", 200) if "HEAD" in extra else ("GET", 204)
    world.server.answer = lambda seen: (
        reply(status, reply(200, b"ahead"), Content_Length="0")
        if seen.target == "/1"
        else reply(200, b"honest")
    )
    with httpx.Client(transport=FetchTransport(POLICY)) as client:
        assert client.request(method, "http://a.test/1").content == b""
        assert client.get("http://a.test/2").content == b"honest"


def test_aiohttp_decodes_no_more_than_a_few_pieces_over_the_cap(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FT-14: 300 MiB in 300 KiB never stand in memory (CWE-409); 3 MiB under the cap arrive whole."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    content = bomb
    decoded: list[int] = []
    refuse = Bounded._refuse

    def noting(self: Bounded, refused: Refused, payload: Any) -> None:
        decoded.append(payload.total_bytes)
        refuse(self, refused, payload)

    monkeypatch.setattr(Bounded, "_refuse", noting)
    world.server.answer = lambda _: reply(200, content, Content_Encoding="gzip")
    with pytest.raises(Refused) as caught:
        by_aiohttp(POLICY, "http://a.test/")
    assert caught.value.code == "too_large_decoded"
    assert decoded[0] < POLICY.max_content_bytes + 8_000_000
    for plain in (bytes(3 << 20), token_bytes(3 << 20)):
        content = gzip.compress(plain)
        assert by_aiohttp(POLICY, "http://a.test/", "http://a.test/") == [plain, plain]


@pytest.mark.parametrize("coding", ["compress", "gzip, identity, gzip"])
def test_aiohttp_gets_no_coding_that_was_not_asked_for(world: World, coding: str) -> None:
    """Whatever libraries are installed: what they undo at once has no bound; gzip arrives."""
    world.server.answer = lambda _: reply(200, b"x", Content_Encoding=coding)
    with pytest.raises(Refused) as caught:
        by_aiohttp(POLICY, "http://a.test/")
    assert caught.value.code == "content_coding"
    assert world.server.seen[0].fields["accept-encoding"] == "gzip, deflate"
    world.server.answer = lambda _: reply(200, gzip.compress(b"x"), Content_Encoding="gzip")
    assert by_aiohttp(POLICY, "http://a.test/") == [b"x"]


@pytest.mark.parametrize("status", ["101", "099"])
def test_aiohttp_takes_no_declared_type_for_an_answer_that_is_none(
    world: World, status: str
) -> None:
    """A switch of protocols with a good type is one still; below 100 a type is looked at."""
    kind, code = {
        "101": ("text/html", "upgraded"),
        "099": ("image/svg+xml", "content_type"),
    }[status]
    world.server.answer = lambda _: (
        f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: 5\r\n\r\n<svg>".encode()
    )
    with pytest.raises(Refused) as caught:
        by_aiohttp(POLICY, "http://a.test/")
    assert caught.value.code == code
    world.server.answer = lambda _: b"HTTP/1.1 100 X\r\n\r\n" + reply()
    assert by_aiohttp(POLICY, "http://a.test/") == [b"OK-FINAL"]


class Paced(list[str]):
    """URLs of which each is asked for when the answer before it lies there whole."""

    def __init__(self, world: World, urls: list[str]) -> None:
        super().__init__(urls)
        self._world = world

    def __iter__(self) -> Iterator[str]:
        sent = self._world.server.sent
        for url in super().__iter__():
            sent.clear()
            yield url
            assert sent.wait(10)


@pytest.mark.parametrize("name", [name for name in CLIENTS if name != "aiohttp"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_answer_behind_a_read_that_is_full_is_not_that_of_the_next_question(
    world: World, name: str, scheme: str
) -> None:
    """CWE-444: what a library has read ahead, in its queue or in a TLS record, is seen too.

    aiohttp looks at a kept connection when its loop does: what has arrived and wasn't read yet is
    not seen there (docs/explanation/threat-model.md).
    """
    first = reply(200, bytes(60_000))
    first = reply(200, bytes(65_536 - len(first) + 60_000))
    assert len(first) == 65_536  # what httpcore reads at once
    world.server.answer = lambda seen: (
        first + reply(200, b"ahead") if seen.target == "/1" else reply(200, b"honest")
    )
    urls = [f"{scheme}://a.test/{number}" for number in (1, 2, 3)]
    (_, content), *rest = CLIENTS[name](POLICY, Paced(world, urls))
    assert first.endswith(b"\r\n\r\n" + content)
    assert rest == [(200, b"honest")] * 2
    assert len(world.touched) == 2


class Slow:
    """A socket that takes one byte at a time, and so long for it that the next is one too many."""

    def __init__(self) -> None:
        self.now, self.waits = 0.0, list[float]()

    def settimeout(self, seconds: float) -> None:
        self.waits.append(seconds)

    def send(self, rest: memoryview) -> int:
        self.now += self.waits[-1] * 0.9
        return 1 if self.now < 0.995 else len(rest)

    def get_extra_info(self, info: str) -> "Slow":
        assert info == "socket"
        return self


def test_content_that_is_read_slowly_meets_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """CWE-400: each send waits for what is left, not for the whole; what is left suffices here."""
    wire = Slow()
    monkeypatch.setattr("pratique.fetch.budget.monotonic", lambda: wire.now)
    token = current.set(Budget(1.0, 0))
    try:
        _Stream(cast("Any", wire)).write(b"four")
    finally:
        current.reset(token)
    assert wire.waits == pytest.approx([1.0, 0.1, 0.01])


@every_client
@pytest.mark.parametrize(
    "flood",
    [
        b"HTTP/1.1 100 Continue\r\nX-A: " + b"a" * 1000 + b"\r\n\r\n",
        b"1;" + b"x" * 1000 + b"\r\na\r\n",
    ],
    ids=["interim answers", "marks of chunks"],
)
def test_what_is_no_content_is_counted_too(world: World, get: Get, flood: bytes) -> None:
    """CWE-400: interim answers and chunks with long marks hold no content, and fill the wire; an honest one of each passes."""
    policy = FetchPolicy(
        hosts=PUBLIC, schemes={"http"}, max_wire_bytes=10_000, deadline=timedelta(seconds=20)
    )
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    is_chunked, end = flood.startswith(b"1;"), Event()

    def raw(connection: socket.socket) -> None:
        connection.sendall(head if is_chunked else b"")
        while not end.is_set():
            connection.sendall(flood * 20)

    world.server.raw = raw
    try:
        assert refused(get, policy, "http://a.test/") in ("too_large_on_the_wire", "bad_http")
    finally:
        end.set()
    world.server.raw = None
    honest = head + flood + b"0\r\n\r\n" if is_chunked else flood + reply(200, b"a")
    world.server.answer = lambda _: honest
    assert get(policy, ["http://a.test/"]) == [(200, b"a")]
