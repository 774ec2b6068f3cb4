"""Three apps that exist, rebuilt with their `except` clauses: one line is changed, and they stay as they were."""

import gzip
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
import trustme

from pratique.fetch import PUBLIC, FetchPolicy
from pratique.integrations.aiohttp import FetchConnector
from pratique.integrations.httpx import AsyncFetchTransport
from pratique.integrations.requests import mount
from tests.fetch.world import Seen, Server, World, reply, small_internet
from tests.integrations.apps import home_assistant, music_assistant, redash
from tests.integrations.apps.told import Told

GOOD, OTHER, DEAD = "93.184.215.14", "151.101.1.69", "198.41.0.4"
INNER = ("127.0.0.1", "169.254.169.254", "10.0.0.7")
PICTURE = b"\x89PNG a picture"
PLAYLIST = b"#EXTM3U\n#EXTINF:-1,One\nhttp://radio.test/one\nhttp://radio.test/two\n"


@dataclass(frozen=True)
class App:
    """An app, its one line as it was and as it is, and what it makes of an honest answer."""

    ask: Callable[..., Told]
    line: Callable[..., Any]
    changed: Callable[[FetchPolicy], Callable[..., Any]]
    content: bytes
    content_type: str
    value: object
    of_trouble: str
    """The `except` clause for a host that can't be reached."""
    of_time: str
    """The one for a time-out."""
    of_status: str
    """The one for 404 and 500; "" where the app doesn't look."""

    def bare(self, url: str, **named: Any) -> Told:
        """Ask the app as it was."""
        return told(self.ask, url, self.line, **named)

    def guarded(self, url: str, policy: FetchPolicy, **named: Any) -> Told:
        """Ask the app with its one line changed."""
        return told(self.ask, url, self.changed(policy), **named)

    def answer(self, status: int = 200, **fields: str) -> bytes:
        """Return an answer as the app likes it."""
        return reply(status, self.content, Content_Type=self.content_type, **fields)


def told(ask: Callable[..., Told], *args: Any, **named: Any) -> Told:
    """Return what an app tells; an exception that leaves it is named, it is no clause of its."""
    try:
        return ask(*args, **named)
    except Exception as error:
        return Told(None, f"{type(error).__name__} left the app", str(error))


APPS = {
    "Redash on requests": App(
        ask=redash.ask,
        line=redash.ConfiguredSession,
        changed=lambda policy: lambda: mount(redash.ConfiguredSession(), policy),
        content=b'{"rows": [1]}',
        content_type="application/json",
        value=b'{"rows": [1]}',
        of_trouble="RequestException",
        of_time="RequestException",
        of_status="HTTPError",
    ),
    "Home Assistant on httpx": App(
        ask=home_assistant.ask,
        line=httpx.AsyncClient,
        changed=lambda policy: (
            lambda **options: httpx.AsyncClient(transport=AsyncFetchTransport(policy), **options)
        ),
        content=PICTURE,
        content_type="image/png",
        value=PICTURE,
        of_trouble="RequestError, HTTPStatusError",
        of_time="TimeoutException",
        of_status="RequestError, HTTPStatusError",
    ),
    "Music Assistant on aiohttp": App(
        ask=music_assistant.ask,
        line=music_assistant.new_connector,
        changed=lambda policy: (
            lambda: FetchConnector(
                policy, enable_cleanup_closed=False, limit=4096, limit_per_host=100
            )
        ),
        content=PLAYLIST,
        content_type="audio/x-mpegurl",
        value=["http://radio.test/one", "http://radio.test/two"],
        of_trouble="ClientError",
        of_time="TimeoutError",
        of_status="",
    ),
}
ANY = FetchPolicy(
    hosts=PUBLIC,
    schemes={"http", "https"},
    redirects=5,
    content_types={"*/*"},
    deadline=timedelta(seconds=5),
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
BROKEN = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "no content": HEAD + b"Content-Length: 9\r\n\r\n",
    "no gzip": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip.",
    "no chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
}
every_app = pytest.mark.parametrize("app", APPS.values(), ids=APPS.keys())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """Give a small internet on loopback: two hosts that answer, and one that is dead."""
    with small_internet(monkeypatch, tmp_path) as made:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.environ["SSL_CERT_FILE"])
        made.names.update({"a.test": [GOOD], "b.test": [OTHER], "dead.test": [DEAD]})
        made.dead = {DEAD}
        yield made


@pytest.fixture
def canary(world: World) -> Iterator[Server]:
    """Give a service inside: behind loopback, the metadata address, and a private one."""
    world.names.update(
        {
            "localhost": ["127.0.0.1"],
            "inside.test": ["10.0.0.7"],
            "metadata.google.internal": ["169.254.169.254"],
        }
    )
    with closing(Server(trustme.CA())) as server:
        for address in INNER:
            world.ways[f"{address}:80"] = server.port
        yield server


@every_app
@pytest.mark.parametrize("url", ["http://a.test/", "https://a.test/x?y=%20z", "http://b.test:80/"])
def test_an_honest_url_gives_the_same(world: World, app: App, url: str) -> None:
    """The app hands on what it handed on before, and no clause of its speaks."""
    world.server.answer = lambda _: app.answer()
    assert app.guarded(url, ANY) == app.bare(url) == Told(app.value)
    one, two = world.server.seen
    assert (one.target, one.fields["user-agent"]) == (two.target, two.fields["user-agent"])


@every_app
def test_redirects_and_codings_give_the_same(world: World, app: App) -> None:
    """Three hops, the last one to another host, and content that came as gzip."""

    def answer(seen: Seen) -> bytes:
        if seen.target == "/last":
            coded = gzip.compress(app.content)
            return reply(200, coded, Content_Type=app.content_type, Content_Encoding="gzip")
        leads = {"/": "/one", "/one": "https://a.test/two", "/two": "https://b.test/last"}
        return reply(302, b"", Location=leads[seen.target])

    world.server.answer = answer
    assert app.guarded("http://a.test/", ANY) == app.bare("http://a.test/") == Told(app.value)


@every_app
@pytest.mark.parametrize(
    "url",
    [
        "http://dead.test/",
        "http://unknown.test/",
        "https://dead.test/",
        "ftp://a.test/",
        "file:///etc/passwd",
        "a.test/without-a-scheme",
        "http://",
        "",
    ],
)
def test_a_url_that_leads_nowhere_is_told_as_before(world: World, app: App, url: str) -> None:
    """The same clause answers, and the app hands on nothing."""
    bare, guarded = app.bare(url), app.guarded(url, ANY)
    assert (guarded.value, guarded.clause) == (bare.value, bare.clause)
    assert guarded.value is None
    assert guarded.clause == app.of_trouble


@every_app
@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://a.test:99999/",
        "http://a b.test/",
        "http://a.test/\x00",
        "http://.test/",
        "http://a.test\\@127.0.0.1/",
        f"http://{'a' * 64}.test/",
        "http://xn--.test/",
        "http://a.test/" + "a" * 9000,
    ],
    ids=repr,
)
def test_a_url_that_is_none_leaves_the_app_as_before_or_not_at_all(
    world: World, canary: Server, app: App, url: str
) -> None:
    """httpx.InvalidURL is no RequestError, so it left Home Assistant before; nothing new does."""
    bare, guarded = app.bare(url), app.guarded(url, ANY)
    assert guarded.clause in (bare.clause, app.of_trouble)
    if guarded.clause != bare.clause:
        assert guarded.value is None


@every_app
@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_status_that_is_an_error_is_told_as_before(world: World, app: App, status: int) -> None:
    """Redash and Home Assistant ask `raise_for_status`; Music Assistant doesn't look."""
    world.server.answer = lambda _: app.answer(status)
    bare, guarded = app.bare("http://a.test/"), app.guarded("http://a.test/", ANY)
    assert (guarded.value, guarded.clause) == (bare.value, bare.clause)
    assert guarded == Told(None if app.of_status else app.value, app.of_status, guarded.words)


@every_app
@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_an_answer_that_breaks_off_is_told_as_before(world: World, app: App, raw: bytes) -> None:
    """Whatever the host sends, no exception that the app didn't know leaves it."""

    def send(connection: socket.socket) -> None:
        connection.sendall(raw)

    world.server.raw = send
    bare, guarded = app.bare("http://a.test/"), app.guarded("http://a.test/", ANY)
    assert (guarded.value, guarded.clause) == (bare.value, bare.clause)
    assert guarded.clause == app.of_trouble


@every_app
def test_a_host_that_sends_in_a_circle_is_told_as_before(world: World, app: App) -> None:
    """Each library counts redirects; so does the policy, and sooner."""
    world.server.answer = lambda _: reply(302, b"", Location="http://a.test/")
    bare, guarded = app.bare("http://a.test/"), app.guarded("http://a.test/", ANY)
    assert (guarded.value, guarded.clause) == (bare.value, bare.clause) == (None, app.of_trouble)


@every_app
def test_a_certificate_of_another_host_is_told_as_before(world: World, app: App) -> None:
    """All three check certificates when they are asked to."""
    world.server.certificate_names = ["evil.test"]
    bare, guarded = app.bare("https://a.test/"), app.guarded("https://a.test/", ANY)
    assert (guarded.value, guarded.clause) == (bare.value, bare.clause) == (None, app.of_trouble)


@every_app
def test_html_is_told_as_before(world: World, app: App) -> None:
    """Where the policy names any type, the app judges it itself."""
    world.server.answer = lambda _: reply(200, b"<html></html>")
    bare, guarded = app.bare("http://a.test/"), app.guarded("http://a.test/", ANY)
    assert guarded == bare


@every_app
@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
def test_a_hang_within_the_apps_own_time_out_is_told_as_before(
    world: World, app: App, raw: bytes
) -> None:
    """The app's own number of seconds still counts, and its own clause answers."""
    end = Event()

    def hang(connection: socket.socket) -> None:
        connection.sendall(raw)
        end.wait(5)

    world.server.raw = hang
    try:
        bare = app.bare("http://a.test/", seconds=0.3)
        guarded = app.guarded("http://a.test/", ANY, seconds=0.3)
    finally:
        end.set()
    assert (guarded.value, guarded.clause) == (bare.value, bare.clause) == (None, app.of_time)


@every_app
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.google.internal/",
        "http://10.0.0.7/",
        "http://inside.test/",
    ],
)
def test_a_url_that_leads_inside_is_told_as_any_trouble(
    world: World, canary: Server, app: App, url: str
) -> None:
    """The app as it was fetches what is inside; with its line changed its own clause answers (CWE-918)."""
    canary.answer = lambda _: app.answer()
    assert app.bare(url) == Told(app.value)
    assert len(canary.seen) == 1
    world.touched.clear()
    guarded = app.guarded(url, ANY)
    assert (guarded.value, guarded.clause) == (None, app.of_trouble)
    assert (len(canary.seen), world.touched) == (1, [])


@every_app
@pytest.mark.parametrize(
    "inside", ["http://127.0.0.1/", "http://169.254.169.254/", "//inside.test"]
)
def test_a_redirect_that_leads_inside_is_told_as_any_trouble(
    world: World, canary: Server, app: App, inside: str
) -> None:
    """An honest host sends on to what is inside: only the first hop is made (CWE-918)."""
    canary.answer = lambda _: app.answer()
    world.server.answer = lambda _: reply(302, b"", Location=inside)
    assert app.bare("http://a.test/") == Told(app.value)
    assert len(canary.seen) == 1
    world.touched.clear()
    guarded = app.guarded("http://a.test/", ANY)
    assert (guarded.value, guarded.clause) == (None, app.of_trouble)
    assert (len(canary.seen), world.touched) == (1, [f"{GOOD}:80"])


@every_app
def test_an_answer_over_the_cap_is_told_as_any_trouble(world: World, app: App) -> None:
    """Redash and Home Assistant hold whatever is sent, Music Assistant 64 KiB (CWE-400)."""
    content = app.content + bytes(300_000)
    world.server.answer = lambda _: reply(200, content, Content_Type=app.content_type)
    assert app.bare("http://a.test/").clause == ""
    small = partial(FetchPolicy, hosts=PUBLIC, schemes={"http"}, content_types={"*/*"})
    guarded = app.guarded("http://a.test/", small(max_content_bytes=10_000))
    assert (guarded.value, guarded.clause) == (None, app.of_trouble)
    world.server.answer = lambda _: app.answer()
    assert app.guarded("http://a.test/", small(max_content_bytes=10_000)) == Told(app.value)


@every_app
def test_a_type_that_is_not_declared_is_told_as_any_trouble(world: World, app: App) -> None:
    """Where the policy names the app's own type, HTML doesn't come as far as its check."""
    policy = FetchPolicy(hosts=PUBLIC, schemes={"http"}, content_types={app.content_type})
    world.server.answer = lambda _: reply(200, b"<html></html>")
    guarded = app.guarded("http://a.test/", policy)
    assert (guarded.value, guarded.clause) == (None, app.of_trouble)
    world.server.answer = lambda _: app.answer()
    assert app.guarded("http://a.test/", policy) == Told(app.value)


@every_app
@pytest.mark.parametrize("phase", ["lookup", "handshake", "answer"])
def test_the_policys_deadline_is_told_as_a_time_out(world: World, app: App, phase: str) -> None:
    """Redash names no time-out and would wait for ever; the deadline ends it (CWE-400)."""
    end, url = Event(), "http://a.test/"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        if phase == "lookup":
            world.names["a.test"] = lambda: end.wait(5) and None
        elif phase == "handshake":
            url, world.ways[f"{GOOD}:443"] = "https://a.test/", silent.getsockname()[1]
        else:
            world.server.raw = lambda _: end.wait(5) and None
        policy = FetchPolicy(
            hosts=PUBLIC, schemes={"http", "https"}, deadline=timedelta(seconds=0.3)
        )
        guarded = app.guarded(url, policy)
        end.set()
    assert (guarded.value, guarded.clause) == (None, app.of_time)


def test_home_assistant_no_longer_shows_pictures_of_anybody(world: World) -> None:
    """By default it shows a picture whoever answered; with the line changed the certificate is checked."""
    app = APPS["Home Assistant on httpx"]
    world.server.answer = lambda _: app.answer()
    world.server.certificate_names = ["evil.test"]
    assert app.bare("https://a.test/", verify=False) == Told(PICTURE)
    guarded = app.guarded("https://a.test/", ANY, verify=False)
    assert (guarded.value, guarded.clause) == (None, app.of_trouble)


@pytest.mark.parametrize(("redirects", "clause"), [(0, "RequestException"), (1, "")])
def test_redash_follows_as_many_redirects_as_the_policy_says(
    world: World, redirects: int, clause: str
) -> None:
    """It is delivered with redirects off; with the line changed the policy says how many there are."""
    app = APPS["Redash on requests"]
    there = reply(302, b"", Location="/there")
    world.server.answer = lambda seen: app.answer() if seen.target == "/there" else there
    bare = redash.ask("http://a.test/", redash.CautiousSession)
    assert (bare.value, bare.clause) == (None, "status")
    policy = FetchPolicy(hosts=PUBLIC, schemes={"http"}, redirects=redirects)
    guarded = redash.ask("http://a.test/", lambda: mount(redash.CautiousSession(), policy))
    assert (guarded.value, guarded.clause) == (None if clause else app.value, clause)


@every_app
def test_a_url_with_a_password_is_refused_or_its_password_stays_there(
    world: World, app: App
) -> None:
    """The gate takes no userinfo; aiohttp has made a field of it before, meant for that host alone."""
    world.server.answer = lambda _: app.answer()
    assert app.bare("http://user:word@a.test/") == Told(app.value)
    guarded = app.guarded("http://user:word@a.test/", ANY)
    if app.ask is music_assistant.ask:
        one, two = world.server.seen
        assert guarded == Told(app.value)
        assert one.fields["authorization"] == two.fields["authorization"]
    else:
        assert (guarded.value, guarded.clause) == (None, app.of_trouble)
