"""PX-01 to PX-12: the word of a proxy, through every door. Each refusal has its twin.

The oracle is what the application does: a limit, a list of addresses, a link, an admin page.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import flask
import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path as django_path
from fastapi import FastAPI
from fastapi import Request as FastAPIRequest
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.testclient import TestClient

from pratique.core.refusal import BoundaryError
from pratique.forwarded import ProxyPolicy
from pratique.forwarded.attacks import ATTACKS, Attack
from pratique.integrations import fastapi as fastapi_door
from pratique.integrations import flask as flask_door
from pratique.integrations import starlette as asgi_door
from pratique.integrations import wsgi as wsgi_door
from tests.django_project import Project
from tests.forwarded.doors import over_asgi, over_wsgi, perimeter_of

HOST = "api.example.com"
OFFICE = "10.66.6.6"
PROXY, OUTSIDER = "10.0.0.1", "203.0.113.9"
MARKER = "OURS-ALONE-4b1c"
LIMIT = 2
POLICY = ProxyPolicy(
    trusted=("10.0.0.0/24",),
    header="x-forwarded-for",
    proto="x-forwarded-proto",
    hosts=(HOST,),
    edge_fields=("x-geo-country",),
)
Send = Callable[..., tuple[int, dict[str, Any]]]


class Shop:
    """An application that believes what it is told, as most do."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.deleted = False

    def answer(self, client: str, scheme: str, host: str, fields: dict[str, str]) -> dict[str, Any]:
        """Return what a request brings about."""
        self.seen[client] += 1
        leftmost = fields.get("x-forwarded-for", client).split(",")[0].strip()
        claimed = {fields.get(name, "") for name in fields if "ip" in name or "addr" in name}
        override = fields.get("x-http-method-override") or fields.get("x-http-method") or ""
        override = override or fields.get("x-method-override", "")
        self.deleted = self.deleted or override == "DELETE"
        is_inside = {client, leftmost, *claimed} & {"127.0.0.1", OFFICE}
        path = next((fields[f] for f in fields if fields[f] == "/admin"), "/")
        return {
            "client": client,
            "limited": self.seen[client] > LIMIT or self.seen[leftmost] > LIMIT,
            "inside": MARKER if is_inside or path == "/admin" else "",
            "link": f"{scheme}://{fields.get('x-forwarded-host', host)}/reset",
            "country": fields.get("x-geo-country") or fields.get("cf-ipcountry", ""),
            "risk": fields.get("x-risk-score", "") or fields.get("x-device-type", ""),
        }


def naked_shop(shop: Shop) -> Starlette:
    """Return the shop as a Starlette application, unguarded."""

    async def view(request: Request) -> Response:
        client = request.client.host if request.client else ""
        fields = dict(request.headers)
        return JSONResponse(shop.answer(client, request.url.scheme, fields["host"], fields))

    return Starlette(routes=[Route("/{path:path}", view)])


def starlette_shop(shop: Shop) -> Any:
    """Return the same, guarded."""
    return asgi_door.guard(naked_shop(shop), perimeter_of(POLICY))


def wsgi_shop(shop: Shop) -> Any:
    """Return the shop as a guarded WSGI application."""

    def view(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        fields = {
            key[5:].lower().replace("_", "-"): value
            for key, value in environ.items()
            if key.startswith("HTTP_")
        }
        told = shop.answer(
            environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], fields["host"], fields
        )
        start_response("200 OK", [("Content-Type", "application/json")])
        return [JSONResponse(told).body]

    return wsgi_door.guard(view, perimeter_of(POLICY))


def fastapi_shop(shop: Shop) -> Any:
    """Return the shop on FastAPI."""
    app = FastAPI()

    @app.api_route("/{path:path}")
    async def view(request: FastAPIRequest) -> Any:
        client, fields = request.client, dict(request.headers)
        host = client.host if client else ""
        return shop.answer(host, request.url.scheme, fields["host"], fields)

    return fastapi_door.guard(app, perimeter_of(POLICY))


def flask_shop(shop: Shop) -> Any:
    """Return the shop on Flask."""
    app = Flask("shop")

    @app.get("/")
    def view() -> Any:
        asked = flask.request
        fields = {name.lower(): value for name, value in asked.headers.items()}
        return shop.answer(asked.remote_addr or "", asked.scheme, asked.host, fields)

    flask_door.Pratique(perimeter_of(POLICY)).init_app(app)
    return app


def _told_by_django(shop: Shop, request: HttpRequest) -> HttpResponse:
    fields = {name.lower(): value for name, value in request.headers.items()}
    client = request.META["REMOTE_ADDR"]
    return JsonResponse(shop.answer(client, request.scheme or "", request.get_host(), fields))


def django_wsgi_shop(shop: Shop) -> Any:
    """Return the shop on Django, by WSGI."""
    routes = [django_path("", lambda request: _told_by_django(shop, request))]
    return Project(routes, perimeter_of(POLICY)).wsgi()


def django_asgi_shop(shop: Shop) -> Any:
    """Return the shop on Django, by ASGI."""

    async def view(request: HttpRequest) -> HttpResponse:
        return _told_by_django(shop, request)

    return Project([django_path("", view)], perimeter_of(POLICY)).asgi()


def django_behind_wsgi_guard(shop: Shop) -> Any:
    """Return the shop on Django whose application is guarded from outside as well."""
    perimeter = perimeter_of(POLICY)
    routes = [django_path("", lambda request: _told_by_django(shop, request))]
    return wsgi_door.guard(Project(routes, perimeter).wsgi(), perimeter)


class Sender:
    """Sends as an outsider does, straight or through the proxy, which appends and overwrites."""

    def __init__(self, call: Send, make: Callable[[Shop], Any]) -> None:
        self.shop = Shop()
        self._call, self._app = call, make(self.shop)

    def send(self, attack: Attack) -> tuple[int, dict[str, Any]]:
        """Return status and answer."""
        lines = [("Host", attack.host or HOST), *attack.fields]
        if attack.way == "direct":
            return self._call(self._app, OUTSIDER, lines)
        lines = [line for line in lines if line[0].lower() != "x-forwarded-proto"]
        said = [value for name, value in lines if name.lower() == "x-forwarded-for"]
        lines = [line for line in lines if line[0].lower() != "x-forwarded-for"]
        lines.append(("X-Forwarded-For", ", ".join([*said, OUTSIDER])))
        return self._call(self._app, PROXY, [*lines, ("X-Forwarded-Proto", "http")])


DOORS: dict[str, tuple[Send, Callable[[Shop], Any]]] = {
    "starlette": (over_asgi, starlette_shop),
    "fastapi": (over_asgi, fastapi_shop),
    "wsgi": (over_wsgi, wsgi_shop),
    "flask": (over_wsgi, flask_shop),
    "django wsgi": (over_wsgi, django_wsgi_shop),
    "django asgi": (over_asgi, django_asgi_shop),
    "django, guarded twice": (over_wsgi, django_behind_wsgi_guard),
}


@pytest.fixture(params=DOORS)
def sender(request: pytest.FixtureRequest) -> Sender:
    """Give a shop behind each door."""
    return Sender(*DOORS[request.param])


def of(*ids: str) -> list[Attack]:
    """Return the attacks with these ids."""
    return [attack for attack in ATTACKS if attack.id in ids]


HONEST = Attack("", "nothing", ())
BY_PROXY = Attack("", "nothing", (), "proxy")


def test_a_limit_counts_one_client_whatever_it_says(sender: Sender) -> None:
    """PX-01: three requests with three X-Forwarded-For are one client's, and the third is limited."""
    told = [sender.send(attack)[1] for attack in of("PX-01")]
    assert [each["limited"] for each in told] == [False, False, True]
    assert {each["client"] for each in told} == {OUTSIDER}


def test_the_limit_of_another_client_is_its_own(sender: Sender) -> None:
    """PX-01: the twin: through the proxy two clients are two."""
    for _ in range(LIMIT):
        sender.send(HONEST)
    lines = [("Host", HOST), ("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-Proto", "http")]
    _, told = sender._call(sender._app, PROXY, lines)
    assert (told["client"], told["limited"]) == ("198.51.100.7", False)


@pytest.mark.parametrize("attack", of("PX-02", "PX-03", "PX-04"), ids=lambda each: each.title)
def test_nobody_is_let_in_by_an_address_that_it_says(sender: Sender, attack: Attack) -> None:
    """PX-02, PX-03, PX-04: the list of addresses sees the outsider's own (CWE-290, CWE-348)."""
    status, told = sender.send(attack)
    if attack.code and (status == 400 or "_" not in attack.fields[0][0]):
        assert (status, told["code"]) == (400, attack.code)
    else:
        # A WSGI server has dropped the field with an underscore before.
        assert (status, told["client"], told["inside"]) == (200, OUTSIDER, "")


def test_the_office_is_let_in(sender: Sender) -> None:
    """PX-02: the twin: whoever's connection comes from there."""
    _, told = sender._call(sender._app, OFFICE, [("Host", HOST)])
    assert told["inside"] == MARKER


@pytest.mark.parametrize("attack", of("PX-05"), ids=lambda each: each.title)
def test_no_spelling_of_an_entry_is_an_error_of_ours(sender: Sender, attack: Attack) -> None:
    """PX-05: left of the client anything may stand (CWE-20)."""
    status, told = sender.send(attack)
    assert (status, told["client"], told["inside"]) == (200, OUTSIDER, "")


@pytest.mark.parametrize("attack", of("PX-06", "PX-07"), ids=lambda each: each.title)
def test_no_link_leads_elsewhere(sender: Sender, attack: Attack) -> None:
    """PX-06, PX-07: a password reset holds our own host (CWE-644)."""
    status, told = sender.send(attack)
    if attack.code:
        assert (status, told["code"]) == (400, attack.code)
    else:
        assert told["link"] == f"http://{HOST}/reset"


@pytest.mark.parametrize("attack", of("PX-08"), ids=lambda each: each.title)
def test_http_is_not_https_by_a_field(sender: Sender, attack: Attack) -> None:
    """PX-08: the scheme is the connection's; the twin: the proxy says https, and it is."""
    assert sender.send(attack)[1]["link"].startswith("http://")
    lines = [("Host", HOST), ("X-Forwarded-For", OUTSIDER), ("X-Forwarded-Proto", "https")]
    assert sender._call(sender._app, PROXY, lines)[1]["link"].startswith("https://")


@pytest.mark.parametrize("attack", of("PX-09", "PX-10"), ids=lambda each: each.title)
def test_a_request_is_for_what_its_own_line_says(sender: Sender, attack: Attack) -> None:
    """PX-09, PX-10: no field leads to an admin page or makes a DELETE of a GET (CWE-436, CWE-650)."""
    _, told = sender.send(attack)
    assert (told["inside"], sender.shop.deleted) == ("", False)


@pytest.mark.parametrize("attack", of("PX-12"), ids=lambda each: each.title)
def test_a_country_that_the_edge_did_not_say_is_none(sender: Sender, attack: Attack) -> None:
    """PX-12: undeclared, it reaches nobody (CWE-807)."""
    _, told = sender.send(attack)
    assert (told["country"], told["risk"]) == ("", "")


def test_a_country_is_the_edges_alone(sender: Sender) -> None:
    """PX-12: declared, it counts from the proxy, and not from an outsider."""
    said = (("X-Geo-Country", "CH"),)
    assert sender.send(Attack("", "", said))[1]["country"] == ""
    assert sender.send(Attack("", "", said, "proxy"))[1]["country"] == "CH"


def test_without_the_boundary_they_succeed() -> None:
    """The tests would notice: most of these attacks reach a shop that nothing guards."""
    wins: set[str] = set()
    for attack in ATTACKS:
        sender = Sender(over_asgi, naked_shop)
        _, told = sender.send(attack)
        has_link = told["link"] != f"http://{HOST}/reset"
        if told["inside"] or told["country"] or told["risk"] or has_link or sender.shop.deleted:
            wins.add(attack.id)
    assert {"PX-02", "PX-03", "PX-04", "PX-06", "PX-07", "PX-09", "PX-10", "PX-12"} <= wins


def cors(**given: Any) -> Starlette:
    """Return an application with a cross-origin policy, guarded."""

    async def view(_: Request) -> Response:
        return JSONResponse({})

    middleware = [Middleware(CORSMiddleware, **given)]
    app = Starlette(routes=[Route("/", view)], middleware=middleware)
    return asgi_door.guard(app, perimeter_of(POLICY))


@pytest.mark.parametrize(
    "given",
    [
        {"allow_origins": ["*"]},
        {"allow_origins": ["https://api.example.com", "null"]},
        {"allow_origin_regex": ".*"},
        {"allow_origin_regex": "https://.*"},
        {"allow_origin_regex": r"https://.*api\.example\.com"},
        {"allow_origin_regex": "https://api.example.com"},
        {"allow_origin_regex": r"https://api\.example\.com.*"},
    ],
    ids=str,
)
def test_any_sites_script_with_a_visitors_credentials_does_not_start(given: Any) -> None:
    """PX-11: "*", "null" and patterns that a look-alike matches are refused (CWE-942)."""
    with (
        pytest.raises(BoundaryError, match="CORSMiddleware"),
        TestClient(cors(allow_credentials=True, **given)),
    ):
        pass


@pytest.mark.parametrize("place", ["route", "mount", "router", "mounted"])
@pytest.mark.parametrize("origin", ["*", "https://shop.example.com"])
def test_a_policy_of_a_part_is_looked_at_as_the_applications_is(place: str, origin: str) -> None:
    """PX-11: around a route, a mount, a router, or what is mounted; a named origin starts."""

    async def view(_: Request) -> Response:
        return JSONResponse({})

    given: Any = {"allow_credentials": True, "allow_origins": [origin]}
    around, inner = [Middleware(CORSMiddleware, **given)], [Route("/", view)]
    route = {
        "route": Route("/a", view, middleware=around),
        "mount": Mount("/a", routes=inner, middleware=around),
        "router": Mount("/a", Router(inner, middleware=around)),
        "mounted": Mount("/a", CORSMiddleware(Starlette(routes=inner), **given)),
    }[place]
    app = asgi_door.guard(Starlette(routes=[route]), perimeter_of(POLICY))
    told = pytest.raises(BoundaryError, match="CORSMiddleware") if origin == "*" else nullcontext()
    with told, TestClient(app):
        pass


def test_a_named_origin_with_credentials_starts() -> None:
    """PX-11: the twins: it is answered, a look-alike and null aren't; "*" without credentials starts."""
    named = cors(
        allow_credentials=True,
        allow_origins=["https://shop.example.com"],
        allow_origin_regex=r"https://(www\.)?api\.example\.com",
    )
    with TestClient(named, f"http://{HOST}", client=(OUTSIDER, 1)) as client:
        allowed = {
            origin: client.get("/", headers={"Origin": origin}).headers.get(
                "access-control-allow-origin"
            )
            for origin in ("https://shop.example.com", "https://shop.example.com.evil.test", "null")
        }
    assert allowed == {
        "https://shop.example.com": "https://shop.example.com",
        "https://shop.example.com.evil.test": None,
        "null": None,
    }
    with TestClient(cors(allow_origins=["*"]), f"http://{HOST}", client=(OUTSIDER, 1)) as client:
        assert client.get("/").status_code == 200


def test_an_honest_request_crosses(sender: Sender) -> None:
    """The twin of them all."""
    for attack in (HONEST, BY_PROXY):
        assert sender.send(attack)[0] == 200
