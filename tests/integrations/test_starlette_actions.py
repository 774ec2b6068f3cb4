"""Views of Starlette that prove: what stands wrong at their route is told at the start."""

from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from pratique import Perimeter, Proven
from pratique.client import Client, Session, SessionCookie
from pratique.core.refusal import BoundaryError
from pratique.integrations import starlette_classes
from pratique.integrations.starlette import called, does, guard, guarded
from tests.client.shop import NOON, ORIGIN
from tests.shop import plain_sqlite3

TOKEN = "t" * 32


class Subject:
    id = 1


def client_of(perimeter: Perimeter) -> Client:
    """Declare a boundary with one user, who may do everything."""
    session = Session(1, NOON, NOON)
    identity = SessionCookie("session", lambda _: session, origins=[ORIGIN])
    return perimeter.declare(
        Client("shop", identity=identity, user=lambda _: Subject(), policy=lambda *_: True)
    )


def ask(app: Starlette, method: str, path: str) -> httpx.Response:
    """Ask as that user."""
    with TestClient(app) as http:
        return http.request(method, path, headers={"cookie": f"session={TOKEN}", "origin": ORIGIN})


def start(app: Starlette) -> None:
    """Start it as its first request does."""
    with TestClient(app):
        pass


def test_a_class_of_views_is_proven_where_each_of_its_methods_is() -> None:
    """One handler that forgot leaves the route naked; with each guarded it serves."""
    perimeter = Perimeter(clock=lambda: NOON)
    owes = called(client_of(perimeter), "profile.read")
    me_of = Annotated[Proven[Subject], owes]

    class Both(HTTPEndpoint):
        @guarded
        async def get(self, request: Request, me: me_of) -> Response:
            return JSONResponse({"id": me.value.id, "path": request.url.path})

    class Forgot(Both):
        async def post(self, request: Request) -> Response:
            return JSONResponse({})

    app = guard(Starlette(routes=[Route("/me", Both)]), perimeter)
    assert ask(app, "GET", "/me").json() == {"id": 1, "path": "/me"}
    naked = guard(Starlette(routes=[Route("/me", Forgot)]), perimeter)
    with pytest.raises(BoundaryError, match="naked"):
        start(naked)


def test_a_handler_of_query_is_proven_too() -> None:
    """CWE-862: a class of views answers QUERY as well, so that one that forgot it is naked."""
    perimeter = Perimeter(clock=lambda: NOON)
    owes = called(client_of(perimeter), "profile.read")

    class Forgot(HTTPEndpoint):
        async def query(self, request: Request) -> Response:
            return JSONResponse({})

    class Proves(HTTPEndpoint):
        @guarded
        async def query(self, request: Request, me: Annotated[Proven[Subject], owes]) -> Response:
            return JSONResponse({"id": me.value.id})

    with pytest.raises(BoundaryError, match="/me is naked"):
        start(guard(Starlette(routes=[Route("/me", Proves), Route("/me", Forgot)]), perimeter))
    app = guard(Starlette(routes=[Route("/me", Proves)]), perimeter)
    assert ask(app, "QUERY", "/me").status_code in (200, 405)


def test_what_an_old_starlette_calls_by_any_methods_name_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CVE-2026-48817: a helper of a class is reached past its guards, unless the methods are named."""
    perimeter = Perimeter(clock=lambda: NOON)
    owes = called(client_of(perimeter), "profile.read")

    class Me(HTTPEndpoint):
        @guarded
        async def get(self, request: Request, me: Annotated[Proven[Subject], owes]) -> Response:
            return await self.rows_of(request)

        async def rows_of(self, request: Request) -> Response:
            return JSONResponse({"rows": request.url.path})

    monkeypatch.setattr(starlette_classes, "CALLS_ANYTHING", True)
    with pytest.raises(BoundaryError, match=r"calls Me's rows_of .*CVE-2026-48817"):
        start(guard(Starlette(routes=[Route("/me", Me)]), perimeter))
    app = guard(Starlette(routes=[Route("/me", Me, methods=["GET"])]), perimeter)
    assert ask(app, "GET", "/me").json() == {"rows": "/me"}
    monkeypatch.setattr(starlette_classes, "CALLS_ANYTHING", False)
    start(guard(Starlette(routes=[Route("/me", Me)]), perimeter))


def test_a_view_without_a_guard_is_naked() -> None:
    """The annotation alone proves nothing: the route is refused until the view is guarded."""
    perimeter = Perimeter(clock=lambda: NOON)
    owes = called(client_of(perimeter), "profile.read")

    async def me(request: Request, me: Annotated[Proven[Subject], owes]) -> Response:
        return JSONResponse({"id": me.value.id})

    with pytest.raises(BoundaryError, match="/me is naked"):
        start(guard(Starlette(routes=[Route("/me", me)]), perimeter))
    start(guard(Starlette(routes=[Route("/me", guarded(me))]), perimeter))


def test_an_annotation_that_says_more_than_is_proven_is_refused() -> None:
    """No type checker looks into `Annotated`: a read proof that is called a write one doesn't start."""
    perimeter = Perimeter(clock=lambda: NOON)
    owes = called(client_of(perimeter), "profile.read")

    async def wrong(
        _: Request, me: Annotated[Proven[Subject, Literal["profile.write"]], owes]
    ) -> Response:
        return JSONResponse({"id": me.value.id})

    async def right(
        _: Request, me: Annotated[Proven[Subject, Literal["profile.read"]], owes]
    ) -> Response:
        return JSONResponse({"id": me.value.id})

    with pytest.raises(BoundaryError, match=r"me is annotated as .*profile\.write"):
        start(guard(Starlette(routes=[Route("/me", guarded(wrong))]), perimeter))
    start(guard(Starlette(routes=[Route("/me", guarded(right))]), perimeter))


def test_a_guard_that_guards_nothing_is_refused() -> None:
    """A view without a proof, or with an annotation that nobody can read, isn't guarded."""

    async def nothing(request: Request) -> Response:
        return JSONResponse({})

    async def unread(request: Request, me: "Nowhere") -> Response:  # type: ignore[name-defined]  # noqa: F821
        return JSONResponse({})

    with pytest.raises(BoundaryError, match="no parameter owes a proof"):
        guarded(nothing)
    with pytest.raises(BoundaryError, match="can't be read"):
        guarded(unread)


def test_what_happens_once_is_done_by_post(tmp_path: Path) -> None:
    """GET changes nothing by its meaning, and a place that isn't in the path is told; POST does it, once."""
    perimeter = Perimeter(
        store=plain_sqlite3(tmp_path / "shop.db").perimeter.store, clock=lambda: NOON
    )
    shop = client_of(perimeter)

    @shop.once("coupon.redeem", key=lambda asked: asked.key, link=lambda _, key: key, read_key=str)
    def redeem(_: Proven[Any]) -> None:
        return None

    by_get = Route("/coupons/{coupon_id}/redemption", does(redeem))
    lost = Route("/coupons/{code}/redemption", does(redeem), methods=["POST"])
    fine = Route("/coupons/{coupon_id}/redemption", does(redeem), methods=["POST"])
    for route, told in ((by_get, "GET, HEAD"), (lost, "coupon_id is no place")):
        with pytest.raises(BoundaryError, match=told):
            start(guard(Starlette(routes=[route]), perimeter))
    app = guard(Starlette(routes=[fine]), perimeter)
    assert [ask(app, "POST", "/coupons/a/redemption").status_code for _ in range(2)] == [200, 409]
