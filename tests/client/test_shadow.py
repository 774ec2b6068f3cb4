"""A boundary taken into an old application: the old views answer, what it would do is recorded."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Body, Depends, FastAPI
from flask import Flask
from flask import request as flask_request
from sqlalchemy.orm import Session as Db
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pratique import Perimeter, unsafe
from pratique.client import Client, SessionCookie
from pratique.core.event import Outcome
from pratique.core.route import RouteState
from pratique.integrations import fastapi as for_fastapi
from pratique.integrations import flask as for_flask
from pratique.integrations import starlette as for_starlette
from pratique.integrations.described import DESCRIBED
from tests.client.shop import NOON, ORIGIN, TOKENS, Order, OrderChange, Shop, loaders
from tests.serving import served
from tests.sink import Kept

UNTIL = NOON.date() + timedelta(days=30)


class Old:
    """An old shop behind one door, with a boundary that observes beside it."""

    def __init__(self, shop: Shop, door: Callable[["Old"], Any], *, observes: bool = True) -> None:
        self.kept, self.clock = Kept(), [NOON]
        self.new, self.broken = shop.new, False
        self.perimeter = Perimeter(events=self.kept, clock=lambda: self.clock[0])
        load, user = loaders(is_async=False)
        observe = unsafe.observe(until=UNTIL, reason="old shop", owner="shop team")
        self.client = self.perimeter.declare(
            Client(
                "shop",
                identity=SessionCookie("session", load, origins=[ORIGIN]),
                user=user,
                policy=shop.policy,
                observe=observe if observes else None,
            )
        )
        self.app = door(self)

    def session(self) -> Any:
        """Open a session, or fail as a database that is down does."""
        if self.broken:
            raise OSError
        return self.new.begin()

    def outcomes(self) -> list[tuple[Outcome, str]]:
        """Return how each crossing ended."""
        told = [each for each in self.kept.records if each.outcome is not Outcome.WARNED]
        return [(each.outcome, each.code) for each in told]


def starlette(old: Old) -> Starlette:
    """Return the old shop on Starlette: any order for anybody."""
    door = for_starlette
    read = door.shadow(door.owned(old.client, Order.owner_id, "read", session=old.session))
    update = door.shadow(
        door.owned(old.client, Order.owner_id, "update", session=old.session, content=OrderChange)
    )

    async def show(request: Request, _: Annotated[None, read]) -> Response:
        assert _ is None
        return JSONResponse({"id": request.path_params["order_id"]})

    async def change(request: Request, _: Annotated[None, update]) -> Response:
        return JSONResponse({"length": len(await request.body())})

    routes = [
        Route("/orders/{order_id}", door.guarded(show)),
        Route("/orders/{order_id}", door.guarded(change), methods=["PATCH"]),
    ]
    return door.guard(Starlette(routes=routes), old.perimeter)


def flask(old: Old) -> Flask:
    """Return the old shop on Flask."""
    door, app = for_flask, Flask("old")
    door.Pratique(old.perimeter).init_app(app)
    read = door.shadow(door.owned(old.client, Order.owner_id, "read", session=old.session))
    update = door.shadow(
        door.owned(old.client, Order.owner_id, "update", session=old.session, content=OrderChange)
    )

    @app.get("/orders/<order_id>")
    @door.guarded
    def show(order_id: str, _: Annotated[None, read]) -> Any:
        assert _ is None
        return {"id": order_id}

    @app.patch("/orders/<order_id>")
    @door.guarded
    def change(_: Annotated[None, update]) -> Any:
        return {"length": len(flask_request.get_data())}

    return app


def fastapi(old: Old) -> FastAPI:
    """Return the old shop on FastAPI, whose views and sessions stay as they were."""
    door, app = for_fastapi, for_fastapi.guard(FastAPI(), old.perimeter)

    def db() -> Iterator[Db]:
        with old.new.begin() as session:
            yield session

    read = door.shadow(door.owned(old.client, Order.owner_id, "read", session=db))
    update = door.shadow(
        door.owned(old.client, Order.owner_id, "update", session=db, content=OrderChange)
    )

    @app.get("/orders/{order_id}", dependencies=[read])
    async def show(order_id: str, session: Annotated[Db, Depends(db)]) -> Any:
        assert not session.in_transaction() or session.is_active
        return {"id": order_id}

    @app.patch("/orders/{order_id}")
    async def change(request: Request, _: Annotated[None, update]) -> Any:
        assert _ is None
        return {"length": len(await request.body())}

    @app.put("/orders/{order_id}", dependencies=[update])
    async def put(note: Annotated[str, Body(embed=True)]) -> Any:
        return {"note": note}

    async def parsed(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])  # as a form's parser does

    @app.post("/orders/{order_id}", dependencies=[Depends(parsed), update])
    async def post(length: Annotated[int, Depends(parsed)]) -> Any:
        return {"length": length}

    return app


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Give a database with orders."""
    made = Shop(tmp_path, is_async=False)
    yield made
    made.engine.dispose()


@pytest.fixture(params=[starlette, flask, fastapi])
def old(request: pytest.FixtureRequest, shop: Shop) -> Old:
    """Give the old shop behind each door."""
    return Old(shop, request.param)


def headers(who: str) -> dict[str, str]:
    """Return the fields of somebody's browser."""
    return {"cookie": f"session={TOKENS.get(who, who)}", "origin": ORIGIN}


def test_the_old_view_answers_whatever_comes_of_the_proof_until_the_end(old: Old) -> None:
    """Own, foreign, nobody's: all three are answered and told apart; then it enforces."""
    with served(old.app) as http:
        for who, order in (("ann", "10"), ("ann", "20"), ("nobody", "10")):
            answer = http.get(f"/orders/{order}", headers=headers(who))
            assert answer.json() == {"id": order}
        assert old.outcomes() == [
            (Outcome.WOULD_ADMIT, "observed"),
            (Outcome.WOULD_REFUSE, "not_found"),
            (Outcome.WOULD_REFUSE, "no_session"),
        ]
        old.clock[0] = datetime.combine(UNTIL, NOON.time(), NOON.tzinfo)
        assert http.get("/orders/10", headers=headers("nobody")).status_code == 401


def test_the_view_finds_the_content_where_it_was(old: Old) -> None:
    """Also content that is more than the boundary would take, which is recorded."""
    with served(old.app) as http:
        for content in (b'{"note": "ring"}', b"x" * ((1 << 20) + 1)):
            asked = {**headers("ann"), "content-type": "application/json"}
            answer = http.patch("/orders/10", headers=asked, content=content)
            assert answer.json() == {"length": len(content)}
        assert old.outcomes() == [
            (Outcome.WOULD_ADMIT, "observed"),
            (Outcome.WOULD_REFUSE, "too_large"),
        ]


def test_what_the_framework_read_is_judged_where_it_can_be(shop: Shop) -> None:
    """FastAPI keeps JSON; what a form's parser has read is gone, and said to be."""
    old = Old(shop, fastapi)
    with served(old.app) as http:
        asked = headers("ann")
        assert http.put("/orders/10", headers=asked, json={"note": "a"}).json() == {"note": "a"}
        assert http.post("/orders/10", headers=asked, content=b"note=b").json() == {"length": 6}
    assert old.outcomes() == [
        (Outcome.WOULD_ADMIT, "observed"),
        (Outcome.WOULD_REFUSE, "content_gone"),
    ]


@pytest.mark.parametrize("door", [starlette, flask])
def test_a_database_that_is_down_is_recorded_and_the_view_runs(
    shop: Shop, door: Callable[[Old], Any]
) -> None:
    """The session of the judging is no part of the view; the twin is judged."""
    old = Old(shop, door)
    with served(old.app) as http:
        old.broken = True
        assert http.get("/orders/10", headers=headers("ann")).status_code == 200
        old.broken = False
        assert http.get("/orders/10", headers=headers("ann")).status_code == 200
    assert old.outcomes() == [
        (Outcome.WOULD_REFUSE, "internal"),
        (Outcome.WOULD_ADMIT, "observed"),
    ]


def test_a_shadowed_route_is_legacy_and_never_guarded(old: Old) -> None:
    """What the lock and the report say of it; it needs no line in a lock to start."""
    routes = [r for r in getattr(old.app, DESCRIBED).routes() if r.path.startswith("/orders")]
    assert {route.state for route in routes} == {RouteState.LEGACY}
    named = {route.named for route in routes}
    assert f"observed until {UNTIL} by shop order.read" in named


@pytest.mark.parametrize("door", [starlette, flask, fastapi])
def test_a_shadow_of_what_enforces_is_a_debt(shop: Shop, door: Callable[[Old], Any]) -> None:
    """And so is a view that is owed a Proven of what observes; the twins have none."""
    debts = getattr(Old(shop, door, observes=False).app, DESCRIBED).debts()
    assert any("hands the view nothing" in debt for debt in debts)
    assert getattr(Old(shop, door).app, DESCRIBED).debts() == []
    shop.client.observe = unsafe.observe(until=UNTIL, reason="r", owner="o")
    assert any("Let it shadow" in debt for debt in getattr(shop.app, DESCRIBED).debts())
