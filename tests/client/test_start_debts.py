"""What else an application with clients doesn't start with: a proof that is replaced, outrun, or misnamed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, Body, Depends, FastAPI
from starlette.testclient import TestClient

from pratique import Perimeter, Proven
from pratique.client import Client
from pratique.core.refusal import BoundaryError
from pratique.integrations.fastapi import Public, called, elsewhere, guard, owned
from tests.client.shop import NOON, ORIGIN, TOKENS, Order, Shop
from tests.client.test_start import client, db, debts


def guarded(*parts: Any) -> tuple[FastAPI, Client]:
    """Return a guarded application, and its boundary."""
    perimeter = Perimeter(clock=lambda: NOON)
    shop = perimeter.declare(client())
    return guard(FastAPI(), perimeter, elsewhere=parts), shop


@pytest.mark.parametrize("marker", [Body(embed=True), Body()], ids=["member", "whole"])
@pytest.mark.parametrize("is_included", [False, True])
def test_a_view_that_reads_the_content_itself_does_not_start(
    marker: Any, is_included: bool
) -> None:
    """FastAPI reads it whole before a dependency runs: no cap, no proof, and then the boundary waits for it (CWE-770)."""
    for is_read in (True, False):
        app, shop = guarded()
        router: Any = APIRouter() if is_included else app
        proof = called(shop, "profile.read")

        async def reads(who: Annotated[Any, proof], x: Any = marker) -> None: ...

        async def leaves(who: Annotated[Proven[Any], proof]) -> None: ...

        reads.__annotations__["who"] = Annotated[Proven[Any], proof]
        reads.__annotations__["x"] = str
        leaves.__annotations__["who"] = Annotated[Proven[Any], proof]
        router.post("/me")(reads if is_read else leaves)
        if is_included:
            app.include_router(router)
        assert ["reads the content before" in debt for debt in debts(app)] == [True] * is_read


@pytest.mark.parametrize("is_included", [False, True])
def test_a_proof_that_is_overridden_does_not_start(is_included: bool) -> None:
    """CWE-862: dependency_overrides put something else in a proof's place; that of a session may be replaced."""
    for what in ("proof", "session"):
        app, shop = guarded()
        router: Any = APIRouter() if is_included else app
        proof = called(shop, "profile.read", session=db)

        async def me(who: Any) -> None: ...

        me.__annotations__["who"] = Annotated[Proven[Any], proof]
        router.get("/me")(me)
        if is_included:
            app.include_router(router)
        app.dependency_overrides[proof.dependency if what == "proof" else db] = lambda: None
        assert ["is overridden" in debt for debt in debts(app)] == [True] * (what == "proof")


@pytest.mark.parametrize("what", ["helper", "beside", "session"])
def test_a_helper_of_a_proof_that_is_overridden_does_not_start(what: str) -> None:
    """CWE-862: what is put in a helper's place is asked without the proof that the helper asked; another one may be replaced."""
    app, shop = guarded()
    proof = called(shop, "profile.read", session=db)

    async def helper(who: Any) -> None: ...

    async def beside() -> None: ...

    async def me(mine: Any, more: Any) -> None: ...

    helper.__annotations__["who"] = Annotated[Proven[Any], proof]
    me.__annotations__["mine"] = Annotated[Any, Depends(helper)]
    me.__annotations__["more"] = Annotated[Any, Depends(beside)]
    app.get("/me")(me)
    app.dependency_overrides[{"helper": helper, "beside": beside, "session": db}[what]] = lambda: 1
    assert ["is overridden" in debt for debt in debts(app)] == [True] * (what == "helper")


def test_what_a_default_or_a_helper_says_is_looked_at() -> None:
    """An annotation beside a default, or of a dependency between proof and view, agrees with the proof too."""
    for verb, starts in (("read", True), ("update", False)):
        app, shop = guarded()
        said: Any = Proven[Order, Literal[verb]]  # type: ignore[valid-type]
        proof = owned(shop, Order.owner_id, "read", session=db)

        async def by_default(order: Any = proof) -> None: ...

        async def helper(order: Any) -> None: ...

        by_default.__annotations__["order"] = said
        helper.__annotations__["order"] = Annotated[said, proof]

        async def through(order: Any = Depends(helper)) -> None: ...

        app.get("/a/{order_id}")(by_default)
        app.get("/b/{order_id}")(through)
        found = debts(app)
        assert len(found) == (0 if starts else 2)
        assert all("its dependency proves Proven[Order" in debt for debt in found)


def test_elsewhere_names_a_part_of_the_path_whole() -> None:
    """A prefix "/admin" isn't one of "/administrators": what is below it, and itself, is somebody else's."""

    async def view() -> None: ...

    for path, starts in (
        ("/admin", True),
        ("/admin/users", True),
        ("/administrators", False),
        ("/admin-api/users", False),
    ):
        app, shop = guarded(elsewhere("/admin", by="another library"))
        shop.action("profile.read")
        app.get(path)(view)
        assert (debts(app) == []) is starts


@pytest.mark.parametrize("is_included", [False, True])
def test_a_websocket_is_not_proven_by_a_request_and_does_not_start(is_included: bool) -> None:
    """FastAPI hands no request to a websocket, so that nobody would ever be let in: it is said at the start."""
    for is_socket in (True, False):
        app, shop = guarded()
        router: Any = APIRouter() if is_included else app
        proof = called(shop, "profile.read")

        async def view(who: Any) -> None: ...

        view.__annotations__["who"] = Annotated[Proven[Any], proof]
        (router.websocket if is_socket else router.get)("/live")(view)
        if is_included:
            app.include_router(router)
        assert ["is a websocket" in debt for debt in debts(app)] == [True] * is_socket


@pytest.mark.parametrize("depth", [1, 2])
def test_a_refusal_in_a_mounted_application_is_answered_as_one(tmp_path: Path, depth: int) -> None:
    """Not a 500 of the inner application's own: nobody 401, somebody else's 404, the own one is shown."""
    shop = Shop(tmp_path, is_async=False)
    inner, outer = FastAPI(), FastAPI()
    (show,) = [r for r in shop.app.routes if getattr(r, "name", "") == "show"]
    inner.get("/orders/{order_id}")(show.endpoint)  # type: ignore[attr-defined]
    if depth == 2:
        outer.mount("/v1", inner)
    shop.app.mount("/api", outer if depth == 2 else inner)
    path = "/api/v1/orders/" if depth == 2 else "/api/orders/"
    own = {"cookie": f"session={TOKENS['ann']}", "origin": ORIGIN}
    with TestClient(shop.app, raise_server_exceptions=False) as http:
        answer = http.get(f"{path}10")
        assert (answer.status_code, answer.headers["content-type"]) == (
            401,
            "application/problem+json",
        )
        assert http.get(f"{path}20", headers=own).status_code == 404
        assert http.get(f"{path}10", headers=own).json()["id"] == 10
    shop.engine.dispose()


def _is_told(shop: Client) -> Any:
    """Return a view that proves who calls."""
    proof = called(shop, "profile.read")

    async def view(who: Any) -> None: ...

    view.__annotations__["who"] = Annotated[Proven[Any], proof]
    return view


async def naked() -> str:
    """Answer anybody."""
    return "anybody"


@pytest.mark.parametrize("is_naked", [True, False])
def test_a_route_that_the_lifespan_adds_is_looked_at(is_naked: bool) -> None:
    """CWE-862: plugins are often included there, after the first look; a proven one starts, a naked one doesn't, and what the lifespan opened is closed."""
    perimeter = Perimeter(clock=lambda: NOON)
    shop = perimeter.declare(client())
    view, open_now = _is_told(shop), list[str]()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        router = APIRouter(prefix="/plugin")
        router.get("/page")(naked if is_naked else view)
        app.include_router(router)
        open_now.append("pool")
        try:
            yield
        finally:
            open_now.clear()

    found = debts(guard(FastAPI(lifespan=lifespan), perimeter))
    assert ["/plugin/page is naked" in debt for debt in found] == [True] * is_naked
    assert open_now == []
    assert not perimeter.is_started


@pytest.mark.parametrize("place", ["application", "included", "mounted"])
def test_a_route_that_comes_while_it_serves_is_looked_at(place: str) -> None:
    """CWE-862: no request is answered from then on, whoever added it; one that proves who calls is served."""
    app, shop = guarded()
    view, below, router = _is_told(shop), FastAPI(openapi_url=None), APIRouter()
    app.get("/me")(view)
    below.get("/me")(view)
    router.get("/you")(view)
    app.mount("/below", below)
    app.include_router(router)
    grows: Any = {"application": app, "included": router, "mounted": below}[place]
    path = "/below/later" if place == "mounted" else "/later"
    with TestClient(app) as http:
        assert http.get("/me").status_code == 401
        grows.get(path.removeprefix("/below"))(view)
        assert http.get(path).status_code in (401, 404)  # an older FastAPI has copied the router
        grows.get(path.removeprefix("/below") + "/naked")(naked)
        for _ in range(2):
            told = _told(http, f"{path}/naked")
            assert "is naked" in told or (told, place) == ("404", "included")


def _told(http: TestClient, path: str) -> str:
    """Return the status of an answer, or why there is none."""
    try:
        return str(http.get(path).status_code)
    except BoundaryError as error:
        return str(error)


@pytest.mark.parametrize("kind", ["view", "default"])
def test_an_application_in_a_routes_place_is_naked(kind: str) -> None:
    """CWE-862: a FastAPI as a view is no page of FastAPI's own, and what answers where no route matches is a route; named, or marked, they start."""
    legacy = FastAPI(openapi_url=None)
    legacy.get("/legacy")(naked)

    @Public("says what everybody may know")
    async def lost(scope: Any, receive: Any, send: Any) -> None: ...

    for is_told in (False, True):
        app, shop = guarded(*[elsewhere("/legacy", by="its own login")] * is_told)
        app.get("/me")(_is_told(shop))
        if kind == "view":
            app.add_route("/legacy", legacy)
        else:
            app.router.default = lost if is_told else legacy
        assert ["is naked" in debt for debt in debts(app)] == [True] * (not is_told)


@pytest.mark.skipif(not hasattr(FastAPI, "frontend"), reason="an older FastAPI serves no frontend")
@pytest.mark.parametrize("place", ["application", "included", "mounted"])
def test_files_of_a_frontend_are_looked_at(place: str, tmp_path: Path) -> None:
    """CWE-862: app.frontend(…) answers where no route matches; proven by its router, or named whole, it starts."""
    (tmp_path / "index.html").write_text("files")
    prefix = {"application": "", "included": "/app", "mounted": "/below"}[place]
    for parts, is_proven, starts in (
        ((), False, False),
        ((elsewhere("/other/*", by="nobody"),), False, False),
        ((elsewhere(f"{prefix}/*", by="files for everybody"),), False, True),
        ((), True, True),
    ):
        app, shop = guarded(*parts)
        view = _is_told(shop)
        app.get("/me")(view)
        proofs = [Depends(view.__annotations__["who"].__metadata__[0].dependency)] * is_proven
        below, router = (
            FastAPI(openapi_url=None, dependencies=proofs),
            APIRouter(prefix="/app", dependencies=proofs),
        )
        if place == "application":
            router.prefix = ""
        serves: Any = below if place == "mounted" else router
        serves.frontend("/", directory=tmp_path)
        app.include_router(router)
        app.mount("/below", below)
        below.get("/me")(view)
        found = debts(app)
        assert [f"Route {prefix}/* is naked" in debt for debt in found] == [True] * (not starts)


def test_a_proof_that_is_overridden_while_it_serves_is_told() -> None:
    """CWE-862: no request is answered while something else stands in a proof's place; without it they are again."""
    app, shop = guarded()
    view = _is_told(shop)
    app.get("/me")(view)
    proof = view.__annotations__["who"].__metadata__[0].dependency
    with TestClient(app) as http:
        assert _told(http, "/me") == "401"
        app.dependency_overrides[proof] = lambda: "anybody"
        assert "its proof is overridden" in _told(http, "/me")
        app.dependency_overrides = {proof: lambda: "anybody"}
        assert "its proof is overridden" in _told(http, "/me")
        app.dependency_overrides = {}
        assert _told(http, "/me") == "401"
