"""What frameworks make of a request that crossed: WebSockets, Flask, FastAPI, mounted parts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request
from flask import Flask, jsonify
from flask import request as flask_request
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket
from werkzeug.middleware.proxy_fix import ProxyFix

from pratique import Perimeter, unsafe
from pratique.core.proven import Proven
from pratique.core.refusal import BoundaryError, Refused
from pratique.fetch import PUBLIC, Fetch, FetchPolicy
from pratique.forwarded import Forwarded, Origin, ProxyPolicy
from pratique.integrations import fastapi as fastapi_door
from pratique.integrations import flask as flask_door
from pratique.integrations import starlette as starlette_door
from pratique.integrations import wsgi as wsgi_door
from pratique.integrations.edge import KEPT_BYTES, KNOWN, edge_of
from tests.forwarded.doors import NOW, over_asgi, over_wsgi, perimeter_of

CLIENT, PROXY, OUTSIDER = "93.184.216.34", "10.0.0.1", "203.0.113.9"
POLICY = ProxyPolicy(
    trusted=("10.0.0.0/8",),
    header="x-forwarded-for",
    proto="x-forwarded-proto",
    hosts=("api.example.com",),
)
URL = "http://api.example.com"
SAID = {"X-Forwarded-For": f"127.0.0.1, {CLIENT}", "X-Forwarded-Proto": "https"}
LINES = [("Host", "api.example.com"), *SAID.items()]


def with_a_socket() -> Any:
    """Return a guarded application that tells a WebSocket where it comes from."""

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        found = starlette_door.origin(socket)
        await socket.send_json([found.client, found.scheme, socket.url.scheme])
        await socket.close()

    app = Starlette(routes=[WebSocketRoute("/talk", talk)])
    return starlette_door.guard(app, perimeter_of(POLICY))


@pytest.mark.parametrize("proto", ["https", "wss"])
def test_a_websocket_crosses_too(proto: str) -> None:
    """Its scheme is wss where the client came by TLS; Traefik says so itself."""
    headers = SAID | {"X-Forwarded-Proto": proto}
    with (
        TestClient(with_a_socket(), URL, client=(PROXY, 1)) as client,
        client.websocket_connect("ws://api.example.com/talk", headers=headers) as socket,
    ):
        assert socket.receive_json() == [CLIENT, "https", "wss"]


def test_a_websocket_of_another_host_is_refused_before_it_is_accepted() -> None:
    """With the answer, where the server can send one."""
    with (
        TestClient(with_a_socket(), "http://evil.test", client=(PROXY, 1)) as client,
        pytest.raises(WebSocketDenialResponse) as denied,
        client.websocket_connect("ws://evil.test/talk", headers=SAID),
    ):
        pass
    assert denied.value.status_code == 400
    assert denied.value.json()["code"] == "host_not_allowed"


async def test_a_websocket_is_closed_where_the_server_can_send_no_answer() -> None:
    """ASGI: a close before the accept is 403."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/talk",
        "raw_path": b"/talk",
        "query_string": b"",
        "headers": [(b"host", b"evil.test")],
        "client": (OUTSIDER, 1),
        "server": ("127.0.0.1", 80),
    }
    await with_a_socket()(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


def test_a_request_that_says_the_same_again_crosses_again() -> None:
    """What was judged is remembered; what differs in one word is judged anew."""
    seen: list[str] = []

    async def view(request: Request) -> Response:
        proven: Proven[Origin] = request.scope["pratique.proven_origin"]
        seen.append(proven.crossing_id)
        return JSONResponse([proven.value.client, request.headers.get("x-forwarded-for")])

    app = Starlette(routes=[Route("/{path:path}", view)])
    perimeter = perimeter_of(POLICY)
    starlette_door.guard(app, perimeter)
    for _ in range(3):
        assert over_asgi(app, PROXY, LINES) == (200, [CLIENT, CLIENT])
    assert len(set(seen)) == 3
    assert perimeter.tally.counts == {("edge", "forwarded", "proven", "", ""): 3}
    assert over_asgi(app, OUTSIDER, LINES) == (200, [OUTSIDER, None])
    assert over_asgi(app, PROXY, [("Host", "evil.test"), *LINES[1:]])[0] == 400
    assert over_asgi(app, PROXY, [*LINES, ("Connection", "x-forwarded-for")])[0] == 400
    assert over_asgi(app, PROXY, LINES, "http://evil.test/")[0] == 400
    assert over_asgi(app, PROXY, LINES) == (200, [CLIENT, CLIENT])


def test_a_wsgi_request_that_says_the_same_again_crosses_again() -> None:
    """The same of an environ."""

    def told(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        proven: Proven[Origin] = environ["pratique.proven_origin"]
        return [f'["{proven.value.client}", "{proven.crossing_id}"]'.encode()]

    perimeter = perimeter_of(POLICY)
    app = wsgi_door.guard(told, perimeter)
    answers: list[Any] = [over_wsgi(app, PROXY, LINES) for _ in range(3)]
    assert [answer[1][0] for answer in answers] == [CLIENT] * 3
    assert len({answer[1][1] for answer in answers}) == 3
    assert perimeter.tally.counts == {("edge", "forwarded", "proven", "", ""): 3}
    outsiders: Any = over_wsgi(app, OUTSIDER, LINES)
    assert outsiders[1][0] == OUTSIDER
    assert over_wsgi(app, PROXY, [("Host", "evil.test"), *LINES[1:]])[0] == 400
    assert over_wsgi(app, PROXY, LINES, "http://evil.test/")[0] == 400
    assert over_wsgi(app, PROXY, LINES)[0] == 200


def test_what_is_remembered_is_bounded() -> None:
    """A stranger that says something else with each request fills no memory (CWE-770)."""
    perimeter = perimeter_of(POLICY)
    perimeter.start()
    edge = edge_of(perimeter)
    assert edge is not None
    for number in range(KNOWN + 10):
        left = f"junk-{number}" if number else "x" * 2 * KEPT_BYTES
        lines = [*LINES[:1], ("X-Forwarded-For", f"{left}, {CLIENT}"), *LINES[2:]]
        raw = [(name.lower().encode(), value.encode()) for name, value in lines]
        scope = {"type": "http", "scheme": "http", "headers": raw, "client": (PROXY, 1)}
        edge.enter(scope)
        assert scope["client"] == (CLIENT, 0)
        assert len(edge.known) == (number if number <= KNOWN else number - KNOWN)


@pytest.mark.parametrize(
    "shaped",
    [list, tuple, iter, lambda raw: [list(pair) for pair in raw]],
    ids=["a list", "a tuple", "once", "lists"],
)
def test_fields_are_read_in_whatever_shape_a_server_hands_them(
    shaped: Callable[[list[tuple[bytes, bytes]]], Any],
) -> None:
    """ASGI owes iterables of two octets, no lists of tuples; a lie among them is refused in each."""
    perimeter = perimeter_of(POLICY)
    perimeter.start()
    edge = edge_of(perimeter)
    assert edge is not None
    raw = [(name.lower().encode(), value.encode()) for name, value in LINES]
    for _ in range(2):
        scope = {"type": "http", "scheme": "http", "headers": shaped(raw), "client": (PROXY, 1)}
        edge.enter(scope)
        assert scope["client"] == (CLIENT, 0)
        assert dict(scope["headers"])[b"host"] == dict(raw)[b"host"]
    lie = [(b"host", b"evil.test"), *raw[1:]]
    with pytest.raises(Refused):
        edge.enter({"type": "http", "scheme": "http", "headers": shaped(lie), "client": (PROXY, 1)})


@pytest.mark.parametrize("is_read", [True, False])
def test_a_certificate_that_another_boundary_proves_passes(is_read: bool) -> None:
    """The service boundary reads it of a proxy that came by mTLS; nobody else is shown it."""
    field = "x-forwarded-client-cert"
    policy = FetchPolicy(hosts=PUBLIC)
    perimeter = perimeter_of(POLICY)
    other = perimeter.declare(Fetch("previews", policy))
    other.reads_fields = frozenset({field}) if is_read else frozenset()

    async def view(request: Request) -> Response:
        return JSONResponse({"shown": request.headers.get(field)})

    app = starlette_door.guard(Starlette(routes=[Route("/{path:path}", view)]), perimeter)
    _, told = over_asgi(app, PROXY, [*LINES, (field, "Hash=0")])
    assert told == {"shown": "Hash=0" if is_read else None}


def test_a_root_path_hides_no_absolute_form() -> None:
    """Servers put it before the target."""

    async def view(_: Request) -> Response:
        return JSONResponse({})

    app = starlette_door.guard(
        Starlette(routes=[Route("/{path:path}", view)]), perimeter_of(POLICY)
    )
    assert over_asgi(app, PROXY, LINES, "/apihttp://evil.test/", root_path="/api")[0] == 400
    assert over_asgi(app, PROXY, LINES, "/api/x", root_path="/api")[0] == 200


def test_a_tcp_client_without_an_address_is_not_a_unix_socket() -> None:
    """A client that resets its connection has none: our own end tells (uvicorn)."""
    policy = ProxyPolicy(trusted=("unix:",), header="x-forwarded-for", hosts=("api.example.com",))

    async def view(_: Request) -> Response:
        return JSONResponse({})

    app = starlette_door.guard(
        Starlette(routes=[Route("/{path:path}", view)]), perimeter_of(policy)
    )
    status, told = over_asgi(app, PROXY, LINES, client=None)
    assert (status, told["code"] if "code" in told else told["title"]) == (400, "Not authentic")
    assert over_asgi(app, "unix:", LINES)[0] == 200


def test_fastapi_gives_a_dependency_the_origin() -> None:
    """The same helper through its door."""
    app = FastAPI()

    @app.get("/who")
    async def who(request: Request) -> dict[str, str]:
        return {"client": fastapi_door.origin(request).client}

    fastapi_door.guard(app, perimeter_of(POLICY))
    with TestClient(app, URL, client=(PROXY, 1)) as client:
        assert client.get("/who", headers=SAID).json() == {"client": CLIENT}


def test_flask_crosses_as_well() -> None:
    """Its own door does what `wsgi.guard` does."""
    app = Flask(__name__)

    @app.get("/who")
    def who() -> Any:
        own = flask_request
        return jsonify([own.remote_addr, flask_door.origin(own).client, own.url, own.is_secure])

    flask_door.Pratique(perimeter_of(POLICY)).init_app(app)
    status, told = over_wsgi(app, PROXY, LINES, PATH_INFO="/who", RAW_URI="/who")
    assert (status, told) == (200, [CLIENT, CLIENT, "https://api.example.com/who", True])
    assert over_wsgi(app, PROXY, [("Host", "evil.test"), *LINES[1:]])[0] == 400


@pytest.mark.parametrize("is_within", [False, True])
def test_proxy_fix_around_the_boundary_is_refused(is_within: bool) -> None:
    """CWE-290: it would put a field in the place of the peer; within the boundary it reads what is proven."""
    app: Any = Flask(__name__)
    app.add_url_rule("/who", view_func=lambda: jsonify(flask_request.remote_addr))
    guarded = flask_door.Pratique(perimeter_of(POLICY))
    for turn in (is_within, not is_within):
        if turn:
            app.wsgi_app = ProxyFix(app.wsgi_app)
        else:
            guarded.init_app(app)
    if is_within:
        assert over_wsgi(app, PROXY, LINES, PATH_INFO="/who") == (200, CLIENT)
        return
    with pytest.raises(BoundaryError, match="ProxyFix stands around it"):
        over_wsgi(app, PROXY, LINES, PATH_INFO="/who")


@pytest.mark.parametrize("door", ["asgi", "wsgi", "flask"])
def test_a_boundary_that_is_declared_after_the_guard_counts(door: str) -> None:
    """Until the start anything may be declared, and nothing may pass it by."""
    perimeter = Perimeter(deadline=None)
    perimeter.declare(Fetch("previews", FetchPolicy(hosts=PUBLIC)))
    app: Any
    if door == "asgi":
        app = starlette_door.guard(Starlette(), perimeter)
    elif door == "wsgi":
        app = wsgi_door.guard(lambda _, __: [], perimeter)
    else:
        app = Flask(__name__)
        flask_door.Pratique(perimeter).init_app(app)
    perimeter.declare(Forwarded("edge", POLICY))
    call = over_asgi if door == "asgi" else over_wsgi
    status, told = call(app, PROXY, [("Host", "evil.test"), *LINES[1:]])
    assert (status, told["code"]) == (400, "host_not_allowed")


def test_an_origin_is_of_a_guarded_application() -> None:
    """Without a boundary there is none, rather than the peer's word for it."""
    request = Request({"type": "http", "headers": []})
    with pytest.raises(BoundaryError, match="Forwarded"):
        starlette_door.origin(request)
    with pytest.raises(BoundaryError, match="Forwarded"):
        wsgi_door.origin({})


@pytest.mark.parametrize("carrier", ["META", "environ"])
def test_an_origin_is_found_in_a_request_of_each_framework(carrier: str) -> None:
    """Django's META and werkzeug's environ."""

    class Carrier:
        def __init__(self, environ: dict[str, Any]) -> None:
            setattr(self, carrier, environ)

    found = Origin(CLIENT, "https", "api.example.com")
    request: Any = Carrier({"pratique.origin": found})
    assert wsgi_door.origin(request) is found


def test_observing_changes_nothing_of_a_request() -> None:
    """What the application believed before, it believes still, until then."""
    observe = unsafe.observe(until=NOW.date() + timedelta(days=9), reason="new here", owner="ops")

    async def view(request: Request) -> Response:
        fields = sorted(request.headers.items())
        return JSONResponse([request.client.host if request.client else "", fields])

    app = Starlette(routes=[Route("/{path:path}", view)])
    perimeter = perimeter_of(POLICY, observe=observe)
    starlette_door.guard(app, perimeter)
    forged = [("Host", "evil.test"), ("X_Forwarded_For", "127.0.0.1")]
    for lines in (forged, LINES, forged):
        sent = sorted([name.lower(), value] for name, value in lines)
        assert over_asgi(app, PROXY, lines) == (200, [PROXY, sent])
    kinds = {label[2] for label in perimeter.tally.counts}
    assert kinds == {"would_refuse", "would_admit"}


def test_wsgi_guard_refuses_a_perimeter_with_debts() -> None:
    """Where it is made: some hosts run nothing before the first request."""
    with pytest.raises(BoundaryError, match="declares no boundary"):
        wsgi_door.guard(lambda _, __: [], Perimeter())


def test_gunicorns_own_reading_of_a_field_is_not_believed() -> None:
    """It makes https of X-Forwarded-Proto for peers in its forwarded_allow_ips; its socket tells."""

    class Plain:
        family = 2

    def told(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [f'"{environ["wsgi.url_scheme"]}"'.encode()]

    app = wsgi_door.guard(told, perimeter_of(POLICY))
    more = {"wsgi.url_scheme": "https", "gunicorn.socket": Plain()}
    assert over_wsgi(app, OUTSIDER, LINES, **more) == (200, "http")
    assert over_wsgi(app, PROXY, LINES, **more) == (200, "https")
    assert over_wsgi(app, PROXY, LINES, CONTENT_LENGTH="")[0] == 200
    more = {"HTTP_SCRIPT_NAME": "/admin"}
    assert over_wsgi(app, PROXY, LINES, **more)[0] == 400
