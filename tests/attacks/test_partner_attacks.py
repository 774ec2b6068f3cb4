"""UP-01 to UP-13: a partner that lies, errs, stalls or is somebody else, on real sockets.

Each refusal has its twin: the honest answer to the same question.
"""

import gzip
import json
import sqlite3
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Annotated, Any

import msgspec
import pytest
from pydantic import BaseModel, Field

from pratique import LATER, Secret
from pratique.core.refusal import Answer
from pratique.fetch import Credential, FetchPolicy, Internal
from pratique.partner import NoSubject, Partner, UnknownFields
from pratique.partner.attacks import ATTACKS, Attack, Honest
from tests.fetch.world import World, reply
from tests.partner.risk import ADDRESS, HONEST, HOST, KEY, ORDER, Risk, Score

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LOOPBACK_KEY = "127.0.0.1"
BELIEVED = Honest(HONEST, number="score", choice="verdict")


@pytest.fixture(params=["sync", "async"])
def risk(world: World, request: pytest.FixtureRequest) -> Risk:
    """Give the boundary, asked both ways."""
    made = Risk(world, is_async=request.param == "async")
    made.answers()
    return made


def with_(**changed: Any) -> dict[str, Any]:
    """Return the honest answer with something else in it."""
    return {**HONEST, **changed}


def test_an_enum_value_that_is_not_declared_is_refused(risk: Risk) -> None:
    """UP-01: "escalate" is no verdict that we know; "review" is (API10:2023, CWE-20)."""
    risk.answers(with_(verdict="escalate"))
    refused = risk.refusal()
    assert (refused.code, refused.status) == ("bad_answer", 502)
    assert "escalate" not in str(refused)
    risk.answers(with_(verdict="review"))
    assert risk.ask().verdict == "review"


HOSTILE = "'; DROP TABLE orders; --<script>{{7*7}}../../etc/passwd"


def test_hostile_text_is_inert_or_refused(risk: Risk) -> None:
    """UP-02: text stays text in a bound parameter; where a pattern is declared it is refused (CWE-89)."""
    risk.answers(with_(note=HOSTILE))
    score = risk.ask()
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE orders (id TEXT, note TEXT, state TEXT)")
    db.execute("INSERT INTO orders VALUES (?, ?, 'new')", (score.order, score.note))
    assert db.execute("SELECT * FROM orders").fetchall() == [(ORDER, HOSTILE, "new")]
    db.close()

    class Plain(msgspec.Struct):
        order: str
        note: Annotated[str, msgspec.Meta(pattern=r"^[\w ]*$")]

    assert risk.refusal(answer=Plain).code == "bad_answer"
    risk.answers(with_(note="paid twice before"))
    assert risk.ask(answer=Plain).note == "paid twice before"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.id} {attack.title[:40]}")
def test_every_hostile_answer_of_the_room_is_refused(risk: Risk, attack: Attack) -> None:
    """UP-01, UP-03, UP-04, UP-07: refused as the data says, told to nobody; the honest one is believed (CWE-20, CWE-436)."""
    lines = {name.replace("-", "_"): value for name, value in attack.fields.items()}
    risk.answers(attack.content(BELIEVED), attack.status, **lines)
    refused = risk.refusal(unknown=UnknownFields.REFUSE)
    assert (refused.obligation, refused.code) == (attack.obligation, attack.code)
    assert refused.status in (502, 503)
    assert "detail" not in refused.problem()
    assert [record.code for record in risk.records] == [attack.code]
    risk.answers()
    assert risk.ask(unknown=UnknownFields.REFUSE).score == 12


@pytest.mark.parametrize("amount", [-1, 101])
def test_a_number_outside_its_bounds_is_refused(risk: Risk, amount: int) -> None:
    """UP-03: one beyond either edge is no score (CWE-20); the edge itself is."""
    risk.answers(with_(score=amount))
    assert risk.refusal().code == "bad_answer"
    risk.answers(with_(score=min(max(amount, 0), 100)))
    assert 0 <= risk.ask().score <= 100


def test_every_value_in_bounds_is_believed(risk: Risk) -> None:
    """UP-01, UP-03: the twins at the edges."""
    for number, choice in ((0, "approve"), (100, "review"), (50, "decline")):
        risk.answers(with_(score=number, verdict=choice))
        assert (risk.ask().score, risk.ask().verdict) == (number, choice)


def test_surplus_is_dropped_and_told(risk: Risk) -> None:
    """UP-04: role, admin, another user's id never arrive; the event says which came (CWE-915)."""
    risk.answers(with_(role="admin", user_id=7, **{"x" * 300: 1}))
    score = risk.ask()
    assert not hasattr(score, "role")
    record = risk.records[-1]
    assert (record.code, record.outcome) == ("drift", "proven")
    assert "role, user_id" in record.detail
    assert "x" * 65 not in record.detail
    assert risk.refusal(unknown=UnknownFields.REFUSE).code == "unknown_fields"
    risk.answers()
    assert risk.ask(unknown=UnknownFields.REFUSE).score == 12
    assert risk.records[-1].code == ""


@pytest.mark.parametrize("about", ["o_2", "", "O_1", None])
def test_an_answer_about_another_object_is_refused(risk: Risk, about: object) -> None:
    """UP-05: the answer names the order that was asked for, or it is refused (CWE-345)."""
    answer = with_(order=about)
    if about is None:
        del answer["order"]
    risk.answers(answer)
    assert risk.refusal(about=lambda score: score.order == ORDER).code in (
        "not_about_it",
        "bad_answer",
    )
    assert risk.refusal().code in ("not_about_it", "bad_answer")
    risk.answers()
    assert risk.ask(about=lambda score: score.order == ORDER).order == ORDER


def test_the_decision_stays_ours(risk: Risk) -> None:
    """UP-06: "approve" with a score over our limit isn't believed; ours says what is (CWE-345)."""

    def few(score: Score) -> bool:
        return score.score <= 40 or score.verdict != "approve"

    risk.answers(with_(score=90))
    refused = risk.refusal(limits=few)
    assert (refused.obligation, refused.code) == ("allowed", "over_limits")
    risk.answers(with_(score=39))
    assert risk.ask(limits=few).verdict == "approve"


def test_what_decides_is_confirmed(risk: Risk) -> None:
    """UP-06: a second source must say so too: no, not yet, nothing and a truthy word are no yes."""
    told: Any = False
    call = risk.partner.call(
        "GET /score",
        Score,
        about={"order": "order"},
        decides="whether the order is shipped",
        confirm=lambda _: told,
    )

    def asked() -> Any:
        return risk.call(call, params={"order": ORDER})

    for told, code in (  # noqa: B007  confirm reads it
        (False, "not_confirmed"),
        (None, "not_confirmed"),
        ("yes", "internal"),
        (LATER, "later"),
    ):
        assert risk.refusal(asked).code == code
    told = True
    assert asked().score == 12
    assert "confirmed" in risk.records[-1].proofs


def test_an_answer_in_one_coding_is_read(risk: Risk) -> None:
    """UP-07: the twin of what is cut off or packed twice."""
    risk.answers(gzip.compress(json.dumps(HONEST).encode()), Content_Encoding="gzip")
    assert risk.ask().score == 12


def test_a_redirect_is_not_followed(risk: Risk) -> None:
    """UP-08: our key never goes where the partner points; a 200 from itself is taken (CWE-601)."""
    risk.world.server.answer = lambda _: reply(
        302, b"", Location=f"http://{LOOPBACK_KEY}:1/canary", Content_Type="application/json"
    )
    assert risk.refusal().code in ("scheme_not_allowed", "too_many_redirects", "host_not_allowed")
    assert {touched.rpartition(":")[0] for touched in risk.world.touched} == {ADDRESS}
    risk.world.server.answer = lambda _: reply(
        302, b"", Location=f"https://{HOST}/v2/score", Content_Type="application/json"
    )
    assert risk.refusal().code == "too_many_redirects"
    risk.answers()
    assert risk.ask().score == 12


@pytest.mark.parametrize("names", [["another.example"], ["*.risk.example"], ["risk.example.evil"]])
def test_another_hosts_certificate_is_refused(risk: Risk, names: list[str]) -> None:
    """UP-09: who can't prove the name sees neither the question nor the key (CWE-295)."""
    risk.world.server.certificate_names = names
    refused = risk.refusal(lambda: risk.post({"order": ORDER}, about={"order": ORDER}))
    assert (refused.obligation, refused.code) == ("authentic", "bad_certificate")
    assert risk.world.server.seen == []
    risk.world.server.certificate_names = None
    assert risk.post({"order": ORDER}, about={"order": ORDER}).score == 12
    assert risk.world.server.seen[0].fields["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"])
@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_stall_meets_the_deadline(world: World, way: str, start: bytes) -> None:
    """UP-10: a partner that stalls or drips is left at the deadline; a prompt one is heard (CWE-400)."""
    risk, end = (
        Risk(world, is_async=way == "async", deadline=timedelta(seconds=0.4)),
        Event(),
    )

    def stall(connection: Any) -> None:
        connection.sendall(start)
        while not end.wait(0.05):
            connection.sendall(b"X-A: b\r\n" if start else b"")

    world.server.raw = stall
    try:
        refused = risk.refusal()
    finally:
        end.set()
    assert (refused.code, refused.answer) == ("fetch_deadline", Answer.RETRY)
    world.server.raw = None
    risk.answers()
    assert risk.ask().score == 12


def test_a_second_source_that_hangs_meets_the_deadline(world: World) -> None:
    """UP-10: what we ask beside the partner is bounded by the same deadline."""
    end = Event()
    for is_async in (False, True):
        risk = Risk(world, is_async=is_async, deadline=timedelta(seconds=0.4))
        risk.answers()
        assert risk.refusal(confirm=lambda _: end.wait(5)).code == "fetch_deadline"
        assert risk.ask(confirm=lambda _: True).score == 12
    end.set()


def test_too_much_is_refused(risk: Risk) -> None:
    """UP-10: 200 MB, plain or packed, end at the cap (CWE-409)."""
    risk.answers(with_(note="x" * 1_100_000))
    assert risk.refusal().code == "too_large_on_the_wire"
    risk.answers(
        gzip.compress(json.dumps(with_(note="x" * 60_000_000)).encode()), Content_Encoding="gzip"
    )
    assert risk.refusal().code == "too_large_decoded"
    risk.answers(with_(note="x" * 200))
    assert len(risk.ask().note) == 200


def test_a_partner_that_is_down_approves_nothing(risk: Risk) -> None:
    """UP-11: unreachable, unknown, at a private address: refused, never a default (CWE-636)."""
    risk.world.dead = {ADDRESS}
    assert risk.refusal().code == "unreachable"
    risk.world.dead = set()
    risk.world.names[HOST] = []
    assert risk.refusal().code == "unknown_host"
    risk.world.names[HOST] = ["10.0.0.7"]
    assert risk.refusal().code == "address_not_allowed"
    risk.world.names[HOST] = [ADDRESS]
    assert risk.ask().score == 12


def test_what_the_partner_echoes_goes_no_further(risk: Risk) -> None:
    """UP-12: neither our key nor an internal URL in an error reaches a text of ours (CWE-209)."""
    secret = "http://10.0.0.1/internal/debug"
    risk.answers({"trace": f"{KEY} {secret}"}, 500)
    refused = risk.refusal()
    told = [str(refused), repr(refused), str(refused.problem()), str(refused.__cause__)]
    told += [repr(record) for record in risk.records]
    assert not [text for text in told if KEY in text or secret in text]
    risk.answers(with_(note=f"your key is {KEY}"))
    assert risk.refusal().code == "echoes_secret"
    risk.answers(with_(note="your key is fine"))
    assert risk.ask().note == "your key is fine"


LOGIN = b64encode(b'api:pa/ss"w0rd').decode()


@pytest.mark.parametrize(
    ("made", "echo"),
    [
        ({}, KEY),
        ({}, f"Bearer {KEY}"),
        ({"scheme": "", "field": "X-Api-Key"}, KEY),
        ({"scheme": "Basic"}, LOGIN),
        ({"scheme": "Basic"}, 'api:pa/ss"w0rd'),
        ({"scheme": "Basic"}, 'pa/ss"w0rd'),
    ],
)
@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_credential_of_the_policy_goes_no_further_either(
    world: World, way: str, made: dict[str, str], echo: str
) -> None:
    """UP-12: what the fetch sends by itself is looked for as the bearer is, scheme or no scheme."""
    secret = Secret(LOGIN if made.get("scheme") == "Basic" else KEY)
    policy = FetchPolicy(
        hosts={HOST},
        content_types={"application/json"},
        credentials={HOST: Credential(secret, **made)},
    )
    risk = Risk(world, is_async=way == "async", bearer=None, deadline=None, policy=policy)
    honest = with_(note="Bearer, Basic and api: are no secrets")
    for escaped in (json.dumps(echo), json.dumps(echo).replace("/", r"\/")):
        risk.answers(json.dumps(with_(note="@")).replace('"@"', escaped).encode())
        assert risk.refusal().code == "echoes_secret"
    risk.answers(honest)
    assert risk.ask().note == honest["note"]
    assert any(secret in str(risk.world.server.seen[-1].fields) for secret in (KEY, LOGIN))


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (NOON - timedelta(days=2), "stale"),
        (NOON + timedelta(minutes=5), "from_the_future"),
        (None, "no_time"),
    ],
)
@pytest.mark.parametrize("way", ["sync", "async"])
def test_an_old_answer_is_refused(world: World, way: str, said: datetime | None, code: str) -> None:
    """UP-13: an honest answer of the day before yesterday is none for today (CWE-294)."""
    risk = Risk(world, is_async=way == "async", clock=lambda: NOON)
    when: dict[str, Any] = {"as_of": lambda s: s.as_of, "max_age": timedelta(days=1)}
    risk.answers(with_(as_of=said.isoformat() if said else None))
    assert risk.refusal(**when).code == code
    risk.answers(with_(as_of=(NOON - timedelta(hours=23)).isoformat()))
    assert risk.ask(**when).score == 12


def test_a_value_of_the_path_stays_in_its_place(risk: Risk) -> None:
    """CWE-22: an id can't lead to another path of the partner, which our key would open."""
    call = risk.partner.call("GET /orders/{order}/score", Score, about={"order": "order"})
    for order in ("../admin", "..", ".", "", "a/b", "a\\b"):
        refused = risk.refusal(lambda order=order: risk.call(call, values={"order": order}))
        assert (refused.code, refused.status) == ("bad_value", 400)
    assert risk.world.server.seen == []
    risk.answers(with_(order="o?x=1#é %2e%2e"))
    assert risk.call(call, values={"order": "o?x=1#é %2e%2e"}).score == 12
    target = risk.world.server.seen[-1].target
    assert target == "/v1/orders/o%3Fx%3D1%23%C3%A9%20%252e%252e/score"


class Model(BaseModel):
    """The same answer as a pydantic model."""

    order: str
    score: int = Field(ge=0, le=100)
    weight: float = 0.0


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"order":"o_1","score":101}', "bad_answer"),
        (b'{"order":"o_1","score":1,"weight":NaN}', "malformed_answer"),
        (b'{"order":"o_1","score":1,"score":2}', "duplicate_member"),
        (b'{"order":"o_1"', "bad_answer"),
        (b'{"order":"o_2","score":1}', "not_about_it"),
        (b'{"order":"o_1","score":1,"error":"x"}', "error_under_200"),
    ],
)
def test_a_pydantic_model_is_read_as_strictly(risk: Risk, content: bytes, code: str) -> None:
    """What pydantic would let pass (NaN, a member twice) is refused before it is believed."""
    risk.answers(content)
    assert risk.refusal(answer=Model).code == code
    risk.answers(b'{"order":"o_1","score":1,"weight":0.5}')
    assert risk.ask(answer=Model).score == 1


def test_an_internal_partner_has_a_narrow_way(world: World) -> None:
    """A service of our own is asked by an exception that names host, network and port."""
    way = Internal("ledger.corp", "10.1.0.0/16", 8443, "our own ledger")
    policy = FetchPolicy(hosts={"ledger.corp"}, content_types={"application/json"}, internal=(way,))
    world.names["ledger.corp"] = ["10.2.0.1"]
    risk = Risk(world, is_async=False)
    ledger = risk.perimeter.declare(Partner("ledger", "https://ledger.corp:8443", policy=policy))
    risk.answers()

    def asked() -> Any:
        with risk.perimeter:
            return ledger.get("/score", Score, about=NoSubject("it scores us")).value

    assert risk.refusal(asked).code == "address_not_allowed"
    world.names["ledger.corp"] = ["10.1.0.1"]
    assert asked().score == 12
    assert world.touched == ["10.1.0.1:8443"]


def test_no_word_of_a_partner_is_believed_without_its_turn(risk: Risk) -> None:
    """Each answer is one crossing, and its record says what was proven."""
    risk.ask()
    record = risk.records[-1]
    assert record.proofs == ("authentic", "fresh", "linked", "allowed", "valid")
    assert (record.kind, record.boundary, record.declaration) == ("partner", "risk", "GET /score")

    def boom(_: Score) -> bool:
        raise RuntimeError(KEY)

    refused = risk.refusal(limits=boom)
    assert (refused.obligation, refused.code) == ("allowed", "internal")
    assert KEY not in repr(risk.records[-1]) + str(refused)


def test_a_callable_of_ours_that_fails_is_for_now(risk: Risk) -> None:
    """One meaning of "internal": ours raised or returned another type; 503. A no is 502."""

    def boom(_: Score) -> bool:
        raise RuntimeError

    wrong: list[tuple[str, Any]] = [("limits", boom), ("limits", lambda _: "yes")]
    wrong += [("about", lambda _: 1), ("about", lambda _: [])]
    for term, judge in wrong:
        refused = risk.refusal(**{term: judge})
        assert (refused.code, refused.answer, refused.status) == ("internal", Answer.RETRY, 503)
    refused = risk.refusal(limits=lambda _: False)
    assert (refused.code, refused.answer, refused.status) == ("over_limits", Answer.REJECT, 502)
    assert risk.ask(limits=lambda _: True).score == 12
