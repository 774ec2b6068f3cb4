"""The pytest plugin, as a user's suite sees it: a naked connection fails the test that makes it."""

import pytest

pytest_plugins = "pytester"

# A server on loopback, and every way by which Python connects.
SUITE = """
import asyncio, socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
import httpx, pytest

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *args):
        pass

@pytest.fixture(scope="session")
def port():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()

def test_create_connection(port):
    socket.create_connection(("127.0.0.1", port)).close()

def test_connect_ex(port):
    with socket.socket() as made:
        made.connect_ex(("127.0.0.1", port))

def test_sendto(port):
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        made.sendto(b"x", ("127.0.0.1", port))

def test_sendmsg(port):
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        made.sendmsg([b"x"], [], 0, ("127.0.0.1", port))

def test_httpx(port):
    httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)

async def test_open_connection(port):
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()

async def test_sock_connect(port):
    with socket.socket() as made:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))

async def test_sock_sendto(port):
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_sendto(made, b"x", ("127.0.0.1", port))

async def test_a_task_that_swallows(port):
    async def work():
        try:
            await asyncio.open_connection("127.0.0.1", port)
        except Exception:
            pass
    await asyncio.create_task(work())

def test_a_thread(port):
    made = Thread(target=quiet, args=(port,))
    made.start()
    made.join()

def quiet(port):
    try:
        socket.create_connection(("127.0.0.1", port))
    except Exception:
        pass

def test_swallows(port):
    quiet(port)

def test_skips(port):
    quiet(port)
    pytest.skip("no server")
"""
NAKED = 12
"""Tests of the suite above, each with a naked connection."""
GATED = """
from datetime import timedelta
from pratique.fetch import AsyncFetcher, Fetcher, FetchPolicy, Internal
import pytest

@pytest.fixture
def policy(port):
    way = Internal("127.0.0.1", "127.0.0.0/8", port, "the server of this test")
    return FetchPolicy(hosts={"127.0.0.1"}, schemes={"http"}, ports={port}, internal=[way])

def test_fetches(policy, port):
    with Fetcher(policy) as fetcher:
        assert fetcher.get(f"http://127.0.0.1:{port}/").value.content == b"ok"

async def test_fetches_on_the_event_loop(policy, port):
    async with AsyncFetcher(policy) as fetcher:
        assert (await fetcher.get(f"http://127.0.0.1:{port}/")).value.content == b"ok"
"""


def suite(pytester: pytest.Pytester, ini: str = "", text: str = SUITE) -> None:
    """Write a user's suite with its ini file."""
    pytester.makeini(
        f"[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n{ini}"
    )
    pytester.makepyfile(test_shop=text)


def test_each_naked_connection_fails_its_test(pytester: pytest.Pytester) -> None:
    """Sync, async, datagrams, threads, swallowed or skipped; the module is named, no address is."""
    suite(pytester, "pratique_naked_egress = fail\n")
    done = pytester.runpytest_subprocess("--tb=line", "-rA")
    done.assert_outcomes(failed=NAKED)
    text = done.stdout.str()
    assert text.count("test_shop connects outside any fetch policy") >= NAKED - 1
    assert "httpcore._backends.sync connects outside any fetch policy" in text
    assert "127.0.0.1" not in text


def test_what_a_policy_judged_passes(pytester: pytest.Pytester) -> None:
    """The twin: the same server through a fetcher, sync and async."""
    fixtures = SUITE[: SUITE.index("def test_create_connection")]
    suite(pytester, "pratique_naked_egress = fail\n", fixtures + GATED)
    pytester.runpytest_subprocess().assert_outcomes(passed=2)


def test_it_is_off_by_default(pytester: pytest.Pytester) -> None:
    """The twin of every failure: without the setting the same suite passes."""
    suite(pytester)
    pytester.runpytest_subprocess().assert_outcomes(passed=NAKED - 1, skipped=1)


def test_the_command_line_has_the_last_word(pytester: pytest.Pytester) -> None:
    """It has the last word over the ini file, either way."""
    suite(pytester, "pratique_naked_egress = fail\n")
    chosen = ("-k", "create_connection or open_connection")
    done = pytester.runpytest_subprocess("--pratique-naked-egress=allow", *chosen)
    done.assert_outcomes(passed=2, deselected=NAKED - 2)
    done = pytester.runpytest_subprocess("--pratique-naked-egress=fail", *chosen)
    done.assert_outcomes(failed=2, deselected=NAKED - 2)


def test_a_module_elsewhere_may_connect(pytester: pytest.Pytester) -> None:
    """What is named with a reason passes; what isn't still fails."""
    suite(
        pytester,
        "pratique_naked_egress = fail\npratique_elsewhere =\n    test_shop: talks to itself\n",
    )
    done = pytester.runpytest_subprocess()
    done.assert_outcomes(passed=NAKED - 2, skipped=1, failed=1)
    done.stdout.fnmatch_lines(["FAILED test_shop.py::test_httpx*"])


def test_a_marker_rules_its_own_test(pytester: pytest.Pytester) -> None:
    """One test is let through with a reason, or guarded where the run isn't; no reason is an error."""
    text = """
import socket, pytest
server = socket.create_server(("127.0.0.1", 0))
def connect():
    socket.create_connection(server.getsockname()).close()
@pytest.mark.naked_egress("allow", reason="it tests the port itself")
def test_allowed(): connect()
@pytest.mark.naked_egress("fail")
def test_guarded(): connect()
@pytest.mark.naked_egress("allow")
def test_without_a_reason(): connect()
def test_plain(): connect()
"""
    for ini, plain in (("pratique_naked_egress = fail\n", 0), ("", 1)):
        suite(pytester, ini, text)
        done = pytester.runpytest_subprocess("-p", "no:unraisableexception", "--strict-markers")
        done.assert_outcomes(passed=1 + plain, failed=2 - plain, errors=1)


def test_fixtures_are_guarded_too(pytester: pytest.Pytester) -> None:
    """Before the test and after it: an error of that test. The twin connects nowhere."""
    text = """
import socket, pytest
server = socket.create_server(("127.0.0.1", 0))
def connect():
    socket.create_connection(server.getsockname()).close()
@pytest.fixture
def early():
    connect()
@pytest.fixture
def late():
    yield
    connect()
def test_early(early): pass
def test_late(late): pass
def test_neither(): pass
"""
    suite(pytester, "pratique_naked_egress = fail\n", text)
    done = pytester.runpytest_subprocess("-p", "no:unraisableexception")
    done.assert_outcomes(passed=2, errors=2)
    done.stdout.fnmatch_lines(["*test_shop connects outside any fetch policy*"])


@pytest.mark.parametrize(
    "ini",
    [
        "pratique_naked_egress = yes",
        "pratique_naked_egress = fail\npratique_elsewhere = asyncpg",
        "pratique_naked_egress = fail\npratique_elsewhere = asyncpg.pool: the database",
    ],
)
def test_a_setting_that_is_none_stops_the_run(pytester: pytest.Pytester, ini: str) -> None:
    """A word that we don't know would guard nothing. The twins are above."""
    suite(pytester, ini)
    done = pytester.runpytest_subprocess("-k", "create_connection")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*pratique_*"])
