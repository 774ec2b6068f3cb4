"""The holes of the handler that asks the provider and still isn't safe; each is closed, with its admitting twin."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique import Claim, Fields, Refused, Secret, stores
from pratique.core.refusal import Answer, BoundaryError
from pratique.webhook import providers
from tests.shop import NOW, SECRET, Invoice, Shop, boundary, claim, delivery, held, plain_sqlite3


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Return a started shop."""
    found = plain_sqlite3(tmp_path / "shop.db")
    with found.perimeter:
        yield found


def refused(shop: Shop, given: Claim) -> Refused:
    """Deliver what must be refused; no row differs from before."""
    before = shop.rows()
    with pytest.raises(Refused) as error:
        shop.perimeter.admit(shop.payments, given)
    assert shop.rows() == before
    return error.value


def admitted(shop: Shop, event_id: str = "evt_twin", **more: Any) -> None:
    """Deliver the twin."""
    before = sum(row["upgrades"] for row in shop.rows())
    shop.perimeter.admit(shop.payments, claim(event_id, **more))
    assert sum(row["upgrades"] for row in shop.rows()) == before + 1


@pytest.mark.parametrize("value", ["", "v1=ab", "t=1,v1=" + "a" * 63, "t=1,v1=é"])
def test_a_signature_of_another_length_is_only_refused(shop: Shop, value: str) -> None:
    """Hole 1: one unsigned request must not end the process. Hole 6: bytes are what is proven."""
    content, _ = delivery()
    assert refused(shop, Claim(content, Fields([("Stripe-Signature", value)]), NOW)).status == 401
    admitted(shop)


def test_an_event_handled_before_is_acknowledged(shop: Shop) -> None:
    """Holes 2, 3: single use and effect are one commit (concurrency and crash: test_webhook_faults.py)."""
    admitted(shop, "evt_1")
    assert refused(shop, claim("evt_1")).answer is Answer.ACKNOWLEDGE


def test_a_stale_event_is_refused(shop: Shop) -> None:
    """Hole 4: the signed time is bounded on both sides."""
    for days in (1, -1):
        assert refused(shop, claim(sent=NOW + timedelta(days=days))).obligation == "fresh"
    admitted(shop)


def test_an_empty_secret_does_not_start() -> None:
    """Holes 5, 14: empty is refused; a rolled secret has two names."""
    with pytest.raises(BoundaryError):
        Secret("", name="main").read()
    scheme = providers.get("stripe")
    assert scheme.open(claim(), secrets=[SECRET[::-1], SECRET]).secret_name == "secret 2"


def test_another_type_or_mode_activates_nothing(shop: Shop) -> None:
    """Holes 7, 8, 13: the type is declared, the mode is pinned."""
    assert refused(shop, claim(kind="customer.created")).code == "ignored"
    assert refused(shop, claim(livemode=False)).code == "wrong_livemode"
    admitted(shop)


@pytest.mark.parametrize("more", [{"amount": 1}, {"currency": "usd"}, {"status": "void"}])
def test_another_amount_activates_nothing(shop: Shop, more: dict[str, Any]) -> None:
    """Hole 8: amount and currency of the confirmed invoice are compared."""
    shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1", **more)
    assert refused(shop, claim()).answer is Answer.ACKNOWLEDGE
    shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1")
    admitted(shop)


def test_metadata_chooses_no_row(shop: Shop) -> None:
    """Hole 9: the row is found by the confirmed customer."""
    admitted(shop, metadata={"customer": "cus_2"})
    assert [row["upgrades"] for row in shop.rows()] == [1, 0]


def test_a_cancelled_subscription_stays_cancelled(shop: Shop) -> None:
    """Hole 10: the transition is judged from the present state."""
    shop.execute("UPDATE subscription SET state = 'cancelled' WHERE id = 1")
    assert refused(shop, claim()).code == "not_allowed"
    admitted(shop, invoice="in_2")


@pytest.mark.parametrize("object_id", ["../customers/cus_1", "in_1?x=1", "in_1%2f", "in_1\n"])
def test_an_object_id_that_is_no_id_never_goes_out(shop: Shop, object_id: str) -> None:
    """Hole 11: path injection (CWE-22)."""
    refused(shop, claim(invoice=object_id))
    assert object_id not in shop.provider.asked
    admitted(shop)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"[" * 5000, b"\xff"])
def test_signed_rubbish_is_refused(shop: Shop, content: bytes) -> None:
    """Hole 12: nothing but a refusal leaves the parser."""
    assert refused(shop, claim(content=content)).code == "bad_envelope"
    admitted(shop)


def test_not_yet_is_asked_again_and_a_mismatch_is_not(shop: Shop) -> None:
    """Holes 15, 16: 503 with a pause, or 2xx; the parking of what is pending comes with the inbox."""
    shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1", "open")
    later = refused(shop, claim())
    assert (later.status, later.retry_after is not None) == (503, True)
    assert refused(shop, claim(invoice="in_9")).status == 200
    shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1")
    admitted(shop)


def test_a_source_that_is_down_is_asked_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hole 17: whatever the source raises is a refusal with a retry."""
    with monkeypatch.context() as patch:
        patch.setattr(shop.provider, "invoices", None)
        assert refused(shop, claim()).status == 503
    admitted(shop)


def test_an_overtaken_lease_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hole 18: the token is checked when it is settled; an overtaken one is said, never proven."""
    store = stores.sqlite(tmp_path / "keys.db")
    shop = held(store)
    with shop.perimeter:
        with monkeypatch.context() as patch:
            patch.setattr(type(store.sync), "settle", lambda *_, **__: False)
            with pytest.raises(Refused) as error:
                shop.perimeter.admit(shop.payments, claim())
        assert error.value.code == "overtaken"
        admitted(shop, "evt_2", invoice="in_2")


def test_keys_outlive_every_retry(shop: Shop) -> None:
    """Hole 19: a year later it is still seen."""
    admitted(shop, "evt_1")
    shop.clock[0] = NOW + timedelta(days=365)
    assert refused(shop, claim("evt_1", at=shop.clock[0])).code == "replayed"


def test_the_diagnosis_is_in_the_record_alone(shop: Shop) -> None:
    """Hole 20: the sender is told a title; the record says the code."""
    error = refused(shop, claim(secret="whsec_of_somebody_else_1"))
    assert set(error.problem()) == {"type", "title", "status"}
    record = shop.perimeter.find(error.crossing_id)
    assert record is not None
    assert record.code == "bad_signature"


def test_a_handshake_is_answered_after_its_signature() -> None:
    """Hole 21: no signing oracle; through each door: tests/integrations/test_handshakes.py."""
    scheme = providers.get("slack")
    content = b'{"type":"url_verification","challenge":"abc123"}'
    sealed = scheme.seal(content, secret=SECRET, at=NOW)
    with pytest.raises(Refused):
        scheme.answer(Claim(content, Fields(), NOW), secrets=[SECRET])
    assert b"abc123" in scheme.answer(Claim(content, sealed, NOW), secrets=[SECRET])


def test_a_mismatch_is_counted_and_logged(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """Hole 22: it has a record and a counter; it is replayed in tests/cli/test_inbox.py."""
    with caplog.at_level(logging.DEBUG, "pratique"):
        error = refused(shop, claim(invoice="in_9"))
    record = shop.perimeter.find(error.crossing_id)
    assert record is not None
    assert record.outcome == "mismatch"
    assert sum(shop.perimeter.tally.counts.values()) == 1
    assert boundary().name == record.boundary


def test_a_mismatch_leaves_a_dead_letter(shop: Shop, tmp_path: Path) -> None:
    """Hole 22: acknowledged, its content kept, one row a key; the honest twin leaves none."""

    def dead_letters() -> list[tuple[str, bytes]]:
        with closing(sqlite3.connect(tmp_path / "shop.db")) as db:
            return db.execute(
                "SELECT code, content FROM pratique_refusal WHERE content IS NOT NULL"
            ).fetchall()

    for _ in range(2):
        error = refused(shop, claim(invoice="in_9"))
        assert (error.answer, error.status) == (Answer.ACKNOWLEDGE, 200)
        ((code, content),) = dead_letters()
        assert code == error.code
        assert b"in_9" in content
    admitted(shop)
    assert len(dead_letters()) == 1
