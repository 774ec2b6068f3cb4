"""The shop's clients are judged by Cedar and by a decision point: by FastAPI, with the reasons in the events."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from pratique.client import Client, SessionCookie
from pratique.core.event import Outcome
from pratique.core.obligation import ALLOWED
from pratique.policy import AsyncAuthZenPolicy, AuthZenPolicy, CedarPolicy, Named
from tests.client.shop import ORIGIN, TOKENS, Order, Shop, User, may
from tests.policy.pdp import Point, Reply, cedar_point, decision_point, fetch_to
from tests.policy.shop_in_cedar import POLICIES, SCHEMA, cedar, order, user


def ask(http: TestClient, method: str, path: str, who: str = "ann", **more: Any) -> httpx.Response:
    """Send one request as somebody."""
    headers = {"cookie": f"session={TOKENS[who]}", "origin": ORIGIN}
    return http.request(method, path, headers=headers, **more)


@contextmanager
def shop_with(folder: Path, policy: Any, *, is_async: bool) -> Iterator[tuple[Shop, TestClient]]:
    """Give the shop, judged by this policy, and a client of it."""
    shop = Shop(folder, is_async=is_async, policy=policy)
    with TestClient(shop.app) as http:
        yield shop, http
    shop.engine.dispose()


def walk(shop: Shop, http: TestClient) -> None:
    """Try what a customer may, and what they may not; each refusal beside its twin."""
    assert ask(http, "GET", "/orders/10").status_code == 200
    assert ask(http, "GET", "/orders/20").status_code == 404
    assert ask(http, "PATCH", "/orders/10", json={"note": "ring"}).status_code == 200
    shop.change(Order, 10, state="shipped")
    assert ask(http, "PATCH", "/orders/10", json={"note": "late"}).status_code == 403
    assert shop.read(10).note == "ring"
    assert ask(http, "GET", "/admin/orders").status_code == 403
    assert ask(http, "GET", "/admin/orders", "root").json() == {"by": "root"}
    shop.change(User, 3, role="customer")
    assert ask(http, "GET", "/admin/orders", "root").status_code == 403


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_cedar_judges_the_shop(tmp_path: Path, is_async: bool) -> None:
    """By Cedar as by Python: from the state of now; which policies decided, the event says and the answer doesn't."""
    with shop_with(tmp_path, cedar(), is_async=is_async) as (shop, http):
        walk(shop, http)
        answer = ask(http, "GET", "/admin/orders")
        told = [(r.outcome, r.code, r.detail) for r in shop.kept.records]
    assert (Outcome.PROVEN, "decided", "by readers") in told
    assert (Outcome.PROVEN, "decided", "by admins") in told
    assert (Outcome.REFUSED, "not_allowed", "the policy says no: nothing permits it") in told
    assert b"permits" not in answer.content


def test_a_policy_that_can_not_be_evaluated_is_a_503(tmp_path: Path) -> None:
    """Not a 403, which would be for good, and not a 200 by the policies that are left; the whole one decides."""
    blocked = POLICIES + '@id("blocked") forbid (principal, action, resource) when { resource.x };'
    with shop_with(tmp_path, cedar(blocked, None), is_async=False) as (shop, http):
        answer = ask(http, "GET", "/orders/10")
        record = shop.kept.records[-1]
    assert (answer.status_code, record.code) == (503, "internal")
    assert "blocked" in record.detail
    assert b"blocked" not in answer.content
    (tmp_path / "whole").mkdir()
    with shop_with(tmp_path / "whole", cedar(), is_async=False) as (_, http):
        assert ask(http, "GET", "/orders/10").status_code == 200


class Row:
    """What an evaluation says of a row."""

    def __init__(self, told: dict[str, Any]) -> None:
        facts = told.get("properties", {})
        self.id = told["id"]
        self.role, self.is_suspended = facts.get("role"), facts.get("suspended")
        self.state, self.owner_id = facts.get("state"), facts.get("owner")


def shop_policy() -> CedarPolicy:
    """Return the shop's Cedar policy, asked about evaluations."""
    return CedarPolicy(
        POLICIES,
        schema=SCHEMA,
        principal=lambda told: user(Row(told)),
        resource=lambda told: order(None if told["type"] == "shop" else Row(told)),
    )


def subject(row: User) -> Named:
    """Name a user."""
    return Named("user", str(row.id), {"role": row.role, "suspended": row.is_suspended})


def resource(row: Order | None) -> Named:
    """Name an order; an action without one is about the shop."""
    if row is None:
        return Named("shop", "shop")
    return Named("order", str(row.id), {"state": row.state, "owner": row.owner_id})


@pytest.fixture
def point() -> Iterator[Point]:
    """Give a decision point with the shop's policies."""
    with decision_point(cedar_point(shop_policy())) as made:
        yield made


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_decision_point_judges_the_shop(tmp_path: Path, point: Point, is_async: bool) -> None:
    """By AuthZEN as by Python; down or garbled is a 503 and nothing is written; up again it decides."""
    kind: Any = AsyncAuthZenPolicy if is_async else AuthZenPolicy
    with fetch_to(point) as fetch:
        policy = kind(point.url, fetch, subject=subject, resource=resource)
        with shop_with(tmp_path, policy, is_async=is_async) as (shop, http):
            walk(shop, http)
            detail = shop.kept.records[0].detail
            assert detail == f'by id="readers", asked as {point.asked[0][1]["x-request-id"]}'
            shop.change(Order, 10, state="open")
            for reply in (Reply(500), Reply(content=b"{}"), Reply(content_type="text/html")):
                point.reply = reply
                answer = ask(http, "PATCH", "/orders/10", json={"note": "x"})
                record = shop.kept.records[-1]
                assert (answer.status_code, record.obligation, record.code) == (
                    503,
                    ALLOWED.value,
                    "no_decision",
                )
                assert point.asked[-1][1]["x-request-id"] not in answer.text
            assert shop.read(10).note == "ring"
            point.reply = Reply()
            assert ask(http, "PATCH", "/orders/10", json={"note": "x"}).status_code == 200
            http.portal.call(fetch.aclose)


def test_the_declaration_says_who_decides(point: Point) -> None:
    """A remote decision point is a root of trust of its own; Python and Cedar rest on our own code and rows."""
    identity = SessionCookie("session", lambda digest: None, origins=[ORIGIN])

    def allowed(policy: Any) -> tuple[str, set[str]]:
        client = Client("shop", identity=identity, user=lambda subject: None, policy=policy)
        client.action("profile.read")
        (proof,) = [p for p in client.declarations()[0].proofs if p.obligation is ALLOWED]
        return proof.method, {str(root) for root in proof.roots}

    own = {"own:code", "store:our own rows"}
    assert allowed(may) == ("policy over our own state", own)
    assert allowed(cedar()) == ("4 Cedar policies over our own state", own)
    with fetch_to(point) as fetch:
        remote = AuthZenPolicy(point.url, fetch, subject=subject, resource=resource)
        how, roots = allowed(remote)
    assert "127.0.0.1" in how
    assert roots == own | {"party:decision point 127.0.0.1"}
