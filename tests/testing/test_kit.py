"""What a user's own tests build on: deliveries, assertions, a clock, a partner, tokens."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.testclient import TestClient

from pratique import Claim, Fields, Perimeter, Refused, Secret, unsafe
from pratique.client import BearerToken, Client
from pratique.core.proofs.authentic.jwt import verify_token
from pratique.core.refusal import BoundaryError
from pratique.partner import Partner
from pratique.report.tested import Tried, merged, read_tested, write_tested
from pratique.testing import (
    Crossings,
    FakePartner,
    FrozenClock,
    TokenIssuer,
    assert_proven,
    assert_refused,
    delivery,
    session_cookie,
)
from pratique.testing.shapes import SHAPES
from pratique.webhook import Webhook, providers
from tests.attacks.door import app_of, flask_app_of
from tests.shop import URL, Shop, plain_sqlite3
from tests.webhook.other_proofs import CASES as OTHERS

SECRET = "whsec_c29tZXRoaW5nIGxvbmcgZW5vdWdo"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give a shop with a payments boundary, by sqlite3."""
    return plain_sqlite3(tmp_path / "shop.db")


@pytest.fixture
def client(shop: Shop) -> Iterator[TestClient]:
    """Give a client of it on FastAPI."""
    with TestClient(app_of(shop)) as made:
        yield made


def paid(shop: Shop, **more: Any) -> Any:
    """Return a delivery for the first invoice."""
    return delivery(shop.payments, "invoice.paid", object_id="in_1", **more)


def test_a_delivery_is_signed_as_the_boundary_declares(shop: Shop, client: TestClient) -> None:
    """Another secret is refused, and the record says why though the wire doesn't; the own is proven."""
    answer = client.post(URL, **paid(shop, secret="wrong"))
    record = assert_refused(answer, "authentic", "bad_signature")
    assert record is not None
    assert record.boundary == "payments"
    assert shop.row["upgrades"] == 0
    assert assert_proven(client.post(URL, **paid(shop))).declaration == "invoice.paid"
    assert shop.row["upgrades"] == 1


def test_every_refusal_is_found_however_many_there_are(shop: Shop, client: TestClient) -> None:
    """The recorder samples what anybody can send; a test finds each. The honest one is proven."""
    for _ in range(30):
        assert (
            assert_refused(client.post(URL, **paid(shop, secret="wrong")), "authentic") is not None
        )
    assert_proven(client.post(URL, **paid(shop)))


def test_a_delivery_fits_flask_too(shop: Shop) -> None:
    """Its own test client takes it in its own words, refused and proven."""
    http = flask_app_of(shop).test_client()
    assert_refused(http.post(URL, **paid(shop, secret="wrong").for_flask()), "authentic")
    assert_proven(http.post(URL, **paid(shop).for_flask()))


def test_a_delivery_fits_django_and_requests_too(shop: Shop) -> None:
    """The same bytes and fields, by other names."""
    made = paid(shop)
    django, requests = made.for_django(), made.for_requests()
    assert django["data"] == requests["data"] == made.content
    assert django["content_type"] == "application/json"
    assert {"Content-Type": "application/json", **django["headers"]} == requests["headers"]


def test_what_was_refused_otherwise_or_not_at_all_fails(shop: Shop, client: TestClient) -> None:
    """Each assertion bites: another obligation, another code, a proven one, a path of nobody's."""
    refused = client.post(URL, **paid(shop, secret="wrong"))
    for obligation, code in (("fresh", None), ("authentic", "stale")):
        with pytest.raises(AssertionError, match="refused by authentic"):
            assert_refused(refused, obligation, code)
    with pytest.raises(AssertionError, match="not proven, but refused"):
        assert_proven(refused)
    with pytest.raises(AssertionError, match="not refused"):
        assert_refused(client.post(URL, **paid(shop)), "authentic")
    for check in (assert_proven, lambda answer: assert_refused(answer, "valid")):
        with pytest.raises(AssertionError, match="names no crossing"):
            check(client.post("/nobody"))


def test_a_replay_is_acknowledged_and_refused(shop: Shop, client: TestClient) -> None:
    """The wire says 200 both times; the records tell them apart."""
    made = paid(shop)
    assert_proven(client.post(URL, **made))
    assert_refused(client.post(URL, **made), "unique", "replayed")


def test_an_answer_of_another_process_tells_what_the_wire_tells() -> None:
    """Without a record: the obligation and, but for `authentic`, the code; more can't be asked."""
    told = {"type": "urn:pratique:refusal:valid", "code": "too_large", "status": 413}
    fields = {"content-type": "application/problem+json", "crossing-id": "elsewhere-1"}
    answer = httpx.Response(413, headers=fields, content=json.dumps(told).encode())
    assert assert_refused(answer, "valid", "too_large") is None
    blank = {"type": "urn:pratique:refusal:authentic", "status": 401}
    answer = httpx.Response(401, headers=fields, content=json.dumps(blank).encode())
    assert assert_refused(answer, "authentic") is None
    with pytest.raises(AssertionError, match="doesn't tell the code"):
        assert_refused(answer, "authentic", "bad_signature")


def test_crossings_are_heard_by_boundary(shop: Shop, client: TestClient) -> None:
    """What crosses within the block, and nothing after it."""
    with Crossings.heard() as heard:
        client.post(URL, **paid(shop))
    client.post(URL, **paid(shop))
    assert [record.code for record in heard.of(shop.payments)] == [""]
    assert len(heard) == 1
    assert heard.of("elsewhere") == []


TYPES = {"braintree": "item_made", "x-twitter": "item_events"}
"""Where a sender's types have a form of their own."""


def declared(name: str) -> Webhook:
    """Return a boundary of a sender, whatever its scheme needs."""
    scheme = providers.get(name)
    if scheme.source != "literal":
        scheme = unsafe.unconfirmed(scheme, reason="a test", owner="us", until=date(2027, 1, 1))
    pins = {pin.name: "our-own" for pin in scheme.pins if pin.is_owed}
    url = "https://shop.example/hooks" if scheme.signs_url else None
    return Webhook("hooks", scheme(secrets=Secret(SECRET, name="main"), url=url, **pins))


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in SHAPES if name not in OTHERS),
        *(name for name in providers.names() if providers.get(name).type_field),
    ],
)
def test_a_delivery_has_its_senders_shape(name: str) -> None:
    """It opens at its own scheme, with its type; with another secret it doesn't."""
    hooks, told = declared(name), TYPES.get(name, "item.made")
    sender, at = hooks.sender, datetime(2026, 1, 5, tzinfo=UTC)
    content = None if name in SHAPES else {"id": 1}
    for secret, is_good in ((None, True), ("wrong", False)):
        made = delivery(hooks, told, content, secret=secret, at=at)
        claim = Claim(made.content, Fields(made.fields), at)
        if is_good:
            opened = sender.scheme.open(claim, secrets=[SECRET], url=sender.url, **sender.pins)
            assert opened.envelope is not None
            assert opened.envelope.type == told
        else:
            with pytest.raises(Refused):
                sender.scheme.open(claim, secrets=[SECRET], url=sender.url, **sender.pins)


OTHER_TYPES = {"adyen": "AUTHORISATION", "aws-sns": "Notification", "discord": "command",
               "mollie": "payment", "plaid": "ITEM.ERROR", "sendgrid": "events"}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_a_sender_that_signs_otherwise_has_its_shape_too(name: str) -> None:
    """Where it signs with a key of its own, the test signs with a private one."""
    case = OTHERS[name]
    scheme = case.scheme
    if scheme.source != "literal":
        scheme = unsafe.unconfirmed(scheme, reason="a test", owner="us", until=date(2027, 1, 1))
    told: dict[str, Any] = {"secrets": case.opening()} if case.opening() else {}
    hooks = Webhook("hooks", scheme(**told, url=case.url, **case.pins()))
    kind, at = OTHER_TYPES.get(name, "item.made"), datetime(2026, 1, 5, tzinfo=UTC)
    for number in (0, 1):
        made = delivery(hooks, kind, object_id="7", secret=case.signing(number), at=at)
        claim = Claim(made.content, Fields(made.fields), at)
        if number == 0 or name == "mollie":
            opened = case.opened(claim)
            assert opened.envelope is not None
            assert opened.envelope.type == kind
        else:
            with pytest.raises(Refused):
                case.opened(claim)


def test_a_shape_that_is_not_known_is_asked_for() -> None:
    """GitHub's events have shapes of their own: content is owed, and then taken."""
    pushes = Webhook("pushes", providers.github(secrets=Secret(SECRET, name="main")))
    with pytest.raises(ValueError, match="Pass content="):
        delivery(pushes, "push")
    made = delivery(pushes, "push", {"after": "c0ffee"})
    assert ("X-GitHub-Event", "push") in made.fields


def test_a_frozen_clock_moves_when_it_is_told_to(shop: Shop) -> None:
    """It stands still, and moves by what it is told; a time without a zone is none."""
    clock = FrozenClock()
    assert clock() == clock()
    before = clock()
    assert clock.move(timedelta(minutes=6)) - before == timedelta(minutes=6)
    for wrong in (lambda: FrozenClock(datetime(2026, 1, 5)), lambda: clock.move(timedelta())):  # noqa: DTZ001
        with pytest.raises(ValueError, match="FrozenClock"):
            wrong()


class Score(msgspec.Struct):
    order: int
    score: int


def test_a_fake_partner_answers_as_it_is_told() -> None:
    """Wrong type, too much, an error, never: each refused by its code; the honest answer is proven."""
    with FakePartner() as bank:
        perimeter = Perimeter()
        policy = bank.policy(deadline=timedelta(seconds=0.2), max_content_bytes=5000)
        risk = perimeter.declare(Partner("risk", bank.base, policy=policy))
        with perimeter:
            for script, code in (
                (
                    lambda: bank.answers(b"<p>", fields={"Content-Type": "text/html"}),
                    "content_type",
                ),
                (lambda: bank.answers_too_much(6000), "too_large_decoded"),
                (lambda: bank.answers({"order": "x"}), "bad_answer"),
                (lambda: bank.answers({}, status=500), "partner_unavailable"),
                (bank.answers_never, "fetch_deadline"),
            ):
                script()
                with pytest.raises(Refused) as refused:
                    risk.get("/score", Score, about={"order": 7})
                assert refused.value.code == code
            bank.answers({"order": 7, "score": 3}, path="/score")
            assert risk.get("/score", Score, about={"order": 7}).value.score == 3
            assert {question.target for question in bank.asked} == {"/score"}


def test_a_tests_issuer_is_believed_by_its_own_policy() -> None:
    """Its tokens verify; one that is over, for another audience, or of another issuer doesn't."""
    clock = FrozenClock()
    issuer = TokenIssuer()
    assert (
        verify_token(issuer.token("ann", at=clock()), issuer.policy(), at=clock()).subject == "ann"
    )
    for token in (
        issuer.token("ann", at=clock(), lifetime=timedelta(minutes=-1)),
        issuer.token("ann", at=clock(), aud="https://elsewhere.test"),
        issuer.token("ann", at=clock(), exp=None),
        TokenIssuer().token("ann", at=clock()),
    ):
        with pytest.raises(Refused):
            verify_token(token, issuer.policy(), at=clock())
    assert issuer.bearer("ann")["Authorization"].startswith("Bearer ey")


def test_a_session_cookie_needs_a_boundary_with_one() -> None:
    """A boundary that takes bearer tokens has none."""
    identity = BearerToken(TokenIssuer().policy())
    api = Client("api", identity=identity, user=lambda _: None, policy=lambda *_: False)
    with pytest.raises(TypeError, match="no session cookie"):
        session_cookie(api, "a" * 32)


def result(attack: str, digest: str = "d1", minute: int = 0) -> Tried:
    """Return a result."""
    at = datetime(2026, 1, 5, 12, minute, tzinfo=UTC)
    return Tried("payments", "invoice.paid", attack, digest, "refused", at)


def test_results_are_merged_sorted_and_kept_while_they_hold(tmp_path: Path) -> None:
    """The later of the same attack stays, an older digest goes; the file says the same bytes twice."""
    before = [result("WH-04"), result("WH-03"), result("WH-02", "d0")]
    now = [result("WH-03", minute=5)]
    kept = merged(before, now, {("payments", "invoice.paid"): "d1"})
    assert kept == (result("WH-03", minute=5), result("WH-04"))
    file = tmp_path / "a" / "tested.json"
    write_tested(file, reversed(kept))
    first = file.read_bytes()
    write_tested(file, kept)
    assert file.read_bytes() == first
    assert read_tested(file) == kept


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 2, "tested": []}', "[" * 100_000])
def test_a_file_of_results_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """It says what to do; no file at all is no result."""
    file = tmp_path / "tested.json"
    assert read_tested(file) == ()
    file.write_text(text)
    with pytest.raises(BoundaryError, match="run the tests again"):
        read_tested(file)
