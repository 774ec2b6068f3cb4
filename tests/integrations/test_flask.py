"""The door for Flask: what stands in the wrong order or place is told, and bytes are read before Flask reads them."""

import socket
from collections.abc import Iterator
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from flask import Flask, request, send_from_directory
from flask.views import MethodView
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from pratique import Perimeter, Proven, Refused, unsafe
from pratique.client import Client, Session, SessionCookie
from pratique.core.obligation import VALID
from pratique.core.refusal import BoundaryError
from pratique.events import Metrics
from pratique.integrations.described import DESCRIBED
from pratique.integrations.flask import Pratique, Public, called, does, elsewhere, endpoint, guarded
from pratique.integrations.wsgi import read_content
from tests.attacks.door import flask_app_of, open_door
from tests.client.shop import NOON, ORIGIN
from tests.processes import by_process, free_port
from tests.serving import served
from tests.shop import URL, delivery, plain_sqlite3

HEADERS = {"cookie": f"session={'t' * 32}", "origin": ORIGIN}


class Subject:
    id = 1


class Site:
    """An application with one user, who may do everything."""

    def __init__(self, **more: Any) -> None:
        self.perimeter = Perimeter(clock=lambda: NOON, **more)
        session = Session(1, NOON, NOON)
        identity = SessionCookie("session", lambda _: session, origins=[ORIGIN])
        self.client = self.perimeter.declare(
            Client("shop", identity=identity, user=lambda _: Subject(), policy=lambda *_: True)
        )
        self.app = Flask("site")

    def guard(self, **more: Any) -> Flask:
        """Guard it."""
        Pratique(self.perimeter, **more).init_app(self.app)
        return self.app

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Ask as that user."""
        with served(self.app) as http:
            return http.request(method, path, headers=HEADERS, **more)

    def is_refused(self, told: str) -> None:
        """Require that it doesn't start."""
        with pytest.raises(BoundaryError, match=told):
            self.ask("GET", "/")


def test_a_guard_in_the_wrong_order_does_not_start() -> None:
    """`@guarded` above `@app.get` leaves the route naked: told, not served; below it proves."""
    site = Site()
    me_of = Annotated[Proven[Subject, Literal["me.read"]], called(site.client, "me.read")]

    def me(me: me_of) -> Any:
        return {"id": me.value.id}

    wrong, right = Site(), site
    guarded(wrong.app.get("/me")(me))
    wrong.guard()
    wrong.is_refused("/me is naked")
    right.guard().get("/me")(guarded(me))
    assert right.ask("GET", "/me").json() == {"id": 1}


def test_a_class_of_views_is_proven_where_each_of_its_methods_is() -> None:
    """One method that forgot leaves the route naked."""
    for forgets in (True, False):
        site = Site()
        me_of = Annotated[Proven[Subject], called(site.client, "me.read")]

        class Me(MethodView):
            @guarded
            def get(self, me: me_of, name: str) -> Any:
                return {"id": me.value.id, "name": name}

        if forgets:
            Me.post = lambda self, name: {}  # type: ignore[attr-defined]
            Me.methods = ["GET", "POST"]
        site.guard().add_url_rule("/me/<name>", view_func=Me.as_view("me"))
        if forgets:
            site.is_refused("/me/<name> is naked")
        else:
            assert site.ask("GET", "/me/ann").json() == {"id": 1, "name": "ann"}


def test_a_method_options_of_ones_own_is_a_handler_too() -> None:
    """CWE-862: Flask answers OPTIONS itself only where a view doesn't; what answers is proven."""
    for forgets in (True, False):
        site = Site()
        me_of = Annotated[Proven[Subject], called(site.client, "me.read")]

        class Me(MethodView):
            @guarded
            def get(self, me: me_of) -> Any:
                return {"id": me.value.id}

        if forgets:
            Me.options = lambda self: {"all": "rows"}  # type: ignore[attr-defined]
            Me.methods = ["GET", "OPTIONS"]
        site.guard().add_url_rule("/me", view_func=Me.as_view("me"))
        if forgets:
            site.is_refused("/me is naked")
        else:
            assert site.ask("OPTIONS", "/me").content == b""


def test_a_route_says_what_it_is() -> None:
    """Public with a reason, somebody else's by name, Flask's own static files; one without a word is naked."""
    site = Site()
    called(site.client, "me.read")
    app = site.guard(elsewhere=[elsewhere("/accounts", by="flask-login's own views")])
    app.get("/health")(Public("says only that the process runs")(lambda: "ok"))
    app.add_url_rule("/accounts/login", "login", lambda: "login")
    assert site.ask("GET", "/health").text == "ok"
    told = getattr(app, DESCRIBED).routes()
    assert sorted((route.path, str(route.state)) for route in told) == [
        ("/accounts/login", "elsewhere"),
        ("/health", "public"),
        ("/static/<path:filename>", "public"),
    ]
    counted = Metrics(site.perimeter).read()["pratique_routes"].values
    assert (counted["public",], counted["elsewhere",], counted["naked",]) == (2, 1, 0)
    naked = Site()
    naked.guard().add_url_rule("/login", "login", lambda: "login")
    naked.is_refused("/login is naked")


def test_a_helper_of_flasks_as_a_view_is_naked(tmp_path: Path) -> None:
    """CWE-862: send_from_directory serves whatever directory it is given; Flask's own static files start."""
    for is_naked in (True, False):
        site = Site()
        called(site.client, "me.read")
        site.app = Flask("site", static_folder=str(tmp_path), static_url_path="/static")
        app = site.guard()
        if is_naked:
            more = {"directory": str(tmp_path)}
            app.add_url_rule("/f/<path:path>", view_func=send_from_directory, defaults=more)
            site.is_refused("/f/<path:path> is naked")
        else:
            assert site.ask("GET", "/static/absent.txt").status_code == 404


@pytest.mark.parametrize("is_outside", [False, True])
@pytest.mark.parametrize("kind", ["naked", "named", "guarded"])
def test_an_application_that_a_dispatcher_hands_on_to_is_naked(
    kind: str, *, is_outside: bool
) -> None:
    """CWE-862: what is mounted by DispatcherMiddleware is a route; named, or guarded itself, it starts."""
    site, below = Site(), Site()
    for each in (site, below):
        called(each.client, "me.read")
    below.app.get("/page")(Public("says what everybody may know")(lambda: "page"))
    if kind == "guarded":
        below.guard()
    named = [elsewhere("/below", by="its own login")] * (kind == "named")
    if is_outside:
        site.guard(elsewhere=named)
    setattr(  # noqa: B010  Flask's own way to add a layer
        site.app, "wsgi_app", DispatcherMiddleware(site.app.wsgi_app, {"/below": below.app})
    )
    if not is_outside:
        site.guard(elsewhere=named)
    if kind == "naked":
        site.is_refused("/below/ is naked")
    else:
        assert site.ask("GET", "/").status_code == 404
        assert site.ask("GET", "/below/page").text == "page"


def test_a_view_of_an_unguarded_application_lets_nothing_through(tmp_path: Path) -> None:
    """The view alone isn't enough: without the extension it refuses to answer; with it, it does."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    app = Flask("shop")
    app.add_url_rule(URL, view_func=endpoint(shop.payments))
    content, fields = delivery()
    with served(app) as http:
        assert http.post(URL, content=content, headers=dict(fields)).status_code == 500
    with open_door(shop, flask_app_of(shop)) as door:
        assert door.post(content, fields)[0] == 200


def test_what_happens_once_is_done_once(tmp_path: Path) -> None:
    """A coupon by POST: once; by GET it doesn't start."""
    site = Site(store=plain_sqlite3(tmp_path / "shop.db").perimeter.store)

    @site.client.once(
        "coupon.redeem", key=lambda asked: asked.key, link=lambda _, key: key, read_key=str
    )
    def redeem(_: Proven[Any]) -> None:
        return None

    app = site.guard()
    app.add_url_rule("/coupons/<coupon_id>/redemption", view_func=does(redeem))
    answers = [site.ask("POST", "/coupons/a/redemption") for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 409]
    assert answers[0].headers["cache-control"] == "no-store"
    again = Site()
    again.perimeter, again.app = site.perimeter, Flask("again")
    again.guard().add_url_rule("/c/<coupon_id>", view_func=does(redeem), methods=["GET"])
    again.is_refused("GET, HEAD changes nothing")


def test_a_guarded_view_may_be_async_and_reads_the_content_after_us() -> None:
    """Flask's async views run; what was read under the cap stands in the request again."""
    site = Site()
    me_of = Annotated[Proven[Subject], called(site.client, "me.read")]

    @guarded
    async def me(me: me_of) -> Any:
        return {"id": me.value.id, "form": dict(request.form)}

    site.guard().get("/me")(me)
    assert site.ask("GET", "/me").json() == {"id": 1, "form": {}}


def test_an_observed_delivery_is_handed_on_whole(tmp_path: Path) -> None:
    """The view that was there before reads the same bytes, JSON and all."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    shop.payments.observe = unsafe.observe(
        until=date(2026, 12, 1), reason="taken into an old system", owner="payments team"
    )
    app, seen = Flask("shop"), list[Any]()

    def old() -> Any:
        seen.append(request.get_json())
        return {"old": True}

    Pratique(shop.perimeter).init_app(app)
    app.add_url_rule(URL, view_func=endpoint(shop.payments, shadows=old))
    content, fields = delivery()
    headers = {**dict(fields), "content-type": "application/json"}
    with served(app) as http:
        assert http.post(URL, content=content, headers=headers).json() == {"old": True}
    assert seen[0]["id"] == "evt_1"


def test_an_application_is_guarded_once() -> None:
    """Twice is a mistake, and told at once."""
    app = Flask("twice")
    Pratique(Perimeter()).init_app(app)
    with pytest.raises(BoundaryError, match="guarded twice"):
        Pratique(Perimeter()).init_app(app)


class Broken(BytesIO):
    """A connection that ends."""

    def read(self, size: int | None = -1) -> bytes:
        raise ConnectionResetError(size)


@pytest.mark.parametrize(
    ("environ", "code", "status"),
    [
        ({"CONTENT_LENGTH": "11", "wsgi.input": BytesIO(b"0" * 11)}, "too_large", 413),
        ({"CONTENT_LENGTH": "-1", "wsgi.input": BytesIO(b"0")}, "too_large", 413),
        ({"CONTENT_LENGTH": "9" * 400, "wsgi.input": BytesIO(b"0")}, "too_large", 413),
        ({"CONTENT_LENGTH": "5", "wsgi.input": BytesIO(b"0123")}, "cut_off", 400),
        ({"CONTENT_LENGTH": "5", "wsgi.input": Broken()}, "cut_off", 400),
        ({"wsgi.input_terminated": True, "wsgi.input": BytesIO(b"0" * 11)}, "too_large", 413),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": BytesIO()}, "unknown_length", 411),
    ],
)
def test_content_is_read_under_a_cap(environ: dict[str, Any], code: str, status: int) -> None:
    """More than the cap, less than declared, an end that nobody tells: refused; ten bytes under a cap of ten are read."""
    with pytest.raises(Refused) as refused:
        read_content(environ, 10)
    assert (refused.value.obligation, refused.value.code) == (VALID, code)
    assert refused.value.status == status
    for fine in ({"CONTENT_LENGTH": "10"}, {"wsgi.input_terminated": True}):
        given: dict[str, Any] = {**fine, "wsgi.input": BytesIO(b"0123456789")}
        assert read_content(given, 10) == b"0123456789"
        assert given["wsgi.input"].read() == b"0123456789"
    assert read_content({"wsgi.input": BytesIO(b"not ours")}, 10) == b""


@pytest.fixture(scope="module")
def by_gunicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the shop by gunicorn; its port."""
    folder, port = tmp_path_factory.mktemp("flask"), free_port()
    app = f"tests.integrations.flask_app:made({str(folder)!r})"
    command = ["gunicorn", "-b", f"127.0.0.1:{port}", "--no-control-socket", "--threads", "2", app]
    with by_process(command, port, folder / "gunicorn.log") as listens:
        assert listens, (folder / "gunicorn.log").read_text()
        yield port


def raw(port: int, *lines: bytes, content: bytes = b"") -> int:
    """Send lines as they are; the status."""
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        line.sendall(b"\r\n".join([f"POST {URL} HTTP/1.1".encode(), *lines, b"", content]))
        return int(line.makefile("rb").readline().split()[1])


def test_gunicorn_hands_the_bytes_over_as_they_came(by_gunicorn: int) -> None:
    """Chunked, with a length, twice: one verdict. Two signature fields, folded by the server, are no signature."""
    content, [(name, value)] = delivery()
    host, signature = b"host: shop.example", f"{name}: {value}".encode()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
    length = b"content-length: %d" % len(content)
    forged = f"{name}: {delivery(secret='whsec_of_somebody_else_1')[1][0][1]}".encode()
    close = b"connection: close"
    assert raw(by_gunicorn, host, close, forged, length, content=content) == 401
    assert raw(by_gunicorn, host, close, forged, signature, length, content=content) == 401
    large = b"content-length: 999999999"
    assert raw(by_gunicorn, host, close, signature, large, content=content) == 413
    te = b"transfer-encoding: chunked"
    assert raw(by_gunicorn, host, close, signature, te, content=chunked) == 200
    assert raw(by_gunicorn, host, close, signature, length, content=content) == 200
