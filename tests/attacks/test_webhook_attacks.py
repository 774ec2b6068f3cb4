"""The webhook attacks WH-01 to WH-33 over the FastAPI door: each is sent, and the rows are read back."""

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pratique import Secret
from pratique.core.proofs.authentic import hmac as mac
from pratique.core.refusal import BoundaryError
from pratique.integrations.fastapi import endpoint, guard
from tests.shop import NOW, SECRET, URL, Invoice, Shop, async_orm, delivery, plain_sqlite3

HEADER = "Stripe-Signature"


class Door:
    """A shop behind FastAPI."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        app = guard(FastAPI(), shop.perimeter)
        app.post(URL)(endpoint(shop.payments))
        self.client = TestClient(app)

    def send(self, content: bytes, fields: list[tuple[str, str]]) -> int:
        """Deliver; return the status."""
        return self.client.post(URL, content=content, headers=fields).status_code

    @property
    def effects(self) -> int:
        """Return how often the effect happened, on all rows together."""
        return sum(row["upgrades"] for row in self.shop.rows())

    def refuses(self, content: bytes, fields: list[tuple[str, str]], status: int = 401) -> None:
        """Deliver; the status is as said and no row differs from before."""
        before = self.shop.rows()
        assert self.send(content, fields) == status
        assert self.shop.rows() == before

    def admits(self, event_id: str = "evt_twin", **more: Any) -> None:
        """Deliver the twin: one more effect."""
        before = self.effects
        assert self.send(*delivery(event_id, **more)) == 200
        assert self.effects == before + 1


@pytest.fixture(params=["async_orm", "sqlite3"])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """Return a started door on each store."""
    if request.param == "async_orm":
        shop = async_orm(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
    else:
        shop = plain_sqlite3(tmp_path / "shop.db")
    found = Door(shop)
    with found.client:
        yield found


def header(fields: list[tuple[str, str]]) -> str:
    """Return the signature header's value."""
    return dict(fields)[HEADER]


def test_refuses_an_event_without_a_signature(door: Door) -> None:
    """WH-01: authentic, CWE-306."""
    content, _ = delivery()
    door.refuses(content, [])
    door.admits()


@pytest.mark.parametrize("value", ["", " ", "\t", ",", "t=,v1="])
def test_refuses_an_empty_signature(door: Door, value: str) -> None:
    """WH-02: authentic, CWE-347."""
    content, _ = delivery()
    door.refuses(content, [(HEADER, value)])
    door.admits()


def test_refuses_a_signature_by_another_secret(door: Door) -> None:
    """WH-03: authentic, CWE-347."""
    door.refuses(*delivery(secret="whsec_of_somebody_else_1"))
    door.admits()


def test_refuses_one_changed_byte(door: Door) -> None:
    """WH-04: authentic, CWE-345."""
    content, fields = delivery()
    door.refuses(content.replace(b"in_1", b"in_2"), fields)
    door.admits()


def test_refuses_a_content_that_was_serialised_again(door: Door) -> None:
    """WH-05: the proof is over the raw bytes."""
    content, fields = delivery()
    value = json.loads(content)
    for again in (
        json.dumps(value, separators=(",", ":")),
        json.dumps(value, sort_keys=True),
        content.decode().replace("in_1", "\\u0069n_1"),
    ):
        door.refuses(again.encode(), fields)
    door.admits()


def test_a_duplicate_key_never_chooses_what_is_done(door: Door) -> None:
    """WH-06: signed bytes with two objects; what is applied is what the source says of the one that was asked for."""
    content = b'{"id":"evt_1","type":"invoice.paid","livemode":true,"data":{"object":{"id":"in_9"},"object":{"id":"in_1"}}}'
    door.send(*delivery(content=content))
    asked = set(door.shop.provider.asked)
    assert len(asked) <= 1
    assert door.effects == (1 if asked == {"in_1"} else 0)


@pytest.mark.parametrize("secret", ["", "None", "undefined", "changeme"])
def test_refuses_a_placeholder_secret_at_the_door_and_at_start(door: Door, secret: str) -> None:
    """WH-07: CWE-1188."""
    content, _ = delivery()
    time = str(int(NOW.timestamp()))
    digest = mac.HmacKey(secret.encode()).digest(time.encode() + b".", content).hex()
    door.refuses(content, [(HEADER, f"t={time},v1={digest}")])
    with pytest.raises(BoundaryError):
        Secret(secret, name="main").read()
    assert Secret(SECRET, name="main").read()
    door.admits()


def test_refuses_a_legacy_label(door: Door) -> None:
    """WH-08: the right digest under another label is none (CWE-327)."""
    content, fields = delivery()
    for label in ("v0=", "sha1=", "V1="):
        door.refuses(content, [(HEADER, header(fields).replace("v1=", label))])
    door.admits()


def test_bounds_the_number_of_candidates(door: Door) -> None:
    """WH-09: a late candidate among few is taken, a thousand are not tried."""
    content, fields = delivery()
    time, good = header(fields).split(",")
    door.refuses(content, [(HEADER, ",".join([time, *["v1=" + "0" * 64] * 1000, good]))])
    assert door.send(content, [(HEADER, ",".join([time, "v1=" + "0" * 64, good]))]) == 200
    assert door.effects == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_refuses_outside_the_window_on_both_sides(door: Door, sign: int) -> None:
    """WH-10, WH-11: 301 s old or ahead is refused, 300 s is admitted."""
    door.refuses(*delivery(at=NOW + sign * timedelta(seconds=301)), status=400)
    door.admits(at=NOW + sign * timedelta(seconds=300))


def test_refuses_a_fresh_time_over_an_old_signature(door: Door) -> None:
    """WH-12: the time is inside the MAC."""
    content, old = delivery(at=NOW - timedelta(days=1))
    _, now = delivery()
    swapped = header(now).split(",")[0] + "," + header(old).split(",")[1]
    door.refuses(content, [(HEADER, swapped)])
    door.admits()


@pytest.mark.parametrize("time", [None, "x", "-1", "1e400", "[1]", "9" * 400, "٣", "1.5", " 1"])
def test_refuses_an_impossible_time(door: Door, time: str | None) -> None:
    """WH-13: 4xx, never 5xx; signed with the real secret over that very text."""
    content, _ = delivery()
    digest = mac.HmacKey(SECRET.encode()).digest((time or "").encode() + b".", content).hex()
    value = f"v1={digest}" if time is None else f"t={time},v1={digest}"
    before = door.shop.rows()
    response = door.client.post(URL, content=content, headers=[(HEADER.encode(), value.encode())])
    assert 400 <= response.status_code < 500
    assert door.shop.rows() == before
    door.admits()


def test_applies_an_exact_replay_once(door: Door) -> None:
    """WH-14: acknowledged, applied once (CWE-294)."""
    for _ in range(3):
        assert door.send(*delivery()) == 200
    assert door.effects == 1
    door.admits("evt_2", invoice="in_2")


def test_applies_another_event_id_for_one_invoice_once(door: Door) -> None:
    """WH-16: the business key."""
    for number in range(3):
        assert door.send(*delivery(f"evt_{number}")) == 200
    door.shop.execute("UPDATE subscription SET state = 'pending' WHERE id = 1")
    assert door.send(*delivery("evt_9")) == 200
    assert door.effects == 1
    door.admits("evt_10", invoice="in_2")


@pytest.mark.parametrize("event_id", [None, 1, "", "evt_1 ", "e" * 10_000, "../evt", ["evt_1"]])
def test_an_odd_event_id_is_no_fresh_identity(door: Door, event_id: object) -> None:
    """WH-17: CWE-178."""
    body = {
        "id": event_id,
        "type": "invoice.paid",
        "livemode": True,
        "data": {"object": {"id": "in_1"}},
    }
    content = json.dumps(body).encode()
    before = door.shop.rows()
    assert 400 <= door.send(*delivery(content=content)) < 500
    assert door.shop.rows() == before
    door.admits()
    door.send(*delivery("EVT_TWIN"))
    assert door.effects == 1


def test_refuses_what_the_source_does_not_know(door: Door) -> None:
    """WH-20: one lookup, no effect."""
    door.refuses(*delivery(invoice="in_9"), status=200)
    assert door.shop.provider.asked == ["in_9"]
    door.admits()


@pytest.mark.parametrize("status", ["unpaid", "refunded", "void"])
def test_refuses_what_the_source_says_otherwise(door: Door, status: str) -> None:
    """WH-21: the event says paid, the source doesn't."""
    door.shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1", status)
    door.refuses(*delivery(), status=200)
    door.shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1")
    door.admits()


def test_metadata_never_chooses_the_row(door: Door) -> None:
    """WH-22: the customer of the confirmed invoice does."""
    assert door.send(*delivery(metadata={"customer": "cus_2"}, customer="cus_2")) == 200
    assert [row["upgrades"] for row in door.shop.rows()] == [1, 0]


def test_uses_the_confirmed_amount_alone(door: Door) -> None:
    """WH-23: the event's own amount is never read; a wrong one at the source is refused."""
    door.shop.provider.invoices["in_2"] = Invoice("in_2", "cus_2", amount=1)
    door.refuses(*delivery("evt_2", invoice="in_2", amount=2900), status=200)
    door.admits(amount=1, currency="usd")
    assert door.shop.row["amount"] == 2900


def test_never_goes_backward(door: Door) -> None:
    """WH-24: cancelled stays cancelled."""
    door.shop.execute("UPDATE subscription SET state = 'cancelled' WHERE id = 1")
    door.refuses(*delivery(), status=200)
    door.admits(invoice="in_2")


def test_refuses_test_mode(door: Door) -> None:
    """WH-25: wrong audience."""
    door.refuses(*delivery(livemode=False), status=403)
    door.admits()


def test_ignores_an_undeclared_type(door: Door) -> None:
    """WH-26: acknowledged, no effect, the source isn't asked."""
    door.refuses(*delivery(kind="invoice.voided"), status=200)
    assert door.shop.provider.asked == []
    door.admits()


@pytest.mark.parametrize("change", [gzip.compress, b"\xef\xbb\xbf".__add__])
def test_refuses_another_encoding_of_the_plain_bytes(door: Door, change: Any) -> None:
    """WH-27: what is verified is what came; a signed BOM is not an envelope."""
    content, fields = delivery()
    door.refuses(change(content), [*fields, ("content-encoding", "gzip")])
    door.refuses(*delivery(content=change(content)), status=400)
    door.admits()


def test_compares_in_constant_time(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """WH-29: the compare function is recorded, not the wall clock (CWE-208)."""
    seen: list[tuple[str, str]] = []

    def compare(one: str, other: str) -> bool:
        seen.append((one, other))
        return one == other

    monkeypatch.setattr(mac, "compare_digest", compare)
    content, fields = delivery()
    time, good = header(fields).split(",")
    for bad in ("v1=" + "0" + good[4:], good[:-1] + ("0" if good[-1] != "0" else "1")):
        if bad != good:
            door.refuses(content, [(HEADER, f"{time},{bad}")])
    assert seen
    assert len({len(other) for _, other in seen}) == 1
    door.admits()


def test_an_event_signed_again_is_applied_once(door: Door) -> None:
    """WH-30: the key is not of the time."""
    for seconds in (0, 1, 2):
        assert door.send(*delivery(at=NOW + timedelta(seconds=seconds))) == 200
    assert door.effects == 1


def test_a_stranger_burns_no_key(door: Door) -> None:
    """WH-31: an unsigned body first, then the honest event."""
    content, fields = delivery()
    door.refuses(content, [])
    door.refuses(content, [(HEADER, "t=1,v1=" + "0" * 64)])
    assert door.send(content, fields) == 200
    assert door.effects == 1


def test_an_unsigned_header_changes_nothing(door: Door) -> None:
    """WH-32: type and account are read inside the signed bytes."""
    content, fields = delivery(kind="invoice.voided")
    door.refuses(content, [*fields, ("x-event-type", "invoice.paid"), ("stripe-account", "a")], 200)
    door.admits()


def test_an_event_of_another_customer_changes_only_its_own_row(door: Door) -> None:
    """WH-33: the confirmed owner's row, whoever is named by the event."""
    assert door.send(*delivery(invoice="in_2", customer="cus_1")) == 200
    assert [row["upgrades"] for row in door.shop.rows()] == [0, 1]
