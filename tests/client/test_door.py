"""A client reaches what is theirs, by each framework's door, with sync and async sessions."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from tests.client import doors
from tests.client.shop import NOON, ORIGIN, TOKENS, Order, Shop, User
from tests.serving import served

DOORS = ["fastapi sync", "fastapi async", "starlette sync", "starlette async", "flask sync"]
DOORS += ["django sync", "django async"]


@pytest.fixture(params=DOORS)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """Give the shop by each door, by both kinds of session."""
    door, session = request.param.split()
    made = Shop(tmp_path, is_async=session == "async", door=getattr(doors, door))
    yield made
    made.engine.dispose()


@pytest.fixture
def http(shop: Shop) -> Iterator[TestClient]:
    """Give a client of it."""
    with served(shop.app) as client:
        yield client


def ask(http: TestClient, method: str, path: str, who: str = "ann", **more: Any) -> httpx.Response:
    """Send one request as somebody."""
    headers = {
        "cookie": f"session={TOKENS.get(who, who)}",
        "origin": ORIGIN,
        **more.pop("headers", {}),
    }
    return http.request(method, path, headers=headers, **more)


def test_a_foreign_object_is_not_found(shop: Shop, http: TestClient) -> None:
    """CL-01: another customer's order, one of nobody, one that isn't there or can't be (CWE-190): the same 404; the own one is shown (CWE-639)."""
    keys = (20, 30, 999, 2**31, 2**63 - 1, 2**63, 2**64 + 10)
    answers = [ask(http, "GET", f"/orders/{key}") for key in keys]
    assert {a.status_code for a in answers} == {404}
    assert len({a.content for a in answers}) == 1
    assert ask(http, "GET", "/orders/10").json() == {"id": 10, "note": "", "state": "open"}
    assert ask(http, "GET", "/orders/20", "bob").status_code == 200


def test_a_foreign_object_is_not_changed(shop: Shop, http: TestClient) -> None:
    """CL-02: the write is refused and nothing changes; the own one is written."""
    assert ask(http, "PATCH", "/orders/20", json={"note": "mine"}).status_code == 404
    assert shop.read(20).note == ""
    assert ask(http, "PATCH", "/orders/10", json={"note": "ring"}).status_code == 200
    assert shop.read(10).note == "ring"


@pytest.mark.parametrize(
    "content",
    [
        {"owner_id": 2},
        {"note": "x", "price": 1},
        {"note": "x", "role": "admin"},
        {"Note": "x"},
        {"quantity": -1},
        {"quantity": 0},
        {"quantity": 1.5},
        {"quantity": "1"},
        {"note": None},
        [],
        b'{"note": "a", "note": "b"}',
        b'{"quantity": NaN}',
        b'{"quantity": 1e309}',
        b'{"note": ' + b"[" * 100 + b"]" * 100 + b"}",
        b"{",
        b"",
        b"\xff",
    ],
)
def test_only_writable_fields_are_written(shop: Shop, http: TestClient, content: Any) -> None:
    """CL-04 to CL-08: what isn't named, is out of bounds, comes twice or is no JSON: refused, read back unchanged (CWE-915)."""
    raw = (
        content
        if isinstance(content, bytes)
        else httpx.Request("POST", "http://x", json=content).content
    )
    answer = ask(
        http, "PATCH", "/orders/10", content=raw, headers={"content-type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    order = shop.read(10)
    assert (order.note, order.quantity, order.owner_id, order.price) == ("", 1, 1, 2900)
    assert ask(http, "PATCH", "/orders/10", json={"quantity": 2}).status_code == 200


@pytest.mark.parametrize(
    "key", ["1e1", "010", "10.0", " 10", "10%0a", "-10", "x", "9" * 30, "１０"]
)
def test_a_key_of_another_kind_is_not_found(http: TestClient, key: str) -> None:
    """CL-16: one spelling of a key; every other one is 404, like an order that isn't there."""
    assert ask(http, "GET", f"/orders/{key}").status_code == 404
    assert ask(http, "GET", "/orders/10").status_code == 200


def test_nobody_is_somebody_without_a_session(shop: Shop, http: TestClient) -> None:
    """No cookie, an unknown one, a short one, two of them, an ended one: one and the same 401; an honest one is known."""
    answers = [
        http.get("/me"),
        ask(http, "GET", "/me", "x" * 32),
        ask(http, "GET", "/me", "x"),
        http.get("/me", headers={"cookie": f"session={TOKENS['ann']}; session={TOKENS['bob']}"}),
        http.get(f"/me?session={TOKENS['ann']}"),
    ]
    assert {a.status_code for a in answers} == {401}
    assert len({a.content for a in answers}) == 1
    assert ask(http, "GET", "/me").json() == {"name": "ann"}


def test_a_session_ends(shop: Shop, http: TestClient) -> None:
    """Unused for too long, or open for too long: 401; one in its time is in."""
    token = "s" * 32
    for began, used in ((13, 0.1), (2, 1.1), (-1, -1)):
        shop.login(token, 1, NOON - timedelta(hours=began), NOON - timedelta(hours=used))
        assert ask(http, "GET", "/me", token).status_code == 401
    shop.login(token, 1, NOON - timedelta(hours=11), NOON - timedelta(hours=0.9))
    assert ask(http, "GET", "/me", token).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
        {"origin": "https://shop.example.evil.example"},
    ],
)
def test_another_site_changes_nothing(
    shop: Shop, http: TestClient, headers: dict[str, str]
) -> None:
    """CWE-352: a browser sends the cookie wherever the page comes from; our own page is served."""
    sent = {"note": "tricked"}
    assert ask(http, "PATCH", "/orders/10", json=sent, headers=headers).status_code == 401
    assert shop.read(10).note == ""
    own = {"sec-fetch-site": "same-origin"}
    assert ask(http, "PATCH", "/orders/10", json=sent, headers=own).status_code == 200


def test_roles_and_suspensions_are_those_of_now(shop: Shop, http: TestClient) -> None:
    """CL-10, SV-19: an admin function is the admin's, until the role is taken away; a suspended user is nobody."""
    assert ask(http, "GET", "/admin/orders").status_code == 403
    assert ask(http, "GET", "/admin/orders", headers={"x-user-role": "admin"}).status_code == 403
    assert ask(http, "GET", "/admin/orders", "root").json() == {"by": "root"}
    shop.change(User, 3, role="customer")
    assert ask(http, "GET", "/admin/orders", "root").status_code == 403
    assert ask(http, "GET", "/me", "gone").status_code == 200
    shop.change(User, 4, is_suspended=True)
    assert ask(http, "GET", "/me", "gone").status_code == 403


def test_a_change_is_legal_from_the_state_of_now(shop: Shop, http: TestClient) -> None:
    """CL-09: an order that was shipped isn't changed any more; an open one is."""
    assert ask(http, "PATCH", "/orders/10", json={"note": "a"}).status_code == 200
    shop.change(Order, 10, state="shipped")
    assert ask(http, "PATCH", "/orders/10", json={"note": "b"}).status_code == 403
    assert shop.read(10).note == "a"


def test_each_request_is_a_crossing(shop: Shop, http: TestClient) -> None:
    """Proven and refused alike are recorded, with what was discharged, and without the token."""
    ask(http, "GET", "/orders/10")
    ask(http, "GET", "/orders/20")
    told = [(r.declaration, r.outcome, r.code, r.proofs) for r in shop.kept.records]
    assert told == [
        ("order.read", "proven", "", ("authentic", "fresh", "linked", "allowed", "valid")),
        ("order.read", "refused", "not_found", ("authentic", "fresh")),
    ]
    assert TOKENS["ann"] not in repr(shop.kept.records)
