"""What happens once, by an API's own clients: one effect whoever asks how often, at whatever time."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session as Db
from starlette.testclient import TestClient

from pratique.client.ownership import OwnedRows
from pratique.integrations.fastapi import does
from tests.client.market import (
    LIMIT,
    TOKENS,
    Coupon,
    Expense,
    Invoice,
    Market,
    User,
    at_once,
    fields,
)
from tests.processes import by_uvicorn

AT_ONCE = 8
ROUNDS = 3
JSON = {"content-type": "application/json"}
KINDS = [
    "sqlite",
    "aiosqlite",
    pytest.param("psycopg", marks=pytest.mark.server),
    pytest.param("asyncpg", marks=pytest.mark.server),
]


@pytest.fixture(params=KINDS)
def market(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Market]:
    """Give the market, on both databases, by both kinds of session."""
    is_sqlite = request.param.endswith("sqlite")
    url = f"sqlite:///{tmp_path}/m.db" if is_sqlite else request.getfixturevalue("pg_url")
    made = Market(url, is_async=request.param in ("aiosqlite", "asyncpg"))
    yield made
    made.engine.dispose()


@pytest.fixture
def http(market: Market) -> Iterator[TestClient]:
    """Give a client of it."""
    with TestClient(market.app) as client:
        yield client


def ask(http: TestClient, path: str, who: str = "ann", **more: Any) -> httpx.Response:
    """Send one request as somebody; `retry` is its Idempotency-Key."""
    retry = more.pop("retry", None)
    sent = fields(who) if retry is None else fields(who, **{"idempotency-key": retry})
    return http.post(path, headers=sent, **more)


def redeem(http: TestClient, key: int = 10, who: str = "ann", **more: Any) -> httpx.Response:
    """Redeem a coupon."""
    return ask(http, f"/coupons/{key}/redemption", who, **{"json": {}, **more})


def test_what_happens_once_happens_once(market: Market, http: TestClient) -> None:
    """CWE-837: the first request has the effect and its answer, the second is refused, whoever's; another coupon is redeemed."""
    first = redeem(http)
    assert (first.status_code, first.json()) == (200, {"coupon": 10, "balance": 107})
    again = redeem(http)
    assert (again.status_code, again.json()["code"]) == (409, "already_applied")
    assert market.effects("coupon 10") == 1
    assert redeem(http, 20, "bob").status_code == 200
    told = [(r.declaration, r.outcome, r.code) for r in market.kept.records]
    assert told == [
        ("coupon.redeem", "proven", ""),
        ("coupon.redeem", "duplicate", "already_applied"),
        ("coupon.redeem", "proven", ""),
    ]
    proofs = ("authentic", "fresh", "unique", "linked", "allowed", "valid")
    assert market.kept.records[0].proofs == proofs


def test_a_coupon_is_redeemed_once_by_8_connections(market: Market) -> None:
    """CL-11: 8 raw connections at one moment, 3 rounds: one is answered, one effect, the balance says so (CWE-362)."""
    with by_uvicorn(market.app) as port:
        for number in range(100, 100 + ROUNDS):
            market.add(Coupon(id=number, owner_id=1))
            before = market.balance(1)
            sent = (f"/coupons/{number}/redemption", fields(**JSON), b"{}")
            answers = Counter(status for status, _ in at_once(port, [sent] * AT_ONCE))
            assert answers.pop(200) == 1
            assert set(answers) <= {409, 503}
            assert market.effects(f"coupon {number}") == 1
            assert market.balance(1) == before + 7


def test_a_balance_is_spent_once_by_8_connections(market: Market) -> None:
    """CL-11: 8 invoices of 30 at one moment on a balance of 100: three are paid, no sum is lost or made, 3 rounds."""
    with by_uvicorn(market.app) as port:
        for number in range(ROUNDS):
            invoices = range(100 * number, 100 * number + AT_ONCE)
            market.add(*(Invoice(id=key, owner_id=1) for key in invoices))
            market.change(_account(), 1, balance=100)
            total, paid = market.total(), market.effects("invoice")
            sent = [(f"/invoices/{key}/payment", fields(), b"") for key in invoices]
            answers = Counter(status for status, _ in at_once(port, sent))
            assert set(answers) <= {200, 403, 503}
            done = market.effects("invoice") - paid
            assert done == answers[200]
            assert (market.balance(1), market.total()) == (100 - 30 * done, total)
            for path, _, _ in sent:  # whoever was told to come back does
                with httpx.Client(trust_env=False) as later:
                    later.post(f"http://127.0.0.1:{port}{path}", headers=fields())
            assert (market.balance(1), market.total()) == (10, total)


def _account() -> Any:
    from tests.client.market import Account

    return Account


def test_one_idempotency_key_has_one_effect(market: Market, http: TestClient) -> None:
    """CL-12: the same request again hears the same answer, and nothing is done; with other content 422; without the key 409."""
    first = redeem(http, retry='"k-1"', json={"note": "x"})
    again = redeem(http, retry='"k-1"', json={"note": "x"})
    assert (again.status_code, again.content) == (200, first.content)
    assert market.effects("coupon 10") == 1
    assert market.kept.records[-1].outcome == "duplicate"
    assert redeem(http, retry="k-1", json={"note": "x"}).content == first.content
    for more in ({"json": {"note": "y"}}, {"json": {"note": "x"}, "key": 20}):
        market.change(Coupon, 20, owner_id=1)
        other = redeem(http, retry='"k-1"', **more)
        assert (other.status_code, other.json()["code"]) == (422, "key_conflict")
    assert redeem(http, json={"note": "x"}).status_code == 409
    assert redeem(http, retry='"k-2"', json={"note": "x"}).json()["code"] == "already_applied"
    assert market.effects() == 1
    assert redeem(http, 20, retry='"k-3"').status_code == 200


def test_one_idempotency_key_at_one_moment_has_one_effect(market: Market) -> None:
    """CL-12: 8 raw connections with one key: whoever is answered hears the same, and it was done once."""
    with by_uvicorn(market.app) as port:
        for number in range(100, 100 + ROUNDS):
            market.add(Coupon(id=number, owner_id=1))
            sent = fields(**JSON, **{"idempotency-key": f'"k-{number}"'})
            path = f"/coupons/{number}/redemption"
            answers = at_once(port, [(path, sent, b"{}")] * AT_ONCE)
            assert {status for status, _ in answers} <= {200, 503}
            assert len({content for status, content in answers if status == 200}) == 1
            assert market.effects(f"coupon {number}") == 1


def test_two_people_never_share_an_idempotency_key(market: Market, http: TestClient) -> None:
    """CL-13: bob with ann's key has an effect and an answer of his own, and hears nothing of hers (CWE-488)."""
    ann = redeem(http, retry='"same"')
    bob = redeem(http, 20, "bob", retry='"same"')
    assert (ann.json()["coupon"], bob.json()["coupon"]) == (10, 20)
    assert (market.effects("coupon 10"), market.effects("coupon 20")) == (1, 1)
    stolen = redeem(http, 10, "bob", retry='"same"')
    assert stolen.status_code == 404
    assert b"107" not in stolen.content
    assert redeem(http, 20, "bob", retry='"same"').content == bob.content


@pytest.mark.parametrize("key", ["", '""', "a b", '"x', "é".encode("latin-1"), "k" * 256, "(a b)"])
def test_what_is_no_idempotency_key_is_refused(market: Market, http: TestClient, key: Any) -> None:
    """VALID: a key that two programs could read differently: 400 and nothing done; a plain one is taken."""
    answer = redeem(http, retry=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")
    assert market.effects() == 0
    assert redeem(http, retry="8e03978e-40d5-43e8-bc93-6894a57f9324").status_code == 200


def test_a_kept_answer_is_told_to_whom_it_is_due_now(market: Market, http: TestClient) -> None:
    """CL-19: suspended, without the role, no longer the owner, signed out, in another tenant: refused; as before: told again (CWE-613)."""
    first = redeem(http, retry='"k"')
    takings: list[tuple[Any, int, dict[str, Any], dict[str, Any], int]] = [
        (User, 1, {"is_suspended": True}, {"is_suspended": False}, 403),
        (User, 1, {"role": "none"}, {"role": "customer"}, 403),
        (Coupon, 10, {"owner_id": 2}, {"owner_id": 1}, 404),
        (User, 1, {"tenant": "t2"}, {"tenant": "t1"}, 422),
    ]
    for kind, key, taken, given, status in takings:
        market.change(kind, key, **taken)
        refused = redeem(http, retry='"k"')
        assert refused.status_code == status
        assert b"107" not in refused.content
        market.change(kind, key, **given)
        assert redeem(http, retry='"k"').content == first.content
    assert (
        http.post("/coupons/10/redemption", headers={"idempotency-key": '"k"'}).status_code == 401
    )
    assert market.effects() == 1


def guess(http: TestClient, code: str, key: int = 1, who: str = "ann", **more: Any) -> int:
    """Try a code."""
    return ask(http, f"/codes/{key}/confirmation", who, json={"code": code}, **more).status_code


def test_a_code_is_not_guessed(market: Market, http: TestClient) -> None:
    """CL-14: of 20 guesses 5 are compared; then 429 with Retry-After, for the right code too; bob's code is another matter (CWE-307)."""
    answers = [guess(http, f"{number:06}") for number in range(20)]
    assert answers == [403] * LIMIT + [429] * (20 - LIMIT)
    right = ask(http, "/codes/1/confirmation", json={"code": "493021"})
    assert (right.status_code, right.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(right.headers["retry-after"]) <= 900
    assert market.effects() == 0
    assert guess(http, "493021", 3, "bob") == 200


def test_a_success_begins_anew(market: Market, http: TestClient) -> None:
    """CL-14: four wrong ones and the right one: done; another code of hers has its own five."""
    assert [guess(http, "0") for _ in range(LIMIT - 1)] == [403] * (LIMIT - 1)
    assert guess(http, "493021") == 200
    assert [guess(http, "0", 2) for _ in range(LIMIT)] == [403] * LIMIT
    assert guess(http, "493021", 2) == 429


def test_objects_are_not_guessed_either(market: Market, http: TestClient) -> None:
    """CL-14: each guess at another object: 10 in all, and no row is written for an eleventh; there or not, the answer is one."""
    answers = [guess(http, "0", key) for key in range(50, 50 + 4 * LIMIT)]
    assert answers == [404] * 2 * LIMIT + [429] * 2 * LIMIT
    assert guess(http, "493021", 1) == 429
    from sqlalchemy import text

    with market.engine.connect() as db:
        rows = db.execute(text("SELECT count(*) FROM pratique_key")).scalar_one()
    assert rows == 2 * LIMIT + 1


def test_an_answer_that_is_told_again_gives_no_attempts(market: Market, http: TestClient) -> None:
    """CL-14: whoever knows one success can't begin anew by repeating it; the repeated one is told."""
    assert guess(http, "493021", retry='"k"') == 200
    for _ in range(LIMIT):
        guess(http, "0")
        assert guess(http, "493021", retry='"k"') in (200, 429)
    assert guess(http, "493021", retry='"k"') == 429


def test_guesses_at_one_moment_are_counted(market: Market) -> None:
    """CL-14: 8 raw connections with 8 guesses: 5 are compared at the most."""
    with by_uvicorn(market.app) as port:
        sent = [
            ("/codes/1/confirmation", fields(**JSON), b'{"code": "%06d"}' % number)
            for number in range(AT_ONCE)
        ]
        answers = Counter(status for status, _ in at_once(port, sent))
        assert answers[403] <= LIMIT
        assert answers[429] >= AT_ONCE - LIMIT - answers[503]


def test_nobody_stands_on_both_sides(market: Market, http: TestClient) -> None:
    """CL-18: who submitted an expense doesn't approve it, admin or not; another admin does (CWE-840)."""
    own = ask(http, "/expenses/3/approval", "root")
    assert (own.status_code, own.json()["code"]) == (403, "not_allowed")
    assert ask(http, "/expenses/1/approval", "ann").status_code == 403
    with market.new() as db:
        assert {row.state for row in db.query(Expense)} == {"open"}
    assert ask(http, "/expenses/1/approval", "root").status_code == 200
    assert ask(http, "/expenses/1/approval", "root").status_code == 409


def test_what_was_done_is_not_told_to_others(market: Market, http: TestClient) -> None:
    """CL-01: ann's redeemed coupon is like none for bob: the same 404 (CWE-204); for her it is 409."""
    assert redeem(http).status_code == 200
    others, nothing = redeem(http, 10, "bob"), redeem(http, 999, "bob")
    assert (others.status_code, others.content) == (404, nothing.content)
    assert redeem(http).status_code == 409


def test_a_stranger_burns_no_key(market: Market, http: TestClient) -> None:
    """Bob's refused attempt at ann's coupon leaves it hers; wrong content and a wrong state too."""
    assert redeem(http, 10, "bob").status_code == 404
    assert redeem(http, json={"owner_id": 2}).status_code == 422
    market.change(Coupon, 10, state="withdrawn")
    assert redeem(http).status_code == 403
    market.change(Coupon, 10, state="open")
    assert redeem(http).status_code == 200


def test_a_handler_that_commits_is_found_out(market: Market) -> None:
    """UNIQUE: a commit of the handler's own would part the effect from its key: refused, nothing lands; without it, both do."""
    commits = [True]

    def burn(proven: Any, db: Db) -> None:
        proven.value.object.state = "burnt"
        if commits[0]:
            db.commit()

    add_burning(market, market.one(burn), key=lambda asked: asked.key)
    with TestClient(market.app, raise_server_exceptions=False) as http:
        assert ask(http, "/burnt/10").status_code == 500
        assert state_of(market, 10) == "open"
        commits[0] = False
        assert ask(http, "/burnt/10").status_code == 200
        assert state_of(market, 10) == "burnt"


def test_what_names_the_business_object_only_reads(market: Market) -> None:
    """A business key from our own state is read in a transaction that is undone; what isn't there has none: 404."""

    def named(asked: Any, db: Db) -> int | None:
        coupon = db.get(Coupon, asked.key)
        if coupon is None:
            return None
        coupon.state = "changed by the key"
        db.flush()
        return coupon.id

    add_burning(market, market.one(lambda proven, db: None), key=market.one(named))
    with TestClient(market.app) as http:
        assert ask(http, "/burnt/999").status_code == 404
        assert ask(http, "/burnt/10").status_code == 200
        assert ask(http, "/burnt/10").status_code == 409
        assert state_of(market, 10) == "open"


def add_burning(market: Market, handler: Any, *, key: Any) -> None:
    """Add an action to the market before it starts."""
    rows = OwnedRows(Coupon.owner_id, by=lambda user: user.id, lock=True)
    burn = market.client.once("coupon.burn", key=key, link=rows.find, read_key=rows.read_key)
    market.app.post("/burnt/{coupon_id}")(does(burn(handler)))


def state_of(market: Market, key: int) -> str:
    """Return the state of a coupon."""
    with market.new() as db:
        return db.get_one(Coupon, key).state


def test_no_token_is_kept_or_told(market: Market, http: TestClient) -> None:
    """Law 5: neither the cookie nor the idempotency key stands in a record or in the store."""
    from sqlalchemy import text

    redeem(http, retry='"my-own-key"')
    redeem(http, retry='"my-own-key"')
    with market.engine.connect() as db:
        rows = [
            repr(tuple(map(_plain, row))) for row in db.execute(text("SELECT * FROM pratique_key"))
        ]
    told = repr(rows) + repr(market.kept.records)
    assert "coupon" in told
    assert TOKENS["ann"] not in told
    assert "my-own-key" not in told


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
