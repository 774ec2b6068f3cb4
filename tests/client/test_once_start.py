"""What a one-time action owes before anything starts: a business key, a store that can, an answer without a secret."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pratique import Perimeter, stores
from pratique.client import Attempts, Client, Session, SessionCookie
from pratique.core.claim import Claim, Fields, Via
from pratique.core.refusal import BoundaryError, Refused
from pratique.integrations.fastapi import does, guard
from tests.client.shop import NOON, ORIGIN

TOKEN = "t" * 32


class Said(msgspec.Struct):
    """An answer."""

    total: int


class Leaky(msgspec.Struct):
    """An answer with a secret inside."""

    inner: list[dict[str, "Inner"]]


class Inner(msgspec.Struct):
    """What is inside."""

    reset_token: str


def client() -> Client:
    """Return a boundary with one user."""
    return Client(
        "shop",
        identity=SessionCookie("session", lambda _: Session(1, NOON, NOON), origins=[ORIGIN]),
        user=lambda subject: {"id": subject},
        policy=lambda *_: True,
    )


def debts(store: Any, **more: Any) -> list[str]:
    """Return what is owed where one action is declared."""
    perimeter, shop = Perimeter(store, clock=lambda: NOON), client()
    handler = more.pop("handler", lambda _: None)
    shop.once("coupon.redeem", **{"key": lambda _: 1, **more})(handler)
    perimeter.declare(shop)
    return perimeter.debts()


def test_single_use_is_owed() -> None:
    """UNIQUE: without a business key it doesn't start, whatever key a client may send; with one it does."""
    (debt,) = debts(stores.memory(), key=None)
    assert 'Boundary "shop" coupon.redeem owes UNIQUE and has no proof. Pass key=' in debt
    assert debts(stores.memory()) == []


def test_a_store_is_owed() -> None:
    """UNIQUE rests on a store: none is a debt, and so is one that can't keep key and effect in one commit."""
    (debt,) = debts(None)
    assert "owes UNIQUE and has no proof. Pass Perimeter(store=stores.…)." in debt
    told = debts(stores.sqlite("nowhere.db"))
    assert "are one commit, and the store sqlite can't" in told[0]


def test_callables_fit_the_store(tmp_path: Path) -> None:
    """A session where there is none, and a coroutine on a sync session, are said before the start."""

    async def later(_: Any) -> None: ...

    (debt,) = debts(stores.memory(), handler=lambda proven, db: None)
    assert "handler (test_once_start.py" in debt
    assert "wants a session" in debt
    (debt,) = debts(stores.sqlite3(lambda: sqlite3.connect(tmp_path / "s.db")), handler=later)
    assert "is async, and the store's session is sync" in debt
    assert debts(stores.memory(), handler=later) == []


@pytest.mark.parametrize(
    "declare",
    [
        lambda: debts(stores.memory(), answer=dict),
        lambda: debts(stores.memory(), answer=Leaky),
        lambda: debts(stores.memory(), link=lambda user, key: None),
        lambda: debts(stores.memory(), allow=lambda: True),
        lambda: Attempts(0),
        lambda: Attempts(5, in_all=4),
        lambda: Attempts(5, per=timedelta(milliseconds=10)),
    ],
)
def test_what_cant_hold_is_refused_at_once(declare: Callable[[], Any]) -> None:
    """A mistake of ours, said where it is made."""
    with pytest.raises(BoundaryError):
        declare()
    assert debts(stores.memory(), answer=Said, attempts=Attempts(5), allow=lambda *_: True) == []


def test_a_view_stands_where_it_can_do_its_work() -> None:
    """CWE-352: a one-time action behind GET, and a path without its place, are said at the start; POST with it starts."""

    def told(method: str, path: str) -> str:
        perimeter, shop = Perimeter(stores.memory(), clock=lambda: NOON), client()
        perimeter.declare(shop)
        action = shop.once(
            "coupon.redeem", key=lambda _: 1, link=lambda user, key: key, read_key=str
        )(lambda _: None)
        app = guard(FastAPI(), perimeter)
        app.add_api_route(path, does(action), methods=[method])
        try:
            with TestClient(app):
                return ""
        except BoundaryError as error:
            return str(error)

    assert "GET changes nothing by its meaning" in told("GET", "/coupons/{coupon_id}")
    assert "reads {coupon_id}, which isn't in the path" in told("POST", "/coupons/{number}")
    assert told("POST", "/coupons/{coupon_id}") == ""


def test_an_action_is_declared_once() -> None:
    """One name, one action, of either kind."""
    shop = client()
    shop.once("coupon.redeem", key=lambda _: 1)(lambda _: None)
    with pytest.raises(BoundaryError, match=r"declares the action coupon\.redeem twice"):
        shop.once("coupon.redeem", key=lambda _: 1)(lambda _: None)
    shop.action("coupon.read")


def test_a_crossing_of_another_boundary_does_nothing_once() -> None:
    """What is owed is the crossing's boundary's: by another's nothing is done or used up; by its own it is (CWE-441)."""
    store, done = stores.memory(), list[int]()
    perimeter, shop, other = Perimeter(store, clock=lambda: NOON), client(), client()
    other.name = "other"
    action = shop.once("coupon.redeem", key=lambda _: 1)(lambda _: done.append(1))
    read = shop.action("coupon.read")
    other.action("coupon.read")
    perimeter.declare(shop)
    perimeter.declare(other)
    fields = Fields([("Cookie", f"session={TOKEN}"), ("Origin", ORIGIN)])
    claim = Claim(b"", fields, NOON, Via(method="POST"))
    with perimeter:
        for flow_of in (action.flow, read.flow):
            with pytest.raises(Refused) as refused:
                perimeter.perform(other, claim, flow_of)
            assert (refused.value.code, refused.value.status) == ("internal", 503)
        assert (done, len(store.settled), store.open_keys) == ([], 0, set())
        perimeter.perform(shop, claim, action.flow)
        perimeter.carry(shop, claim, read.flow)
    assert done == [1]


def ask(handler: Callable[[Any], Any], **more: Any) -> Any:
    """Do it once."""
    store = stores.memory()
    shop = client()
    action = shop.once("coupon.redeem", **{"key": lambda _: 1, "answer": Said, **more})(handler)
    perimeter = Perimeter(store, clock=lambda: NOON)
    perimeter.declare(shop)
    fields = Fields([("Cookie", f"session={TOKEN}"), ("Origin", ORIGIN)])
    claim = Claim(b"", fields, NOON, Via(method="POST"))
    with perimeter:
        try:
            return perimeter.perform(shop, claim, action.flow)
        finally:
            assert store.open_keys == set()
            ask.settled = len(store.settled)  # type: ignore[attr-defined]


class Echo(msgspec.Struct):
    """An answer of any text."""

    text: str


@pytest.mark.parametrize(
    ("declared", "answer"),
    [
        (Said, None),
        (Said, {"total": 1}),
        (None, Said(1)),
        (Echo, Echo("x" * 5000)),
        (Echo, Echo(f"you are {TOKEN}")),
    ],
)
def test_an_answer_is_small_typed_and_no_secret(declared: Any, answer: Any) -> None:
    """CL-15: another type, too large, or with the credential of the request: an error of ours, and the effect is undone (CWE-200)."""
    with pytest.raises(BoundaryError):
        ask(lambda _: answer, answer=declared)
    assert ask.settled == 0  # type: ignore[attr-defined]
    assert ask(lambda _: Said(1)).content == b'{"total":1}'
    assert ask.settled == 1  # type: ignore[attr-defined]


def test_a_handler_that_raises_uses_nothing_up() -> None:
    """What the effect raises is the application's own error, and the key is free again."""
    with pytest.raises(ZeroDivisionError):
        ask(lambda _: 1 // 0)
    assert ask.settled == 0  # type: ignore[attr-defined]
