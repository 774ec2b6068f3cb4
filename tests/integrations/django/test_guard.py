"""The guard of a project: what doesn't start, under every handler; what is read, and how it is answered."""

import io
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import httpx
import pytest
from django.core.checks import run_checks
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client as DjangoClient
from django.urls import include, path, re_path
from django.views import View

from pratique import Perimeter, Proven, unsafe
from pratique.client import Client, Session, SessionCookie
from pratique.core.refusal import BoundaryError
from pratique.integrations import wsgi
from pratique.integrations.django import Public, called, does, elsewhere, endpoint, guarded
from pratique.integrations.django.asgi import capped
from pratique.integrations.fastapi import guard as guard_fastapi
from tests.attacks.door import Door, django_app_of, open_door
from tests.client.shop import NOON
from tests.django_project import CSRF, GUARD, Project
from tests.integrations.django.market.site import Market
from tests.serving import served
from tests.shop import NOW, SECRET, URL, Shop, boundary, delivery, plain_sqlite3

WEBHOOK = URL.removeprefix("/")


def reads_post(get_response: Any) -> Any:
    """Be a middleware that parses the content before the view."""

    def middleware(request: HttpRequest) -> Any:
        request.POST.get("x")
        return get_response(request)

    return middleware


def reads_body(get_response: Any) -> Any:
    """Be a middleware that asks for the raw bytes before the view."""

    def middleware(request: HttpRequest) -> Any:
        assert request.body
        return get_response(request)

    return middleware


def another_urlconf(get_response: Any) -> Any:
    """Be a middleware that serves other routes, as one for subdomains does."""

    def middleware(request: HttpRequest) -> Any:
        request.urlconf = (path("hidden", hello),)  # type: ignore[attr-defined]
        return get_response(request)

    return middleware


HERE = f"{__name__}."


def hello(_: HttpRequest) -> HttpResponse:
    """Prove nothing."""
    return HttpResponse("hello")


class Naked(View):
    def get(self, _: HttpRequest) -> HttpResponse:
        return HttpResponse("hello")


def market_with_users() -> Market:
    """Return a market where who calls can be proven."""
    market = Market()
    called(market.client, "profile.seen")
    return market


def start(*routes: Any, market: Market | None = None, **more: Any) -> None:
    """Make both handlers of a project."""
    perimeter = (market or market_with_users()).perimeter
    Project(routes, perimeter, **more).wsgi()
    perimeter.close()
    Project(routes, perimeter, **more).asgi()
    perimeter.close()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give a shop with a boundary for a webhook."""
    return plain_sqlite3(tmp_path / "shop.db")


@pytest.fixture
def door(shop: Shop) -> Iterator[Door]:
    """Give it behind Django."""
    with open_door(shop, django_app_of(shop)) as opened:
        yield opened


@pytest.mark.parametrize(
    "route",
    [
        lambda view: path("a", view),
        lambda view: path("a/", include([path("b/<int:x>", view)])),
        lambda view: path("a/", include(([path("b", view)], "app"), namespace="space")),
        lambda view: re_path(r"^a/(?P<x>\d+)$", view),
        lambda view: re_path(r"a", view),
    ],
)
def test_a_naked_route_is_found_wherever_it_is(route: Callable[[Any], Any]) -> None:
    """Included, in a namespace, by a regular expression, in a class: refused; public by a reason, it starts."""
    for naked in (hello, Naked.as_view()):
        with pytest.raises(BoundaryError, match="is naked"):
            start(route(naked))
    start(route(Public("says hello")(lambda request, **_: hello(request))))


def test_a_class_is_proven_where_each_of_its_methods_is() -> None:
    """One handler that forgot leaves the route naked."""
    market = Market()
    owes = called(market.client, "profile.read")

    class Me(View):
        @guarded
        def get(self, _: HttpRequest, me: Annotated[Proven[Any], owes]) -> HttpResponse:
            return JsonResponse({"id": me.value.pk})

    class Forgot(Me):
        def post(self, _: HttpRequest) -> HttpResponse:
            return HttpResponse()

    start(path("me", Me.as_view()), market=market)
    with pytest.raises(BoundaryError, match="/me is naked"):
        start(path("me", Forgot.as_view()), market=market)


def test_a_method_that_a_class_adds_is_a_handler_too() -> None:
    """CWE-862: `http_method_names` of the class, or handed to `as_view`; one that is proven starts."""
    market = Market()
    owes = called(market.client, "profile.read")
    me_of = Annotated[Proven[Any], owes]

    class Forgot(View):
        http_method_names: tuple[str, ...] = ("get", "purge")

        @guarded
        def get(self, _: HttpRequest, me: me_of) -> HttpResponse:
            return JsonResponse({"id": me.value.pk})

        def purge(self, _: HttpRequest) -> HttpResponse:
            return HttpResponse()

    class Helps(Forgot):
        http_method_names = ("get",)

    class Proves(Forgot):
        @guarded
        def purge(self, _: HttpRequest, me: me_of) -> HttpResponse:
            return JsonResponse({"id": me.value.pk})

    for naked in (Forgot.as_view(), Helps.as_view(http_method_names=["get", "purge"])):
        with pytest.raises(BoundaryError, match="/me is naked"):
            start(path("me", naked), market=market)
    for fine in (Helps.as_view(), Proves.as_view()):
        start(path("me", fine), market=market)


def test_what_somebody_else_guards_is_named() -> None:
    """Django's own views, by their prefix; a regular expression that leads elsewhere too is in no prefix."""
    others = [elsewhere("/admin/", by="django.contrib.auth")]
    start(path("admin/", include("django.contrib.auth.urls")), elsewhere=others)
    start(re_path(r"^admin/x$", hello), elsewhere=others)
    with pytest.raises(BoundaryError, match="is naked"):
        start(path("admin/", include("django.contrib.auth.urls")))
    for wide in (r"^admin/|secret$", r"admin/"):
        with pytest.raises(BoundaryError, match="is naked"):
            start(re_path(wide, hello), elsewhere=others)


def test_a_boundary_has_a_route(shop: Shop) -> None:
    """A webhook that nobody can reach is a mistake; with its route it starts."""
    with pytest.raises(BoundaryError, match=r'path\("…", endpoint\(payments\)\)'):
        Project([], shop.perimeter).wsgi()
    other = Perimeter(store=shop.perimeter.store).declare(boundary())
    with pytest.raises(BoundaryError, match="not declared in this perimeter"):
        Project([path("a", endpoint(other))], shop.perimeter).wsgi()
    with open_door(shop, django_app_of(shop)) as door:
        assert door.send()[0] == 200


def test_what_stands_wrong_at_a_route_is_told(shop: Shop) -> None:
    """A proof that reads a place which isn't in the path, or is annotated as another one."""
    market = Market(store=shop.perimeter.store)

    @market.client.once(
        "coupon.redeem", key=lambda asked: asked.key, link=lambda _, key: key, read_key=str
    )
    def redeem(_: Proven[Any]) -> None:
        return None

    start(path("coupons/<str:coupon_id>", does(redeem)), market=market)
    with pytest.raises(BoundaryError, match="coupon_id is no place"):
        start(path("coupons/<str:code>", does(redeem)), market=market)


def test_the_guard_is_the_first_and_the_only_one() -> None:
    """What stands before it answers what nobody has proven; nor is it there twice."""
    start()
    for wrong, told in (([CSRF, GUARD], "before"), ([GUARD, CSRF, GUARD], "2 times")):
        with pytest.raises(BoundaryError, match=told):
            start(middleware=wrong)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, "names no perimeter"),
        ({}, "names no perimeter"),
        ({"PERIMETER": "tests.nowhere.perimeter"}, "nowhere"),
        ({"PERIMETER": "tests.shop.SECRET"}, "is str, not a Perimeter"),
        ({"PERIMETER": "tests.shop.SECRET", "OBSERVE": True}, "OBSERVE"),
    ],
)
def test_settings_that_say_something_else_are_refused(said: Any, told: str) -> None:
    """Nothing is guessed: no perimeter, another thing, an unknown word."""
    with pytest.raises(BoundaryError, match=told):
        start(PRATIQUE=said)


def test_the_checks_of_manage_py_tell_the_same() -> None:
    """`manage.py check` lists what the start would refuse, and nothing where it wouldn't."""
    for routes, found in (([path("a", hello)], 1), ([], 0)):
        market = market_with_users()
        project = Project(routes, market.perimeter)
        with project.settings():
            errors = [e for e in run_checks() if e.id == "pratique.E001"]
        assert len(errors) == found
    with Project([], None, middleware=[CSRF]).settings():
        assert [e for e in run_checks() if e.id == "pratique.E001"]
    with Project([], market.perimeter, middleware=[CSRF]).settings():
        (error,) = [e for e in run_checks() if e.id == "pratique.E001"]
    assert "nothing would be proven" in str(error.msg)


def test_routes_that_another_middleware_brings_are_looked_at_too() -> None:
    """A URLconf that is chosen a request: its naked route isn't served."""
    market = market_with_users()
    project = Project([], market.perimeter, middleware=[GUARD, f"{HERE}another_urlconf"])
    with served(project.wsgi()) as http, pytest.raises(BoundaryError, match="/hidden is naked"):
        http.get("/hidden")
    market.perimeter.close()


def test_djangos_own_client_meets_the_guard(shop: Shop) -> None:
    """The test client of the user's own tests starts it as a server does."""
    project = Project([path(WEBHOOK, endpoint(shop.payments))], shop.perimeter)
    content, fields = delivery()
    with project.settings():
        answer = DjangoClient(enforce_csrf_checks=True).post(
            URL, content, content_type="application/json", headers=dict(fields)
        )
    assert (answer.status_code, shop.row["upgrades"]) == (200, 1)
    shop.perimeter.close()


def test_a_refusal_in_a_view_is_a_problem_document() -> None:
    """The bytes, status and fields that FastAPI's door gives; Django's own errors stay its own."""
    from fastapi import FastAPI

    def get_of(application: Any) -> httpx.Response:
        with served(application) as http:
            return http.get("/me")

    from pratique.integrations.fastapi import called as fastapi_called

    market, other = Market(), Market()
    owes = called(market.client, "profile.read")

    @guarded
    def me(_: HttpRequest, me: Annotated[Proven[Any], owes]) -> HttpResponse:
        return HttpResponse(me.value.pk)

    ours = get_of(Project([path("me", me)], market.perimeter).wsgi())
    app = guard_fastapi(FastAPI(), other.perimeter)
    theirs = fastapi_called(other.client, "profile.read", session=None)

    @app.get("/me")
    def same(me: Annotated[Proven[Any], theirs]) -> None: ...

    expected = get_of(app)
    assert (ours.status_code, ours.content) == (expected.status_code, expected.content)
    assert ours.status_code == 401
    names = set(ours.headers) - {"crossing-id"}
    assert {n: ours.headers[n] for n in names} == {
        n: v for n, v in expected.headers.items() if n != "crossing-id"
    }
    market.perimeter.close()


def test_the_bytes_are_read_before_django_parses_them(shop: Shop) -> None:
    """Django's limits decide nothing; who took the bytes away is told; who asked for them is given the same."""
    routes = [path(WEBHOOK, endpoint(shop.payments))]
    small = {"DATA_UPLOAD_MAX_MEMORY_SIZE": 1, "FILE_UPLOAD_MAX_MEMORY_SIZE": 1}
    content, fields = delivery()
    headers = dict(fields)

    def send(**more: Any) -> int:
        with served(Project(routes, shop.perimeter, **more).wsgi()) as http:
            return http.post(URL, content=content, headers=headers).status_code

    assert (send(**small), shop.row["upgrades"]) == (200, 1)
    assert send(middleware=[GUARD, f"{HERE}reads_body"]) == 200
    headers["content-type"] = "multipart/form-data; boundary=x"
    with pytest.raises(BoundaryError, match="was read before"):
        send(middleware=[GUARD, f"{HERE}reads_post"])
    shop.perimeter.close()


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ({"CONTENT_LENGTH": "1e3"}, "too_large"),
        ({"CONTENT_LENGTH": "-1"}, "too_large"),
        ({"CONTENT_LENGTH": "9" * 20}, "too_large"),
        ({"CONTENT_LENGTH": str(1 << 30)}, "too_large"),
        ({"CONTENT_LENGTH": "100000"}, "cut_off"),
        ({"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}, "unknown_length"),
    ],
)
def test_a_length_that_is_none_is_refused(door: Door, lines: dict[str, str], code: str) -> None:
    """CWE-400, CWE-444: over the cap, no number, more than came, or unknown; the honest one goes through."""
    content, fields = delivery()
    environ = environ_of(content, dict(fields)) | lines
    with pytest.raises(Exception) as refused:  # noqa: PT011  read below
        wsgi.read_content(environ, 1 << 20)
    assert getattr(refused.value, "code", None) == code
    assert wsgi.read_content(environ_of(content, {}), 1 << 20) == content


def test_chunks_are_read_where_the_server_ends_them(shop: Shop) -> None:
    """Gunicorn's `wsgi.input_terminated`: Django alone would take such a delivery for an empty one."""
    project = Project([path(WEBHOOK, endpoint(shop.payments))], shop.perimeter)
    content, fields = delivery()
    application = project.wsgi()

    def ended(environ: Any, start_response: Any) -> Any:
        return application(environ | {"wsgi.input_terminated": True}, start_response)

    with served(ended) as http:
        answer = http.post(URL, content=iter([content]), headers=dict(fields))
    assert (answer.status_code, shop.row["upgrades"]) == (200, 1)
    over = {"wsgi.input": io.BytesIO(b"x" * 11), "wsgi.input_terminated": True}
    with pytest.raises(Exception, match="more than 10 bytes"):
        wsgi.read_content(over, 10)
    shop.perimeter.close()


def test_a_sender_that_drips_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """CWE-400: 10 s for the whole content, looked at between reads; in time, it is read."""
    seconds = itertools.count(0, 6)
    content = b"x" * 200_000
    assert wsgi.read_content(environ_of(content, {}), 1 << 20) == content
    monkeypatch.setattr(wsgi.time, "monotonic", lambda: next(seconds))
    with pytest.raises(Exception, match="more than 10 s"):
        wsgi.read_content(environ_of(content, {}), 1 << 20)


@pytest.mark.parametrize(
    "lines",
    [
        [("Stripe-Signature", "t=1,v1=00"), ("Stripe-Signature", "GOOD")],
        [("Stripe-Signature", "GOOD"), ("Stripe-Signature", "GOOD")],
        [("Stripe_Signature", "GOOD"), ("Stripe-Signature", "GOOD")],
    ],
)
def test_two_signatures_that_a_server_joined_are_refused(
    door: Door, lines: list[tuple[str, str]]
) -> None:
    """CWE-436: one value with a comma is read as one value, and two times or bases are none."""
    content, [(_, good)] = delivery()
    status, record = door.post(content, [(n, v.replace("GOOD", good)) for n, v in lines])
    assert (status, record.obligation, door.upgrades) == (401, "authentic", 0)
    assert door.post(content, [("Stripe-Signature", good)])[0] == 200


def test_only_post_is_taken(door: Door) -> None:
    """By GET a page of anybody's could send it; a delivery is posted."""
    answer = door.client.get(URL)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert door.send()[0] == 200


def environ_of(content: bytes, fields: dict[str, str]) -> dict[str, Any]:
    """Return what a server hands on."""
    lines = {f"HTTP_{n.upper().replace('-', '_')}": v for n, v in fields.items()}
    return {"wsgi.input": io.BytesIO(content), "CONTENT_LENGTH": str(len(content)), **lines}


def test_the_claim_is_what_came(shop: Shop) -> None:
    """The target as it came, the peer, the scheme, the method; `HTTP_…` alone is a field."""
    environ = environ_of(b"", {"x-a": "1"}) | {
        "REQUEST_METHOD": "POST",
        "wsgi.url_scheme": "https",
        "REMOTE_ADDR": "10.0.0.1",
        "SCRIPT_NAME": "/app",
        "PATH_INFO": "/ä b".encode().decode("latin-1"),
        "QUERY_STRING": "q=1",
        "CONTENT_TYPE": "text/plain",
        "SECRET": SECRET,
    }
    claim = wsgi.claim_of(environ, b"", Perimeter(clock=lambda: NOON))
    via = claim.via
    assert (via.method, via.scheme, via.peer) == ("POST", "https", "10.0.0.1")
    assert via.target == "/app/%C3%A4%20b?q=1"
    assert {name for name, _ in claim.fields} == {"x-a", "content-type", "content-length"}
    raw = wsgi.claim_of(environ | {"RAW_URI": "/app/%2e"}, b"", Perimeter(clock=lambda: NOON))
    assert raw.via.target == "/app/%2e"


@pytest.mark.parametrize("is_async", [False, True])
def test_the_old_view_decides_while_the_boundary_observes(shop: Shop, is_async: bool) -> None:
    """It is given the same request, by its own kind; without one behind it, an observing boundary doesn't start."""
    until = shop.clock[0].date() + timedelta(days=7)
    shop.payments.observe = unsafe.observe(until=until, reason="an old system", owner="payments")
    seen: list[bytes] = []

    def old(request: HttpRequest) -> HttpResponse:
        seen.append(request.body)
        return HttpResponse("old")

    async def old_on_the_loop(request: HttpRequest) -> HttpResponse:
        return old(request)

    view = endpoint(shop.payments, shadows=old_on_the_loop if is_async else old)
    content, fields = delivery()
    for application in ("wsgi", "asgi"):
        project = Project([path(WEBHOOK, view)], shop.perimeter)
        with served(getattr(project, application)()) as http:
            assert http.post(URL, content=content, headers=dict(fields)).text == "old"
    assert (seen, shop.row["upgrades"]) == ([content, content], 0)
    shop.perimeter.close()
    with pytest.raises(BoundaryError, match="shadows="):
        Project([path(WEBHOOK, endpoint(shop.payments))], shop.perimeter).wsgi()


@pytest.mark.parametrize("application", ["wsgi", "asgi"])
def test_what_happens_once_is_done_by_post_alone(shop: Shop, application: str) -> None:
    """A one-time action by its view: done, then done before; by GET nothing."""
    session = Session(1, NOW, NOW)
    client = shop.perimeter.declare(
        Client(
            "market",
            identity=SessionCookie("session", lambda _: session, origins=["https://m.example"]),
            user=lambda _: SimpleNamespace(id=1),
            policy=lambda *_: True,
        )
    )

    @client.once(
        "coupon.redeem", key=lambda asked: asked.key, link=lambda _, key: key, read_key=str
    )
    def redeem(_: Proven[Any]) -> None:
        return None

    routes = [path(WEBHOOK, endpoint(shop.payments)), path("coupons/<coupon_id>", does(redeem))]
    project = Project(routes, shop.perimeter)
    headers = {"cookie": f"session={'t' * 32}", "origin": "https://m.example"}
    with served(getattr(project, application)()) as http:
        assert http.get("/coupons/a", headers=headers).status_code == 405
        told = [http.post("/coupons/a", headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in told] == [200, 409]
        assert told[0].headers["cache-control"] == "no-store"
        assert http.post("/coupons/a", headers={"origin": "https://m.example"}).status_code == 401
    shop.perimeter.close()


@pytest.mark.parametrize("length", [None, str(1 << 40), "1e3"])
async def test_a_flood_is_refused_before_django_reads_it(shop: Shop, length: str | None) -> None:
    """CWE-400: over the cap nothing more is read, and Django's handler sees nothing; an honest one goes through."""
    project = Project([path(WEBHOOK, endpoint(shop.payments))], shop.perimeter)
    inner, reached = project.asgi(), []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])
        await inner(scope, receive, send)

    with project.settings():
        application = capped(handler)
        content, fields = delivery()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(application), base_url="http://t"
        ) as http:
            sent = 0

            async def flood() -> AsyncIterator[bytes]:
                nonlocal sent
                for _ in range(64):
                    sent += 1
                    yield b"x" * (1 << 16)

            headers = {} if length is None else {"content-length": length}
            answer = await http.post(URL, content=flood(), headers=headers)
            assert (answer.status_code, reached) == (413, [])
            assert answer.json()["code"] == "too_large"
            assert sent < 64
            assert (await http.post(URL, content=content, headers=dict(fields))).status_code == 200
            assert (await http.get("/nowhere")).status_code == 404
    assert (reached, shop.row["upgrades"]) == ([URL, "/nowhere"], 1)
    await shop.perimeter.aclose()
