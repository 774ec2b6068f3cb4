"""Where honest contents repeat: one delivery is one event, the same content later another one."""

import json
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest

from pratique import Claim, Perimeter, Secret, stores, unsafe
from pratique.core.refusal import Refused
from pratique.webhook import Webhook, providers
from tests.webhook.samples import SAMPLES, SECRET

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def hearing(case: str, type: str) -> tuple[Perimeter, Webhook, list[str]]:
    """Return a boundary of a sender, and the objects of the events that had their effect."""
    scheme, url = providers.get(case), SAMPLES[case].url
    if scheme.source == "unconfirmed":
        scheme = unsafe.unconfirmed(scheme, reason="a test", owner="us", until=date(2027, 1, 1))
    perimeter = Perimeter(store=stores.memory(), clock=lambda: NOW)
    hook = perimeter.declare(Webhook("hook", scheme(secrets=Secret(SECRET, name="s"), url=url)))
    seen: list[str] = []
    hook.on(
        type,
        confirm=lambda event: event,
        once=lambda event: f"state {len(seen)}",
        link=lambda event: event,
        allow=lambda event, row: True,
    )(lambda admitted: seen.append(admitted.value.object_id))
    return perimeter, hook, seen


@pytest.mark.parametrize(
    ("case", "type", "later", "is_again"),
    [
        ("pusher", "channel_occupied", NOW + timedelta(minutes=1), True),
        ("pusher", "channel_occupied", NOW + timedelta(milliseconds=1), True),
        ("linear", "Issue.create", NOW + timedelta(minutes=1), False),
    ],
)
def test_a_channel_that_is_occupied_again_is_another_event(
    case: str, type: str, later: datetime, is_again: bool
) -> None:
    """The very same delivery is a replay; the same content with another time is one where none repeats.

    So Pusher's is another event, and Linear's the same one sent again (WH-30).
    """
    perimeter, hook, seen = hearing(case, type)
    first = SAMPLES[case].sealed(at=NOW)
    second = SAMPLES[case].sealed(at=later)
    with perimeter:
        perimeter.admit(hook, first)
        again = Claim(first.content, first.fields, NOW + timedelta(seconds=1))
        with pytest.raises(Refused) as refused:
            perimeter.admit(hook, again)
        assert refused.value.code == "replayed"
        with suppress(Refused):
            perimeter.admit(hook, second)
    assert len(seen) == (2 if is_again else 1)


def _docusign(at: str, tries: int = 0) -> bytes:
    data = {"accountId": "a1", "envelopeId": "en1"}
    told = {"event": "envelope-resent", "retryCount": tries, "generatedDateTime": at, "data": data}
    return json.dumps(told).encode()


def _invoice(paid_at: str) -> bytes:
    data = {
        "invoice_code": "INV_1",
        "subscription": {"subscription_code": "SUB_1"},
        "paid_at": paid_at,
    }
    return json.dumps({"event": "invoice.update", "data": data}).encode()


def _contact(occurred_at: int, tries: int = 0) -> bytes:
    told = {"eventId": 7, "subscriptionType": "contact.creation", "objectId": 5}
    return json.dumps([{**told, "occurredAt": occurred_at, "attemptNumber": tries}]).encode()


@pytest.mark.parametrize(
    ("case", "type", "first", "same", "second"),
    [
        ("hubspot", "contact.creation", _contact(1), _contact(1, tries=1), _contact(2)),
        (
            "docusign",
            "envelope-resent",
            _docusign("2026-11-24T10:00:00.0000000Z"),
            _docusign("2026-11-24T10:00:00.0000000Z", tries=1),
            _docusign("2026-11-24T11:00:00.0000000Z"),
        ),
        ("paystack", "invoice.update", _invoice("10:00"), _invoice("10:00"), _invoice("11:00")),
    ],
)
def test_a_second_event_of_one_object_is_another_one_where_events_have_no_id(
    case: str, type: str, first: bytes, same: bytes, second: bytes
) -> None:
    """An envelope that is sent again twice is two events; the same one, tried again or replayed, is one (WH-14)."""
    perimeter, hook, seen = hearing(case, type)
    with perimeter:
        perimeter.admit(hook, SAMPLES[case].sealed(first, at=NOW))
        with pytest.raises(Refused) as refused:
            perimeter.admit(hook, SAMPLES[case].sealed(same, at=NOW))
        assert refused.value.code == "replayed"
        perimeter.admit(hook, SAMPLES[case].sealed(second, at=NOW))
    assert seen == [{"hubspot": "5", "docusign": "en1", "paystack": "INV_1"}[case]] * 2
