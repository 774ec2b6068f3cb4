"""Laws of the fetch boundary, by Hypothesis, on real sockets: whatever a URL or a host says, it is proven or refused."""

import asyncio
import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pratique.core.event import Record
from pratique.core.recorder import Recorder
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.secret import Secret
from pratique.fetch import PUBLIC, AsyncFetcher, Credential, Fetcher, FetchPolicy, Internal
from tests.fetch.clients import CLIENTS, GOOD, REFUSALS, Get, every_client
from tests.fetch.world import World, black_hole, quiet, reply, small_internet

RUNS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
POLICY = FetchPolicy(
    hosts=PUBLIC,
    schemes={"http"},
    redirects=2,
    content_types={"*/*"},
    deadline=timedelta(seconds=5),
)
BRIEF = FetchPolicy(hosts=PUBLIC, schemes={"http", "https"}, deadline=timedelta(seconds=0.3))
URL = "http://a.test/"
MARKS = st.text("ghjkmnpqrstuvwxyz", min_size=14, max_size=20)


class Both:
    """One policy, fetched sync and async over connections that are kept, and what was recorded."""

    def __init__(self, policy: FetchPolicy) -> None:
        self.records: list[Record] = []
        self.counted: list[str] = []
        recorder = Recorder((self,), count=lambda label: self.counted.append(label[-1]))
        self.sync = Fetcher(policy, recorder=recorder)
        self.asynchronous = AsyncFetcher(policy, recorder=recorder)
        self.loop = asyncio.Runner()

    def emit(self, record: Record) -> None:
        self.records.append(record)

    def find(self, crossing_id: str) -> None:
        return None

    def close(self) -> None:
        self.sync.close()
        self.loop.run(self.asynchronous.aclose())
        self.loop.close()

    def get(self, url: str, *, is_async: bool, **named: Any) -> Refused | bytes:
        """Fetch; whatever else than a proven answer or a refusal comes out fails the test."""
        try:
            if is_async:
                return self.loop.run(self.asynchronous.get(url, **named)).value.content
            return self.sync.get(url, **named).value.content
        except Refused as refused:
            return refused

    def agreed(self, url: str, **named: Any) -> Refused | bytes:
        """Fetch both ways, find the same, and count each crossing once."""
        self.counted.clear()
        found = [self.get(url, is_async=is_async, **named) for is_async in (False, True)]
        told = [one if isinstance(one, bytes) else (one.obligation, one.code) for one in found]
        assert told[0] == told[1], told
        begun = [one for one in found if isinstance(one, bytes) or one.crossing_id]
        assert self.counted == [getattr(one, "code", "") for one in begun]
        return found[0]

    def texts(self, refused: Refused) -> str:
        """Return everything that is told of a refusal, to whomever."""
        told = [repr(refused), str(refused), str(refused.problem())]
        told += [repr(record) for record in self.records]
        return " ".join(told + traceback.format_exception(refused))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give one small internet for all examples."""
    folder: Path = tmp_path_factory.mktemp("ca")
    with pytest.MonkeyPatch.context() as patch, quiet(), small_internet(patch, folder) as world:
        yield world


@pytest.fixture(scope="module")
def kept(small: World) -> Iterator[Both]:
    """Give both fetchers for all examples."""
    both = Both(POLICY)
    yield both
    both.close()


@pytest.fixture
def world(small: World) -> World:
    """Give the small internet as it was at first."""
    small.names, small.everywhere, small.ways, small.dead = {"a.test": [GOOD]}, [], {}, set()
    small.server.raw, small.server.answer = None, lambda _: reply()
    small.touched.clear()
    small.server.seen.clear()
    return small


URLS = st.one_of(
    st.text(max_size=60),
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["http://", "https://", "HTTP://", "file:", "//", ""]),
        st.text("abt.-_1:@[]%\\/ü。\t\r\n\x00", max_size=20),
        st.sampled_from(["", ":80", ":443", ":0", ":+80"]),
        st.text("/a.%2eE?#&=\\üü'\"<>[]{}|^` ;\r\n", max_size=30),
    ),
    st.builds("http://a.test/{}".format, st.text(max_size=30)),
)
LINE = st.text(st.characters(max_codepoint=255), max_size=30)
FIELDS = st.lists(st.tuples(LINE, LINE), max_size=3)


@RUNS
@given(url=URLS, fields=FIELDS)
@example(url="http://a.test/\ud800", fields=[])
@example(url=URL, fields=[("X\r\nEvil", "y")])
@example(url=URL, fields=[("X", "y\r\nEvil: z")])
@example(url=URL, fields=[("X", "\u20ac")])
@example(url=URL, fields=[("Content-Length", "10"), ("Transfer-Encoding", "chunked")])
def test_any_url_and_any_fields_are_proven_or_refused(
    world: World, kept: Both, url: str, fields: list[tuple[str, str]]
) -> None:
    """Laws 1 and 3; nothing is touched but what the name leads to; the twin is the plain URL."""
    kept.agreed(url, fields=fields)
    assert set(world.touched) <= {f"{GOOD}:80"}
    assert not [seen for seen in world.server.seen if "evil" in seen.fields]
    assert kept.agreed(URL) == b"OK-FINAL"


ANSWERS = st.one_of(
    st.binary(max_size=120),
    st.builds(
        lambda start, lines, content: start + b"".join(lines) + b"\r\n" + content,
        st.sampled_from(
            [
                b"HTTP/1.1 200 OK\r\n",
                b"HTTP/1.0 200\r\n",
                b"HTTP/1.1 302 X\r\n",
                b"HTTP/1.1 204 X\r\n",
                b"HTTP/1.1 999 X\r\n",
                b"HTTP/2 200\r\n",
                b"HTTP/1.1 101 X\r\n",
                b"ICY 200 OK\r\n",
            ]
        ),
        st.lists(
            st.one_of(
                st.sampled_from(
                    [
                        b"Content-Length: 5\r\n",
                        b"Content-Length: -1\r\n",
                        b"Content-Length: 5, 5\r\n",
                        b"Transfer-Encoding: chunked\r\n",
                        b"Content-Encoding: gzip\r\n",
                        b"Content-Encoding: br, gzip\r\n",
                        b"Location: http://127.0.0.1/\r\n",
                        b"Location: //a.test:22\r\n",
                        b"Location: \xff\r\n",
                        b"Content-Type: text/html\r\n",
                        b"Content-Type: \xe9\xff\r\n",
                        b"Connection: upgrade\r\nUpgrade: h2c\r\n",
                    ]
                ),
                st.binary(max_size=20).map(lambda line: line + b"\r\n"),
            ),
            max_size=4,
        ),
        st.binary(max_size=40),
    ),
)


@RUNS
@given(answer=ANSWERS)
@example(answer=b"")
@example(answer=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
@example(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
@example(answer=b"HTTP/1.1 302 X\r\nLocation: http://[::1\r\n\r\n")
@example(answer=b"HTTP/1.1 302 X\r\nLocation: /a\r\nLocation: /b\r\n\r\n")
def test_any_answer_is_proven_or_refused(world: World, kept: Both, answer: bytes) -> None:
    """Laws 1 and 3; no answer leads to another address; the twin is an honest one."""
    world.server.raw = lambda connection: connection.sendall(answer)
    kept.agreed(URL)
    assert set(world.touched) <= {f"{GOOD}:80"}
    world.server.raw = None
    assert kept.agreed(URL) == b"OK-FINAL"


@every_client
@settings(RUNS, max_examples=15)
@given(answer=ANSWERS)
def test_any_answer_ends_in_what_a_library_raises(world: World, get: Get, answer: bytes) -> None:
    """Law 1 for adapters: a refusal or the library's own exception, which its users catch already."""
    world.server.raw = lambda connection: connection.sendall(answer)
    try:
        get(POLICY, [URL])
    except REFUSALS:
        pass
    finally:
        world.server.raw = None
    assert set(world.touched) <= {f"{GOOD}:80"}
    assert get(POLICY, [URL]) == [(200, b"OK-FINAL")]


RAISED = [OSError("x"), ValueError("x"), RuntimeError("x"), UnicodeError("x"), TimeoutError("x")]


@pytest.mark.parametrize("error", [*RAISED, RecursionError("x"), MemoryError("x")], ids=repr)
@pytest.mark.parametrize("place", ["resolver", "connection", "recv", "send"])
def test_whatever_raises_refuses(
    world: World, kept: Both, place: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 2: a resolver or a socket that raises at any call: refused, and the next fetch is served."""

    def raises(*_: object, **__: object) -> Any:
        raise error

    is_ours = place == "resolver"
    fresh = Both(POLICY)
    try:
        with monkeypatch.context() as patch:
            if is_ours:
                world.names["a.test"] = raises
            else:
                patch.setattr(world, "touch", raises if place == "connection" else world.touch)
                if place in ("recv", "send"):
                    name = {"recv": "read", "send": "write"}[place]
                    for stream in ("_Stream", "_AsyncStream"):
                        patch.setattr(f"pratique.fetch.wire.dial.{stream}.{name}", raises)
            found = fresh.agreed(URL)
            assert isinstance(found, Refused)
            assert found.status in (400, 403, 502, 503)
        world.names["a.test"] = [GOOD]
        assert fresh.agreed(URL) == b"OK-FINAL"
    finally:
        fresh.close()


@pytest.mark.parametrize("place", ["resolver", "connection", "handshake", "answer", "content"])
def test_whatever_hangs_is_refused_within_the_deadline(world: World, place: str) -> None:
    """Law 2: a hang at any call meets the one deadline; the same way, in time, is served."""
    end, start = Event(), b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n"
    both = Both(BRIEF)
    url = "https://a.test/" if place == "handshake" else URL

    def hang(connection: Any) -> None:
        connection.sendall(b"" if place == "answer" else start)
        end.wait(5)

    try:
        with black_hole() as port:
            if place == "resolver":
                world.names["a.test"] = lambda: end.wait(5) and None
            elif place == "connection":
                world.ways[f"{GOOD}:80"] = port
            elif place == "handshake":
                world.ways[f"{GOOD}:443"] = port
            else:
                world.server.raw = hang
            found = both.agreed(url)
        assert isinstance(found, Refused)
        assert found.code == ("lookup_timeout" if place == "resolver" else "fetch_deadline")
        assert (found.answer, found.status) == ("retry", 503)
        end.set()
        world.names, world.ways, world.server.raw = {"a.test": [GOOD]}, {}, None
        assert both.agreed(url) == b"OK-FINAL"
    finally:
        end.set()
        both.close()


@settings(RUNS, max_examples=8)
@given(mark=MARKS)
def test_nothing_unproven_is_told(world: World, kept: Both, mark: str) -> None:
    """Law 5: neither a URL, a field, an answer nor a key is in a refusal, its causes or its record."""
    key = [("Authorization", f"Bearer {mark}"), ("Cookie", mark)]
    refusals = [
        kept.agreed(f"http://10.0.0.7/{mark}?{mark}", fields=key),
        kept.agreed(f"http://{mark}@a.test/", fields=key),
        kept.agreed(f"http://{mark}.1/", fields=key),
        kept.agreed(f"{mark}://a.test/", fields=key),
        kept.agreed(f"http://{mark}.test/{mark}", fields=key),
        kept.agreed(URL, fields=[("X", f"{mark}\r\nY: z")]),
    ]
    for answer in (
        f"{mark}\r\n\r\n",
        f"HTTP/1.1 {mark}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\n{mark}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nContent-Length: {mark}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{mark}\r\n",
        f"HTTP/1.1 200 OK\r\nContent-Encoding: {mark}\r\n\r\n{mark}",
        f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n{mark}",
        f"HTTP/1.1 302 X\r\nLocation: http://{mark}.1/\r\n\r\n",
        f"HTTP/1.1 302 X\r\nLocation: /{mark}\r\nLocation: /{mark}\r\n\r\n",
    ):
        world.server.raw = lambda connection, answer=answer: connection.sendall(answer.encode())
        refusals.append(kept.agreed(URL, fields=key))
        assert isinstance(refusals[-1], Refused), answer
        assert mark not in kept.texts(refusals[-1]), answer
    world.server.raw = None
    for refused in refusals:
        assert isinstance(refused, Refused)
        assert mark not in kept.texts(refused)
    assert kept.agreed(f"{URL}{mark}", fields=key) == b"OK-FINAL"


EMPTY: list[dict[str, Any]] = [
    {"hosts": set()},
    {"hosts": ""},
    {"hosts": {""}},
    {"schemes": set()},
    {"ports": set()},
    {"content_types": set()},
    {"content_types": {""}},
    {"protocols": set()},
    {"max_wire_bytes": 0},
    {"max_content_bytes": 0},
    {"deadline": timedelta(0)},
    {"redirects": None},
    {"internal": [Internal("a.test", "", 80, "x")]},
    {"internal": [Internal("a.test", "10.0.0.0/8", 80, "")]},
    {"nat64": [""]},
    {"off_limits": [""]},
    {"credentials": {"": Credential(Secret("k" * 20))}},
]


@pytest.mark.parametrize("given_", EMPTY, ids=str)
def test_empty_is_never_unset(given_: dict[str, Any]) -> None:
    """Law 6: nothing that is declared empty means "the default", or "anything"."""
    whole: dict[str, Any] = {"hosts": PUBLIC}
    with pytest.raises(BoundaryError):
        FetchPolicy(**{**whole, **given_})
    with pytest.raises(BoundaryError):
        FetchPolicy()
    assert FetchPolicy(**whole).is_public


@pytest.mark.parametrize("get", CLIENTS.values(), ids=CLIENTS.keys())
@pytest.mark.parametrize("url", ["", " ", "http://", "http:///"])
def test_no_url_is_no_url(world: World, get: Get, url: str) -> None:
    """Law 6: an empty URL is fetched from nowhere, by whichever client."""
    with pytest.raises((*REFUSALS, ValueError)):
        get(POLICY, [url])
    assert world.touched == []
    assert get(POLICY, [URL]) == [(200, b"OK-FINAL")]
