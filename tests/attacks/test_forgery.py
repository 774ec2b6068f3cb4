"""WH-01…13, 25–29, 32: what isn't the sender's, isn't now, or isn't an event. Each with its twin; state is read back."""

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest

from pratique.core.proofs.authentic import hmac as mac
from pratique.core.refusal import BoundaryError
from pratique.webhook import Webhook, providers
from tests.attacks.door import Door
from tests.shop import NOW, SECRET, Invoice, delivery

WRONG = "whsec_of_somebody_else_1"


def refuses(door: Door, content: bytes, fields: Any, obligation: str, code: str) -> None:
    """Require a refusal without an effect, then that the honest twin goes through."""
    status, record = door.post(content, fields)
    assert 400 <= status < 500
    assert record is not None
    assert (record.obligation, record.code) == (obligation, code)
    assert door.upgrades == 0
    admits(door)


def admits(door: Door) -> None:
    """Send the honest twin: one effect."""
    assert door.send()[0] == 200
    assert door.upgrades == 1


def test_refuses_a_delivery_without_a_signature(door: Door) -> None:
    """WH-01."""
    refuses(door, delivery()[0], [], "authentic", "missing_signature")


@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_refuses_an_empty_signature(door: Door, value: str) -> None:
    """WH-02."""
    refuses(door, delivery()[0], [("Stripe-Signature", value)], "authentic", "missing_signature")


def test_refuses_a_wrong_secret(door: Door) -> None:
    """WH-03."""
    refuses(door, *delivery(secret=WRONG), "authentic", "bad_signature")


def test_refuses_one_changed_byte(door: Door) -> None:
    """WH-04."""
    content, fields = delivery()
    refuses(door, content.replace(b"evt_1", b"evt_2"), fields, "authentic", "bad_signature")


def test_refuses_a_body_that_was_serialised_again(door: Door) -> None:
    """WH-05: the proof is over the bytes, not over their meaning."""
    content, fields = delivery()
    again = json.dumps(json.loads(content), indent=1).encode()
    refuses(door, again, fields, "authentic", "bad_signature")


def test_reads_a_duplicate_key_once_for_proof_and_effect(door: Door) -> None:
    """WH-06: one parse. The last type counts everywhere: voided is nobody's, and paid goes through."""
    paid = delivery()[0]
    voided = paid.replace(
        b'"type": "invoice.paid"', b'"type": "invoice.paid", "type": "invoice.voided"'
    )
    status, record = door.post(*delivery(content=voided))
    assert (status, record.code, door.upgrades) == (200, "ignored", 0)
    twice = paid.replace(
        b'"type": "invoice.paid"', b'"type": "invoice.voided", "type": "invoice.paid"'
    )
    assert door.post(*delivery(content=twice))[0] == 200
    assert door.upgrades == 1


@pytest.mark.parametrize("secret", ["None", "undefined", "changeme"])
def test_refuses_the_secrets_that_a_mistake_leaves_behind(door: Door, secret: str) -> None:
    """WH-07, and the start with one of them is refused; the twin starts."""
    refuses(door, *delivery(secret=secret), "authentic", "bad_signature")
    for bad in ("", secret):
        with pytest.raises(BoundaryError):
            providers.stripe(secrets=bad).opener("")
    assert providers.stripe(secrets=SECRET).opener("")


def test_refuses_a_legacy_scheme_alone(door: Door) -> None:
    """WH-08: v0 signs Stripe's test events, and is never read."""
    content, fields = delivery()
    legacy = [(name, value.replace("v1=", "v0=")) for name, value in fields]
    refuses(door, content, legacy, "authentic", "malformed_signature")


def test_tries_few_candidates(door: Door) -> None:
    """WH-09, hole 14: within a rotation's bound a late one is found; a search is refused."""
    content, [(name, value)] = delivery()
    time, good = value.split(",")
    many = ",".join([time, *["v1=" + "0" * 64] * 40, good])
    refuses(door, content, [(name, many)], "authentic", "too_many_signatures")
    few = ",".join([time, "v1=" + "0" * 64, good])
    assert door.post(content, [(name, few)])[1].code == "replayed"


def test_refuses_a_stale_delivery(door: Door) -> None:
    """WH-10: 301 s; the twin is 300 s old."""
    refuses(door, *delivery(at=NOW - timedelta(seconds=301)), "fresh", "stale")
    assert door.send(at=NOW - timedelta(seconds=300))[1].code == "replayed"


def test_refuses_a_delivery_from_the_future(door: Door) -> None:
    """WH-11."""
    refuses(door, *delivery(at=NOW + timedelta(seconds=301)), "fresh", "from_the_future")


def test_refuses_a_new_time_over_an_old_signature(door: Door) -> None:
    """WH-12: the time is inside the MAC."""
    content, [(name, value)] = delivery(at=NOW - timedelta(days=1))
    swapped = f"t={int(NOW.timestamp())},{value.split(',')[1]}"
    refuses(door, content, [(name, swapped)], "authentic", "bad_signature")


@pytest.mark.parametrize("time", ["", "x", "-1", "1e400", "[1]", "١٧", "9" * 40, "1.5"])
def test_refuses_a_time_that_is_none(door: Door, time: str) -> None:
    """WH-13: 4xx, never 5xx."""
    content, [(name, value)] = delivery()
    field = f"t={time},{value.split(',')[1]}".encode()
    refuses(door, content, [(name.encode(), field)], "authentic", "malformed_signature")


def test_refuses_a_delivery_of_another_mode(door: Door) -> None:
    """WH-25: a test event at the live endpoint, though its signature is right."""
    refuses(door, *delivery("evt_t", livemode=False), "linked", "wrong_livemode")


def test_refuses_two_boundaries_that_one_delivery_would_open(door: Door) -> None:
    """WH-25: a shared secret without a signed discriminator doesn't start; with one it does."""
    admits(door)  # so that it has started, through any door
    perimeter = door.shop.perimeter
    other = Webhook("other", providers.stripe(secrets=SECRET, livemode=True), scope="other")
    debts = other.prepare(perimeter.store)
    assert debts == []
    assert set(other.exclusive()) & set(door.shop.payments.exclusive())
    test_mode = Webhook("test", providers.stripe(secrets=SECRET, livemode=False), scope="test")
    test_mode.prepare(perimeter.store)
    assert not set(test_mode.exclusive()) & set(door.shop.payments.exclusive())


def test_acknowledges_a_type_that_nobody_declared(door: Door) -> None:
    """WH-26: 2xx, no effect, an event."""
    status, record = door.send("evt_9", kind="invoice.created")
    assert (status, record.outcome, door.upgrades) == (200, "ignored", 0)
    admits(door)


def test_verifies_the_bytes_that_it_parses(door: Door) -> None:
    """WH-27: gzip, a BOM, another charset over the plain signature."""
    content, fields = delivery()
    for other in (
        gzip.compress(content),
        b"\xef\xbb\xbf" + content,
        content.decode().encode("utf-16"),
    ):
        status, record = door.post(other, [*fields, ("content-encoding", "identity")])
        assert (status, record.code) == (401, "bad_signature")
    signed_bom = delivery(content=b"\xef\xbb\xbf" + content)
    assert 400 <= door.post(*signed_bom)[0] < 500
    admits(door)


def test_compares_in_constant_time(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """WH-29: through compare_digest, each candidate."""
    seen: list[tuple[str, str]] = []
    real = mac.compare_digest

    def hooked(a: str, b: str) -> bool:
        seen.append((a, b))
        return real(a, b)

    monkeypatch.setattr(mac, "compare_digest", hooked)
    door.send(secret=WRONG)
    admits(door)
    assert len(seen) == 2
    assert all(len(a) == len(b) == 64 for a, b in seen)


def test_an_unsigned_field_proves_nothing(door: Door) -> None:
    """WH-32: GitHub's type and delivery id are hints; the key is of the content alone."""
    from pratique import Claim, Fields

    content = b'{"ref": "refs/heads/main"}'
    signed = list(providers.github.seal(content, secret=SECRET, at=NOW))
    keys = {
        providers.github.open(
            Claim(
                content,
                Fields([*signed, ("X-GitHub-Event", kind), ("X-GitHub-Delivery", kind)]),
                NOW,
            ),
            secrets=[SECRET],
        ).key
        for kind in ("push", "organization")
    }
    assert len(keys) == 1
    boundary = Webhook("pushes", providers.github(secrets=SECRET))
    boundary.on(
        "push", confirm=lambda e: e.id, once=lambda c: c, link=lambda c: c, allow=lambda c, r: True
    )(lambda a: None)
    boundary.prepare(door.shop.perimeter.store)
    assert any("owes VALID" in debt for debt in boundary.debts(NOW.date()))
    typed = Webhook("typed", providers.github(secrets=SECRET))
    typed.on(
        "push",
        content=Invoice,
        confirm=lambda e: e.id,
        once=lambda c: c,
        link=lambda c: c,
        allow=lambda c, r: True,
    )(lambda a: None)
    typed.prepare(door.shop.perimeter.store)
    assert typed.debts(NOW.date()) == []


def test_every_authentic_refusal_is_the_same_to_its_sender(door: Door) -> None:
    """No answer tells how far a forgery came: status, fields and body agree, the crossing's id aside."""
    content, fields = delivery()
    forms = [
        [],
        [("Stripe-Signature", "x")],
        delivery(secret=WRONG)[1],
        [(n, v.replace("v1=", "v0=")) for n, v in fields],
    ]
    answers = [
        door.client.post("/api/webhooks/payment", content=content, headers=form) for form in forms
    ]
    seen = {
        (
            a.status_code,
            a.content,
            tuple(sorted((k, v) for k, v in a.headers.items() if k != "crossing-id")),
        )
        for a in answers
    }
    assert len(seen) == 1
    assert answers[0].json() == {
        "type": "urn:pratique:refusal:authentic",
        "title": "Not authentic",
        "status": 401,
    }
