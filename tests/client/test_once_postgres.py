"""What happens once, on a connection of psycopg's, through a door."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from psycopg.rows import dict_row
from starlette.testclient import TestClient

from pratique import Perimeter, stores
from pratique.client import Client, Session, SessionCookie
from pratique.integrations.fastapi import does, guard
from tests.client.market import Redeemed
from tests.client.shop import NOON, ORIGIN
from tests.shop_postgres import plain

pytestmark = pytest.mark.server
DB = psycopg.Connection[Any]


def load(_digest: str, db: DB) -> Session | None:
    """Find the session; every digest is Ann's."""
    began = NOON - timedelta(minutes=5)
    found = db.execute("SELECT 1").fetchone()
    return Session(1, began, began) if found else None


def user(subject: object, db: DB) -> Any:
    """Find the user, whom nobody suspends meanwhile."""
    return db.execute("SELECT id FROM customer WHERE id = %s FOR SHARE", (subject,)).fetchone()


def coupon(_user: Any, key: int, db: DB) -> Any:
    """Find the coupon, locked."""
    rows = db.cursor(row_factory=dict_row)
    return rows.execute("SELECT * FROM coupon WHERE id = %s FOR UPDATE", (key,)).fetchone()


def redeem(proven: Any, db: DB) -> Redeemed:
    """Count it."""
    key = proven.value.object["id"]
    db.execute("UPDATE coupon SET state = 'redeemed', times = times + 1 WHERE id = %s", (key,))
    return Redeemed(key, 107)


@pytest.fixture
def http(pg_url: str) -> Iterator[TestClient]:
    """Give a client of an application with two coupons."""
    with psycopg.connect(plain(pg_url)) as db:
        db.execute("CREATE TABLE coupon (id INT PRIMARY KEY, state TEXT, times INT)")
        db.execute("CREATE TABLE customer (id INT PRIMARY KEY)")
        db.execute("INSERT INTO customer VALUES (1)")
        db.execute("INSERT INTO coupon VALUES (10, 'open', 0), (20, 'open', 0)")
    perimeter = Perimeter(store=stores.postgres(pg_url), clock=lambda: NOON)
    client = perimeter.declare(
        Client(
            "market",
            identity=SessionCookie("session", load, origins=[ORIGIN]),
            user=user,
            policy=lambda _user, _action, _row: True,
        )
    )
    once = client.once(
        "coupon.redeem",
        link=coupon,
        read_key=int,
        key=lambda asked: asked.key,
        tenant=lambda _user: "t1",
        allow=lambda _asked, row: bool(row["state"] == "open"),
        answer=Redeemed,
    )(redeem)
    app = guard(FastAPI(), perimeter)
    app.post("/coupons/{coupon_id}/redemption")(does(once))
    with TestClient(app) as made:
        yield made


def ask(http: TestClient, key: int, retry: str = "") -> Any:
    """Redeem a coupon."""
    sent = {"cookie": f"session={'a' * 32}", "origin": ORIGIN}
    return http.post(
        f"/coupons/{key}/redemption", headers=sent | ({"idempotency-key": retry} if retry else {})
    )


def test_a_coupon_is_redeemed_once_and_its_answer_kept(http: TestClient, pg_url: str) -> None:
    """Asked again with its key the answer is given again; without, or at once, it is refused."""
    assert ask(http, 10, "r1").json() == {"coupon": 10, "balance": 107}
    assert ask(http, 10, "r1").json() == {"coupon": 10, "balance": 107}
    assert ask(http, 10).status_code == 409
    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(lambda _: ask(http, 20).status_code, range(8)))
    assert answers.pop(200) == 1
    assert set(answers) <= {409, 503}
    with psycopg.connect(plain(pg_url)) as db:
        assert db.execute("SELECT id, times FROM coupon ORDER BY id").fetchall() == [
            (10, 1),
            (20, 1),
        ]
