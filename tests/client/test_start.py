"""An application with clients starts whole: no naked route, no annotation that says something else."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.testclient import TestClient

from pratique import Perimeter, Proven
from pratique.client import Change, Client, SessionCookie
from pratique.core.refusal import BoundaryError
from pratique.integrations.fastapi import Public, called, elsewhere, guard, owned
from tests.client.shop import NOON, ORIGIN, Order, OrderChange, Shop, User, may


def client() -> Client:
    """Return a boundary."""
    identity = SessionCookie("session", lambda digest: None, origins=[ORIGIN])
    return Client("shop", identity=identity, user=lambda subject: None, policy=may)


def db() -> None:
    """Give no session: nothing crosses here."""


def debts(app: FastAPI) -> list[str]:
    """Return why an application doesn't start."""
    try:
        with TestClient(app):
            return []
    except BoundaryError as error:
        return list(error.debts)


def test_a_naked_route_does_not_start(tmp_path: Path) -> None:
    """CWE-862: a route that nothing proves; the same one starts as public, or where somebody else guards it."""
    shop = Shop(tmp_path, is_async=False)

    async def health() -> dict[str, bool]:
        return {"ok": True}

    shop.app.get("/health")(health)
    (said,) = debts(shop.app)
    assert "/health is naked" in said

    (tmp_path / "public").mkdir()
    public = Shop(tmp_path / "public", is_async=False)
    public.app.get("/health")(Public("says only that it runs")(health))
    assert debts(public.app) == []
    perimeter = Perimeter(clock=lambda: NOON)
    shop_client = perimeter.declare(client())
    app = guard(FastAPI(), perimeter, elsewhere=[elsewhere("/accounts/", by="another library")])
    app.get("/me")(_view(called(shop_client, "profile.read")))
    app.get("/accounts/login")(health)
    assert debts(app) == []
    app.mount("/files", lambda *_: None)
    assert "/files is naked" in debts(_again(app, perimeter))[0]
    shop.engine.dispose()
    public.engine.dispose()


def _again(app: FastAPI, perimeter: Perimeter) -> FastAPI:
    """Return the same routes in an application that hasn't served yet."""
    fresh = FastAPI()
    fresh.router.routes.extend(app.routes)
    return guard(fresh, perimeter, elsewhere=[elsewhere("/accounts/", by="another library")])


def _view(proof: Any) -> Any:
    async def view(who: Annotated[Proven[User, Literal["profile.read"]], proof]) -> None: ...

    return view


def _routed(add: Callable[[APIRouter, Client], None]) -> FastAPI:
    """Return an application with a router in a router, both with a prefix."""
    perimeter = Perimeter(clock=lambda: NOON)
    shop = perimeter.declare(client())
    inner, outer, app = APIRouter(prefix="/v1"), APIRouter(prefix="/api"), FastAPI()
    add(inner, shop)
    outer.include_router(inner)
    app.include_router(outer)
    return guard(app, perimeter)


def test_routes_of_an_included_router_are_seen_with_their_whole_path() -> None:
    """FastAPI keeps an included router as one route: what is in it is guarded, public, or naked."""

    async def view() -> None: ...

    async def health() -> None: ...

    def guarded(router: APIRouter, shop: Client) -> None:
        router.get("/me")(_view(called(shop, "profile.read")))
        router.get("/orders/{order_id}")(_order(owned(shop, Order.owner_id, "read", session=db)))
        router.get("/health")(Public("says only that it runs")(health))

    def naked(router: APIRouter, shop: Client) -> None:
        guarded(router, shop)
        router.get("/all")(view)
        router.websocket("/live")(view)

    assert debts(_routed(guarded)) == []
    all_, live = debts(_routed(naked))
    assert "Route /api/v1/all is naked" in all_
    assert "Route /api/v1/live is naked" in live


def test_a_router_that_proves_who_calls_proves_it_for_its_routes() -> None:
    """A dependency of the router is one of each of its routes; without it each is naked."""

    async def view() -> None: ...

    for is_proven in (True, False):
        perimeter = Perimeter(clock=lambda: NOON)
        proof = called(perimeter.declare(client()), "profile.read")
        router = APIRouter(dependencies=[proof if is_proven else Depends(db)])
        router.get("/one")(view)
        app = guard(FastAPI(), perimeter)
        app.include_router(router, prefix="/api")
        assert ["/api/one is naked" in debt for debt in debts(app)] == [True] * (not is_proven)


def test_a_place_that_the_path_has_not_is_told_at_the_start() -> None:
    """FastAPI would answer 422 to everybody; the same place by its name, or named by key=, starts."""
    for path, key, starts in (
        ("/orders/{order_id}", None, True),
        ("/orders/{number}", "number", True),
        ("/orders/{number}", None, False),
        ("/orders", None, False),
    ):
        perimeter = Perimeter(clock=lambda: NOON)
        shop = perimeter.declare(client())
        app = guard(FastAPI(), perimeter)
        app.get(path)(_order(owned(shop, Order.owner_id, "read", session=db, key=key)))
        found = debts(app)
        assert (found == []) is starts
        assert starts or "reads {order_id}, which" in found[0]


def test_a_mount_is_below_its_prefix() -> None:
    """The prefix /static/ names what is mounted at /static; /stat/ doesn't, nor a route /static."""

    async def view() -> None: ...

    for prefix, is_mount, starts in (
        ("/static/", True, True),
        ("/stat/", True, False),
        ("/static/", False, False),
    ):
        perimeter = Perimeter(clock=lambda: NOON)
        perimeter.declare(client())
        app = guard(FastAPI(), perimeter, elsewhere=[elsewhere(prefix, by="files")])
        if is_mount:
            app.mount("/static", lambda *_: None)
        else:
            app.get("/static")(view)
        assert ["/static is naked" in debt for debt in _naked(app)] == [True] * (not starts)


def _naked(app: FastAPI) -> list[str]:
    return [debt for debt in debts(app) if "is naked" in debt]


def _order(proof: Any) -> Any:
    async def view(order: Annotated[Proven[Order, Literal["read"]], proof]) -> None: ...

    return view


def test_an_opt_out_owes_its_reason() -> None:
    """An empty reason is none, and the whole application is no part of it."""
    for wrong in (
        lambda: Public(" "),
        lambda: elsewhere("/", by="x"),
        lambda: elsewhere("/a", by=""),
        lambda: Public(dict),  # a bare @Public
    ):
        with pytest.raises(BoundaryError):
            wrong()


@pytest.mark.parametrize(
    ("said", "is_right"),
    [
        (Proven[Order, Literal["read"]], True),
        (Proven[Order], True),
        (Proven[Order, Literal["update"]], False),
        (Proven[User, Literal["read"]], False),
        (Proven[Change[Order, OrderChange], Literal["read"]], False),
        (Order, False),
    ],
)
def test_an_annotation_says_what_its_dependency_proves(said: Any, is_right: bool) -> None:
    """No type checker looks into Annotated: the start does."""
    perimeter = Perimeter(clock=lambda: NOON)
    shop = perimeter.declare(client())
    proof = owned(shop, Order.owner_id, "read", session=db)
    app = guard(FastAPI(), perimeter)

    async def view(order: Any) -> None: ...

    view.__annotations__["order"] = Annotated[said, proof]
    app.get("/orders/{order_id}")(view)
    found = debts(app)
    assert (found == []) is is_right
    assert is_right or "its dependency proves Proven[Order" in found[0]


def test_a_written_content_is_in_the_annotation() -> None:
    """Change[Order, OrderChange] where content is declared; Order alone doesn't start."""
    for said, is_right in (
        (Proven[Change[Order, OrderChange], Literal["update"]], True),
        (Proven[Order, Literal["update"]], False),
    ):
        perimeter = Perimeter(clock=lambda: NOON)
        shop = perimeter.declare(client())
        proof = owned(shop, Order.owner_id, "update", session=db, content=OrderChange)
        app = guard(FastAPI(), perimeter)

        async def view(order: Any) -> None: ...

        view.__annotations__["order"] = Annotated[said, proof]
        app.patch("/orders/{order_id}")(view)
        assert (debts(app) == []) is is_right


def test_a_verb_names_no_model() -> None:
    """What would be order.order.read in events and scopes isn't declared; the verb alone is."""
    shop = Client(
        "shop",
        identity=SessionCookie("session", lambda _: None, origins=["https://shop.example"]),
        user=lambda _: None,
        policy=lambda *_: True,
    )

    def db() -> None: ...

    with pytest.raises(BoundaryError, match='Pass the verb alone, "read"'):
        owned(shop, Order.owner_id, "order.read", session=db)
    owned(shop, Order.owner_id, "read", session=db)
    assert [one.name for one in shop.declarations()] == ["order.read"]
