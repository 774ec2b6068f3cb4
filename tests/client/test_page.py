"""A list of the caller's own rows: page by page, nobody else's, by FastAPI's own dependency."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pratique import Perimeter, Proven
from pratique.client import Page
from pratique.core.refusal import BoundaryError
from pratique.integrations.fastapi import guard, listed
from tests.client.shop import NOON, ORIGIN, TOKENS, Order, Shop, User, may
from tests.client.test_start import client as boundary
from tests.client.test_start import db, debts

MOST = 3
Get = Callable[..., httpx.Response]


def sparing(user: User, verb: str, thing: Any) -> bool:
    """Show no list that holds an order in dispute."""
    if verb != "list":
        return may(user, verb, thing)
    return isinstance(thing, Page) and all(order.state != "disputed" for order in thing.rows)


@pytest.fixture(params=["sync", "async"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """Give a shop with a list of one's own orders."""
    made = Shop(tmp_path, is_async=request.param == "async", policy=sparing)
    proof = listed(made.client, Order.owner_id, session=made.session, most=MOST)

    @made.app.get("/orders")
    async def orders(mine: Annotated[Proven[Page[Order], Literal["list"]], proof]) -> Any:
        return {"ids": [order.id for order in mine.value.rows], "next": mine.value.next}

    with made.new.begin() as session:
        session.add_all([Order(id=key, owner_id=1) for key in (11, 12, 13, 2**31 - 1)])
    yield made
    made.engine.dispose()


@pytest.fixture
def get(shop: Shop) -> Iterator[Get]:
    """Give what asks for a page of somebody's orders."""
    with TestClient(shop.app) as http:

        def ask(who: str, **query: Any) -> httpx.Response:
            headers = {"cookie": f"session={TOKENS.get(who, who)}", "origin": ORIGIN}
            return http.get("/orders", params=query, headers=headers)

        yield ask


def test_a_list_holds_ones_own_rows_alone(shop: Shop, get: Get) -> None:
    """CL-01: everybody sees theirs, page by page to the end; who has none has an empty page, and nobody a 401."""
    first = get("ann").json()
    assert first == {"ids": [10, 11, 12], "next": "12"}
    assert get("ann", after=first["next"]).json() == {"ids": [13, 2**31 - 1], "next": ""}
    assert get("bob").json() == {"ids": [20], "next": ""}
    assert get("root").json() == {"ids": [], "next": ""}
    assert get("x" * 32).status_code == 401
    assert [record.declaration for record in shop.kept.records[:1]] == ["order.list"]


@pytest.mark.parametrize(
    ("after", "status", "ids"),
    [
        ("20", 200, [2**31 - 1]),
        (str(2**31 - 1), 200, []),
        (str(2**63), 200, []),
        ("9" * 30, 200, []),
        ("0", 200, [10, 11, 12]),
        ("", 200, [10, 11, 12]),
        ("x", 404, None),
        ("-1", 404, None),
        ("10 OR 1=1", 404, None),
    ],
)
def test_a_cursor_opens_nothing(get: Get, after: str, status: int, ids: Any) -> None:
    """CL-01, CL-16: somebody else's key, one that can't be and one of another kind move the begin at the most."""
    answer = get("ann", after=after)
    assert (answer.status_code, answer.json().get("ids")) == (status, ids)


def test_the_policy_is_asked_with_the_page(shop: Shop, get: Get) -> None:
    """What it must not show it refuses whole; a page without it is shown."""
    shop.change(Order, 13, state="disputed")
    assert get("ann").status_code == 200
    assert get("ann", after=12).status_code == 403


def test_a_page_is_bounded_and_its_annotation_true() -> None:
    """CWE-770: 1 to 1000 rows; and the annotation says Page[Order], or it doesn't start."""
    perimeter = Perimeter(clock=lambda: NOON)
    client = perimeter.declare(boundary())
    for most in (0, -1, 1001):
        with pytest.raises(BoundaryError, match="1 to 1000"):
            listed(client, Order.owner_id, session=db, most=most)
    proof = listed(client, Order.owner_id, session=db, most=1000)
    for said, is_right in (
        (Proven[Page[Order], Literal["list"]], True),
        (Proven[Page[User], Literal["list"]], False),
        (Proven[Page[Order], Literal["read"]], False),
        (Proven[Order, Literal["list"]], False),
    ):
        app = guard(FastAPI(), perimeter)

        async def view(mine: Any) -> None: ...

        view.__annotations__["mine"] = Annotated[said, proof]
        app.get("/orders")(view)
        found = debts(app)
        assert (found == []) is is_right
        assert is_right or 'proves Proven[Page[Order], Literal["list"]]' in found[0]


def test_who_can_own_nothing_has_no_list(tmp_path: Path) -> None:
    """A user without a value in the place of the owner isn't the owner of everybody's or nobody's rows."""
    made = Shop(tmp_path, is_async=False, policy=lambda *_: True)
    for path, by in (("/none", lambda _: None), ("/yes", lambda _: True), ("/own", lambda u: u.id)):
        proof = listed(made.client, Order.owner_id, path, session=made.session, by=by)

        async def view(mine: Any) -> list[int]:
            return [order.id for order in mine.value.rows]

        view.__annotations__["mine"] = Annotated[Proven[Page[Order]], proof]
        made.app.get(path)(view)
    headers = {"cookie": f"session={TOKENS['ann']}", "origin": ORIGIN}
    with TestClient(made.app) as http:
        answers = [http.get(path, headers=headers) for path in ("/none", "/yes", "/own")]
    made.engine.dispose()
    assert [answer.status_code for answer in answers] == [404, 404, 200]
    assert answers[2].json() == [10]
