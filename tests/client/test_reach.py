"""Further rows within one request, without GraphQL: their keys, their bounds, and what the start looks at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import uuid4

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pratique import Perimeter, Proven, Refused
from pratique.core.refusal import BoundaryError
from pratique.integrations.fastapi import Perform, Reach, called, guard, perform, reach
from tests.client.shop import NOON, ORIGIN, TOKENS, Order, Shop, User
from tests.client.test_start import client, db, debts


@pytest.fixture(params=["sync", "async"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """Give a shop, by both kinds of session."""
    made = Shop(tmp_path, is_async=request.param == "async", policy=lambda *_: True)
    yield made
    made.engine.dispose()


def test_a_key_is_a_text_an_integer_or_a_uuid(shop: Shop) -> None:
    """CL-16: what a view hands on without a type is refused, as no key at all or as one that isn't there; ones own is reached by text and by number."""
    keys = (10, "10", 20, True, None, 10.0, b"10", ["10"], uuid4(), "", "010", 2**70)
    orders = reach(shop.client, Order.owner_id, "show", session=shop.session)
    found: list[Any] = []

    async def view(orders: Any, me: Any) -> None:
        for key in keys:
            try:
                found.append((await orders(key)).value.id)
            except Refused as refused:
                found.append((refused.code, refused.status, bool(refused.crossing_id)))

    view.__annotations__["orders"] = Annotated[Reach[Order, Literal["show"]], orders]
    view.__annotations__["me"] = Annotated[
        Proven[User], called(shop.client, "me", session=shop.session)
    ]
    shop.app.get("/several")(view)
    with TestClient(shop.app) as http:
        http.get("/several", headers={"cookie": f"session={TOKENS['ann']}", "origin": ORIGIN})
    bad, absent = ("bad_key", 404, True), ("not_found", 404, True)
    assert found == [10, 10, absent, *[bad] * 8, absent]


@pytest.mark.parametrize("most", [0, -1, 1001])
def test_what_one_request_asks_for_is_bounded(most: int) -> None:
    """CWE-770: 1 to 1000 objects, at the declaration."""
    shop = client()
    once = shop.once("coupon.redeem", key=lambda _: 1)(lambda _: None)
    with pytest.raises(BoundaryError, match="1 to 1000"):
        reach(shop, Order.owner_id, "read", session=db, most=most)
    with pytest.raises(BoundaryError, match="1 to 1000"):
        perform(once, most=most)
    assert reach(shop, Order.owner_id, "see", session=db, most=1000)


@pytest.mark.parametrize(
    ("said", "is_right"),
    [
        (Reach[Order, Literal["read"]], True),
        (Reach[Order, object], True),
        (Reach[Order, Literal["refund"]], False),
        (Reach[User, Literal["read"]], False),
        (Proven[Order, Literal["read"]], False),
        (Reach, False),
        (Perform, False),
    ],
)
def test_an_annotation_says_what_is_reached(said: Any, is_right: bool) -> None:
    """No type checker looks into Annotated: the start does."""
    perimeter = Perimeter(clock=lambda: NOON)
    shop = perimeter.declare(client())
    found = debts(_app(perimeter, shop, said, reach(shop, Order.owner_id, "read", session=db)))
    assert (found == []) is is_right
    assert is_right or 'proves Reach[Order, Literal["read"]]' in found[0]


def test_a_reach_that_is_overridden_does_not_start() -> None:
    """In dependency_overrides it would prove nothing; the same one without starts."""
    for is_overridden in (True, False):
        perimeter = Perimeter(clock=lambda: NOON)
        shop = perimeter.declare(client())
        proof = reach(shop, Order.owner_id, "read", session=db)
        app = _app(perimeter, shop, Reach[Order, Literal["read"]], proof)
        if is_overridden:
            app.dependency_overrides[proof.dependency] = dict
        assert bool(debts(app)) is is_overridden


def _app(perimeter: Perimeter, shop: Any, said: Any, proof: Any) -> FastAPI:
    app = guard(FastAPI(), perimeter)

    async def view(orders: Any, me: Any) -> None: ...

    view.__annotations__["orders"] = Annotated[said, proof]
    view.__annotations__["me"] = Annotated[Proven[User], called(shop, "me", session=db)]
    app.get("/several")(view)
    return app
