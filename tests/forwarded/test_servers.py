"""What servers make of raw bytes before we see them: two lines, aliases, absolute-form, sockets."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

import pytest
import uvicorn
from uvicorn.lifespan.on import LifespanOn

from pratique.core.refusal import BoundaryError
from pratique.forwarded import ProxyPolicy
from tests.forwarded.doors import over_wsgi, starlette_app, wsgi_app

ROOT = Path(__file__).parents[2]
CLIENT = "93.184.216.34"
POLICY = ProxyPolicy(
    trusted=("127.0.0.1", "unix:"),
    header="x-forwarded-for",
    proto="x-forwarded-proto",
    hosts=("api.example.com",),
)
HOST, FOR, PROTO = (
    b"Host: api.example.com",
    f"X-Forwarded-For: 127.0.0.1, {CLIENT}".encode(),
    b"X-Forwarded-Proto: https",
)
SECONDS = 20
SERVED = "tests.forwarded.served:app"
Told = tuple[int, dict[str, Any]]


def ask(place: Any, *lines: bytes, target: bytes = b"/") -> Told:
    """Send these bytes; return status and answer."""
    family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
    with closing(socket.socket(family)) as connection:
        connection.settimeout(SECONDS)
        connection.connect(place)
        head = [b"GET " + target + b" HTTP/1.1", *lines, b"Connection: close"]
        connection.sendall(b"\r\n".join(head) + b"\r\n\r\n")
        whole = b"".join(iter(lambda: connection.recv(65536), b""))
    head_of, _, body = whole.partition(b"\r\n\r\n")
    status = int(head_of.split()[1])
    return status, json.loads(body) if body.startswith(b"{") else {}


@contextmanager
def uvicorn_at(bound: socket.socket, http: Any) -> Iterator[None]:
    """Serve the application on a bound socket, in a thread."""
    config = uvicorn.Config(
        starlette_app(POLICY), http=http, proxy_headers=False, log_level="error", lifespan="on"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(SECONDS)


def bound_to_loopback() -> socket.socket:
    """Return a socket that takes connections; what comes early waits in its backlog."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    bound.listen()
    return bound


def bound_to(path: Path) -> socket.socket:
    """Return a unix socket that takes connections."""
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(path))
    bound.listen()
    return bound


@pytest.fixture(scope="module", params=["h11", "httptools", "unix", "gunicorn", "gunicorn unix"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Give the address of each server."""
    kind: str = request.param
    path = tmp_path_factory.mktemp("s") / "a.sock"
    bound = bound_to(path) if "unix" in kind else bound_to_loopback()
    address = str(path) if "unix" in kind else bound.getsockname()
    if "gunicorn" in kind:
        with gunicorn(bound):
            yield address
    else:
        with uvicorn_at(bound, "h11" if kind == "unix" else kind):
            yield address
    bound.close()


@contextmanager
def gunicorn(bound: socket.socket) -> Iterator[None]:
    """Serve the WSGI application with gunicorn, in a process of its own."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    bind = f"fd://{bound.fileno()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-b", bind, "--no-control-socket", SERVED],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        pass_fds=[bound.fileno()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


def test_the_proxys_word_is_taken(place: Any) -> None:
    """Over loopback and a unix socket: client and scheme are what it says, whatever came before."""
    status, told = ask(place, HOST, FOR, PROTO)
    assert (status, told.get("client"), told.get("scheme")) == (200, CLIENT, "https")


def test_lines_are_one_list_in_their_order(place: Any) -> None:
    """The client's own line stands before the proxy's."""
    status, told = ask(place, HOST, b"X-Forwarded-For: 127.0.0.1", FOR, PROTO)
    assert (status, told.get("client")) == (200, CLIENT)
    assert ask(place, HOST, FOR, b"X-Forwarded-For: 127.0.0.1;", PROTO)[0] == 400


@pytest.mark.parametrize(
    "lines",
    [
        (HOST, b"Host: evil.test", FOR, PROTO),
        (FOR, PROTO),
        (b"Host: evil.test", FOR, PROTO),
        (HOST, FOR),
        (HOST, PROTO),
        (HOST, FOR, PROTO, b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        (HOST, FOR, PROTO, b"Content-Length: 0", b"Content-Length: 1"),
        (HOST, FOR, PROTO, b"X-Forwarded-For : 127.0.0.1"),
        (HOST, b"X-Forwarded-For: \xff", PROTO),
        (HOST, b"X-Forwarded-For: 1.2.3.4\x0b", PROTO),
    ],
    ids=lambda lines: b" | ".join(lines).decode("latin-1"),
)
def test_no_server_lets_a_forged_request_through(place: Any, lines: tuple[bytes, ...]) -> None:
    """Refused by the server, or by us; uvicorn alone lets two lines of Host pass."""
    assert ask(place, *lines)[0] in (400, 501)


@pytest.mark.parametrize(
    "name", [b"X_Forwarded_For", b"X-Forwarded_For", b"X_FORWARDED_PROTO", b"SCRIPT_NAME"]
)
def test_an_alias_is_nobodys_word(place: Any, name: bytes) -> None:
    """Refused over ASGI; gunicorn drops it, or hands it on as one of CGI's own, which is refused."""
    status, told = ask(place, HOST, FOR, PROTO, name + b": 127.0.0.1")
    if status == 200:
        assert (told["client"], told["scheme"]) == (CLIENT, "https")
        assert "127.0.0.1" not in str(told["fields"])
    else:
        assert status in (400, 500)


def test_an_absolute_form_names_our_host(place: Any) -> None:
    """Refused where the server shows it; httptools takes the path alone, and Host still counts."""
    own = ask(place, HOST, FOR, PROTO, target=b"http://api.example.com/x")
    other = ask(place, HOST, FOR, PROTO, target=b"http://evil.test/x")
    assert own[0] in (200, 404)  # h11 keeps the whole target as the path
    assert other[0] == 400 or other[1]["host"] == "api.example.com"


@pytest.mark.parametrize(("proxy_headers", "starts"), [(True, False), (False, True)])
async def test_uvicorns_own_reading_of_the_fields_is_refused_at_the_start(
    proxy_headers: bool, starts: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It would rewrite the client before we see the peer: the policy would judge nobody."""
    config = uvicorn.Config(
        starlette_app(POLICY), proxy_headers=proxy_headers, log_config=None, lifespan="on"
    )
    config.load()
    lifespan = LifespanOn(config)
    await lifespan.startup()
    await lifespan.shutdown()
    assert lifespan.should_exit is not starts
    assert ("--no-proxy-headers" in caplog.text) is not starts


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("uWSGI", {"uwsgi.version": b"2.0.31"}),
        ("Cheroot", {"SERVER_SOFTWARE": "Cheroot/11.1.2 Server"}),
    ],
)
def test_a_server_that_merges_aliases_is_refused_behind_a_proxy(
    name: str, told: dict[str, Any]
) -> None:
    """CWE-290: a client's alias stands right of what the proxy says, or in its place; alone it serves."""
    lines = [("Host", "api.example.com")]
    with pytest.raises(BoundaryError, match=f"{name} merges X_Forwarded_For"):
        over_wsgi(wsgi_app(POLICY), "127.0.0.1", lines, **told)
    alone = wsgi_app(ProxyPolicy(hosts=("api.example.com",)))
    assert over_wsgi(alone, "127.0.0.1", lines, **told)[0] == 200


def test_wsgiref_is_refused_behind_a_proxy() -> None:
    """It merges X_Forwarded_For into the real one, so that a client writes what the proxy says."""
    with pytest.raises(BoundaryError, match="wsgiref"):
        over_wsgi(wsgi_app(POLICY), "127.0.0.1", [], SERVER_SOFTWARE="WSGIServer/0.2 CPython/3")
    nobody = wsgi_app(ProxyPolicy(hosts=("api.example.com",)))
    server: WSGIServer = make_server("127.0.0.1", 0, nobody)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    status, told = ask(server.server_address, HOST, b"X_Forwarded_For: 10.6.6.6")
    thread.join(SECONDS)
    server.server_close()
    assert (status, told["client"], told["fields"][-1][0]) == (200, "127.0.0.1", "host")
