"""A list of the caller's own rows: each door gives the same pages, and refuses the same cursors."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pratique import Perimeter, Proven
from pratique.client import Client, Page, SessionCookie
from pratique.core.refusal import BoundaryError
from pratique.integrations import fastapi, flask, starlette
from pratique.integrations.proving import MAX_MEMBERS
from tests.client.shop import NOON, ORIGIN, TOKENS, Order, Shop, loaders
from tests.client.test_page import sparing
from tests.serving import served
from tests.sink import Kept

MOST = 3


def told(page: Page[Order]) -> dict[str, Any]:
    """Return what a page is answered as."""
    return {"ids": [order.id for order in page.rows], "next": page.next}


def of_fastapi(perimeter: Perimeter, client: Client, session: Any) -> FastAPI:
    """Return the list by FastAPI."""

    def opened() -> Iterator[Any]:
        with session() as db:
            yield db

    proof = fastapi.listed(client, Order.owner_id, session=opened, most=MOST)
    app = FastAPI()

    async def orders(mine: Annotated[Proven[Page[Order], Literal["list"]], proof]) -> Any:
        return told(mine.value)

    app.add_api_route("/orders", orders)
    return fastapi.guard(app, perimeter)


def of_starlette(perimeter: Perimeter, client: Client, session: Any) -> Starlette:
    """Return the list by Starlette."""
    proof = starlette.listed(client, Order.owner_id, session=session, most=MOST)

    def orders(
        request: Request, mine: Annotated[Proven[Page[Order], Literal["list"]], proof]
    ) -> Response:
        return JSONResponse(told(mine.value))

    app = Starlette(routes=[Route("/orders", starlette.guarded(orders))])
    return starlette.guard(app, perimeter)


def of_flask(perimeter: Perimeter, client: Client, session: Any) -> Flask:
    """Return the list by Flask."""
    proof = flask.listed(client, Order.owner_id, session=session, most=MOST)
    app = Flask("shop")
    flask.Pratique(perimeter).init_app(app)

    @app.get("/orders")
    @flask.guarded
    def orders(mine: Annotated[Proven[Page[Order], Literal["list"]], proof]) -> Any:
        return told(mine.value)

    return app


@pytest.fixture(params=[of_fastapi, of_starlette, of_flask])
def http(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[httpx.Client]:
    """Give a client of the list, by each door."""
    shop = Shop(tmp_path, is_async=False, policy=sparing)
    with shop.new.begin() as session:
        session.add_all([Order(id=key, owner_id=1) for key in (11, 12, 13, 2**31 - 1)])
    perimeter = Perimeter(events=Kept(), clock=lambda: NOON)
    load, user = loaders(is_async=False)
    identity = SessionCookie("session", load, origins=[ORIGIN])
    client = perimeter.declare(Client("shop", identity=identity, user=user, policy=sparing))
    with served(request.param(perimeter, client, shop.new)) as made:
        yield made
    perimeter.close()
    shop.engine.dispose()


def get(http: httpx.Client, who: str, query: str = "") -> httpx.Response:
    """Ask for a page of somebody's orders."""
    headers = {"cookie": f"session={TOKENS.get(who, who)}", "origin": ORIGIN}
    return http.get(f"/orders{query}", headers=headers)


def test_a_list_holds_ones_own_rows_alone(http: httpx.Client) -> None:
    """CL-01: page by page to the end; bob has his own, and nobody a 401."""
    first = get(http, "ann").json()
    assert first == {"ids": [10, 11, 12], "next": "12"}
    assert get(http, "ann", "?after=12").json() == {"ids": [13, 2**31 - 1], "next": ""}
    assert get(http, "bob").json()["ids"] == [20]
    assert get(http, "nobody").status_code == 401


@pytest.mark.parametrize(
    "query",
    [
        "?after=x",
        "?after=012",
        "?after=12&after=13",
        "?after=&after=12",
        "?" + "&".join(["a=b"] * (MAX_MEMBERS + 1)),
    ],
)
def test_a_cursor_is_one_key_in_one_spelling(http: httpx.Client, query: str) -> None:
    """CWE-436: which of two is meant, two programs tell apart differently; one is taken, and so is none."""
    answer = get(http, "ann", query)
    assert (answer.status_code, answer.json()["code"]) == (404, "bad_key")
    assert get(http, "nobody", query).status_code == 401  # who calls is asked first
    for fine in ("?after=12", "?after=", "?other=1&after=12&other=2"):
        assert get(http, "ann", fine).status_code == 200


@pytest.mark.parametrize("listed", [starlette.listed, flask.listed])
def test_a_page_has_its_bounds(listed: Callable[..., Any], tmp_path: Path) -> None:
    """CWE-770: no row, and more than a thousand, are refused; a thousand are declared."""
    shop = Shop(tmp_path, is_async=False)
    for most in (0, 1001):
        with pytest.raises(BoundaryError, match="1 to 1000 rows"):
            listed(shop.client, Order.owner_id, session=shop.new, most=most)
    assert listed(shop.client, Order.owner_id, session=shop.new, most=1000).action.name
    shop.engine.dispose()
