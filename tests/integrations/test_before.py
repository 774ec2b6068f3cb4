"""What would answer before a proof is asked for is refused at the start: a decorator above, a dispatch."""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import pytest
from flask import Flask
from flask.views import MethodView
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pratique import Perimeter, Proven
from pratique.core.refusal import BoundaryError
from pratique.integrations import flask, starlette
from tests.client.shop import NOON
from tests.integrations.test_flask import Site
from tests.integrations.test_starlette_actions import Subject, ask, client_of, start
from tests.shop import plain_sqlite3


def remembered(view: Callable[..., Any]) -> Callable[..., Any]:
    """Give everybody the first caller's answer, as a cache by path does."""
    kept: list[Any] = []

    @wraps(view)
    def cached(*args: Any, **more: Any) -> Any:
        if not kept:
            kept.append(view(*args, **more))
        return kept[0]

    return cached


def hidden(view: Callable[..., Any]) -> Callable[..., Any]:
    """Do the same, and say nothing of what is below."""

    def passed_on(*args: Any, **more: Any) -> Any:
        return view(*args, **more)

    return passed_on


def of_flask(decorate: Callable[[Any], Any], *, above: bool) -> Site:
    """Return a site of Flask with a decorator above its guard, or below."""
    site = Site()

    def me(me: Annotated[Proven[Subject], flask.called(site.client, "me.read")]) -> Any:
        return {"id": me.value.id}

    view = decorate(flask.guarded(me)) if above else flask.guarded(decorate(me))
    site.guard().get("/me")(view)
    return site


def of_starlette(decorate: Callable[[Any], Any], *, above: bool) -> Starlette:
    """Do the same with Starlette."""
    perimeter = Perimeter(clock=lambda: NOON)
    owes = starlette.called(client_of(perimeter), "me.read")

    def me(request: Request, me: Annotated[Proven[Subject], owes]) -> Response:
        return JSONResponse({"id": me.value.id})

    view = decorate(starlette.guarded(me)) if above else starlette.guarded(decorate(me))
    return starlette.guard(Starlette(routes=[Route("/me", view)]), perimeter)


@pytest.mark.parametrize(
    ("decorate", "told"),
    [(remembered, "/me: .* stands above the view that proves"), (hidden, "/me is naked")],
)
def test_a_decorator_above_a_guard_does_not_start(
    decorate: Callable[[Any], Any], told: str
) -> None:
    """CWE-524: one that `functools.wraps` made is seen, another leaves the route naked; below the guard it starts."""
    of_flask(decorate, above=True).is_refused(told)
    with pytest.raises(BoundaryError, match=told):
        start(of_starlette(decorate, above=True))
    assert of_flask(remembered, above=False).ask("GET", "/me").json() == {"id": 1}
    assert ask(of_starlette(remembered, above=False), "GET", "/me").json() == {"id": 1}


def test_a_decorator_above_what_happens_once_or_is_delivered_does_not_start(tmp_path: Any) -> None:
    """`does` and `endpoint` are views of ours too; as they are, they start."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    for number, decorate in enumerate((remembered, lambda view: view)):
        app = Flask("shop")
        flask.Pratique(shop.perimeter).init_app(app)
        app.add_url_rule("/hook", view_func=decorate(flask.endpoint(shop.payments)))
        site = Site(store=plain_sqlite3(tmp_path / f"once-{number}.db").perimeter.store)
        redeem = site.client.once("redeem", key=lambda _: "k")(lambda _: None)
        site.guard().add_url_rule("/redeem", view_func=decorate(flask.does(redeem)))
        if decorate is remembered:
            site.is_refused("/redeem: .* stands above")
            with pytest.raises(BoundaryError, match=r"/hook: .* stands above"):
                app.test_client().get("/")
        else:
            assert site.ask("POST", "/redeem").status_code == 200
            assert app.test_client().get("/").status_code == 404
    shop.perimeter.close()


def test_a_class_of_flask_goes_no_way_around_its_guards() -> None:
    """A dispatch_request of its own, or a decorator of the class, could answer first; one that is guarded itself starts."""
    site = Site()
    owes = flask.called(site.client, "me.read")

    class Me(MethodView):
        @flask.guarded
        def get(self, me: Annotated[Proven[Subject], owes]) -> Any:
            return {"id": me.value.id}

    class Around(Me):
        def dispatch_request(self, **places: Any) -> Any:
            return {"id": "anybody's"}

    class Remembers(Me):
        decorators = (remembered,)

    class Proves(Around):
        @flask.guarded
        def dispatch_request(self, me: Annotated[Proven[Subject], owes]) -> Any:  # type: ignore[override]
            return {"whole": me.value.id}

    for wrong, told in ((Around, "Around.dispatch_request runs before"), (Remembers, "above")):
        again = Site()
        again.perimeter = site.perimeter
        again.guard().add_url_rule("/me", view_func=wrong.as_view("me"))
        again.is_refused(told)
    site.guard().add_url_rule("/me", view_func=Me.as_view("me"))
    site.app.add_url_rule("/whole", view_func=Proves.as_view("whole"))
    assert site.ask("GET", "/me").json() == {"id": 1}
    assert site.ask("GET", "/whole").json() == {"whole": 1}


def test_a_class_of_starlette_goes_no_way_around_its_guards() -> None:
    """A dispatch of its own could answer first; one without starts."""
    perimeter = Perimeter(clock=lambda: NOON)
    owes = starlette.called(client_of(perimeter), "me.read")

    class Me(HTTPEndpoint):
        @starlette.guarded
        async def get(self, request: Request, me: Annotated[Proven[Subject], owes]) -> Response:
            return JSONResponse({"id": me.value.id})

    class Around(Me):
        async def dispatch(self) -> None:
            await JSONResponse({"id": "anybody's"})(self.scope, self.receive, self.send)

    with pytest.raises(BoundaryError, match=r"/me: Around\.dispatch runs before"):
        start(starlette.guard(Starlette(routes=[Route("/me", Around)]), perimeter))
    app = starlette.guard(Starlette(routes=[Route("/me", Me)]), perimeter)
    assert ask(app, "GET", "/me").json() == {"id": 1}
