"""What holds a second one out of an inbox: its row, then the event's key, then the business key."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from pratique import Claim, Fields, Perimeter, Refused, Secret, stores
from pratique.core.claim import Via
from pratique.webhook import Inbox, Webhook, providers

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECRET = "key-8sPq2Lx0Vt7RkYw3Zb5N"
URL = "https://shop.example/hooks/sms"
GONE_AT_ONCE = Inbox(kept=timedelta(0), attempts=1)


class Issue(msgspec.Struct):
    """What a handler of issues is typed with."""

    issue: dict[str, str]


class Kept:
    """A boundary with an inbox whose handler notes what it did.

    Args:
        sender: As declared.
        type: Of its events.
        true: Objects that the source knows.
    """

    def __init__(self, sender: Any, type: str, true: tuple[str, ...] = ("o1",)) -> None:
        self.now = NOW
        self.done: list[str] = []
        self.perimeter = Perimeter(store=stores.memory(), clock=lambda: self.now)
        self.hook = self.perimeter.declare(Webhook("hook", sender, inbox=GONE_AT_ONCE))
        self.hook.on(
            type,
            content=dict if type == "delivered" else None,
            confirm=lambda event: event.object_id if event.object_id in true else None,
            once=lambda name: name or "the push",
            link=lambda _name: "a row",
            allow=lambda _name, _row: True,
        )(lambda admitted: self.done.append(admitted.confirmed))

    def sent(self, claim: Claim) -> str:
        """Return the code with which a delivery is taken in, and work what is due."""
        self.now = max(self.now, claim.received_at)
        with pytest.raises(Refused) as refused:
            self.perimeter.admit(self.hook, claim)
        self.hook.worker(tasks=1).drain()
        return refused.value.code


def sms(target: str, form: dict[str, str], signed: Claim) -> Claim:
    """Return another reading of a signed text."""
    return Claim(urlencode(form).encode(), signed.fields, NOW, Via(target=target))


def test_another_reading_of_a_signed_text_takes_no_honest_ones_place() -> None:
    """Twilio signs URL, names and values without a sign between: what was moved first is another row.

    It names no message that Twilio knows, and is a dead letter; the honest one has its effect, and
    either of them sent again has none.
    """
    twilio = providers.twilio(secrets=Secret(SECRET), url=URL)
    form = {"AccountSid": "AC1", "Body": "hello", "MessageSid": "SM1", "SmsStatus": "received"}
    content = urlencode(form).encode()
    honest = providers.get("twilio").sealed(content, secret=SECRET, at=NOW, url=URL)
    honest = Claim(content, honest.fields, NOW, Via(target="/hooks/sms"))
    moved = {"AccountSid": "AC1BodyhelloMessageSidSM1", "SmsStatus": "received"}
    kept = Kept(twilio, "received", ("SM1",))
    with kept.perimeter:
        assert kept.sent(sms("/hooks/sms", moved, honest)) == "received"
        assert kept.done == []
        assert kept.hook.inbox_status().dead == 1
        assert kept.sent(honest) == "received"
        assert kept.done == ["SM1"]
        assert kept.sent(sms("/hooks/sms", moved, honest)) == "received_before"
        assert kept.sent(honest) == "received_before"
        kept.hook.sweep()
        assert kept.sent(honest) == "received"
    assert kept.done == ["SM1"]


def test_another_type_over_an_honest_content_takes_no_honest_ones_place() -> None:
    """GitHub signs no type: the handler of another one refuses it, and the honest one has its effect."""
    kept = Kept(providers.github(secrets=Secret(SECRET)), "delivered", ("",))
    kept.hook.on(
        "issues",
        content=Issue,
        confirm=lambda event: event.object_id,
        once=lambda name: name,
        link=lambda name: name,
        allow=lambda _name, _row: True,
    )(lambda admitted: kept.done.append("an issue"))
    content = b'{"ref": "refs/heads/main"}'
    (signature,) = (
        value
        for name, value in providers.get("github").seal(content, secret=SECRET, at=NOW)
        if name.lower() == "x-hub-signature-256"
    )

    def sent(type: str) -> str:
        lines = [("X-Hub-Signature-256", signature), ("X-GitHub-Event", type)]
        return kept.sent(Claim(content, Fields(lines), NOW))

    with kept.perimeter:
        assert sent("issues") == "received"
        assert (kept.done, kept.hook.inbox_status().dead) == ([], 1)
        assert sent("delivered") == "received"
        assert sent("delivered") == "received_before"
        assert sent("issues") == "received_before"
    assert len(kept.done) == 1


def _mailgun(content: bytes, at: datetime) -> Claim:
    told = json.dumps({"event-data": json.loads(content)}).encode()
    sealed = providers.get("mailgun").sealed(told, secret=SECRET, at=at, key="1" * 50)
    return Claim(sealed.content, sealed.fields, at)


def _razorpay(content: bytes, at: datetime) -> Claim:
    return Claim(content, providers.get("razorpay").seal(content, secret=SECRET, at=at), at)


@pytest.mark.parametrize(
    ("name", "make", "content"),
    [
        ("mailgun", _mailgun, b'{"event": "delivered", "id": "o1"}'),
        (
            "razorpay",
            _razorpay,
            b'{"event": "delivered", "payload": {"payment": {"entity": {"id": "o1"}}}}',
        ),
    ],
)
def test_a_replay_after_its_row_has_gone_has_no_effect(
    name: str, make: Callable[[bytes, datetime], Claim], content: bytes
) -> None:
    """The object in its confirmed state is done once for good, and an event's key is used for good.

    Of a weak sender the signed time holds besides; another object has its effect.
    """
    kept = Kept(providers.get(name)(secrets=Secret(SECRET)), "delivered", ("o1", "o2"))
    with kept.perimeter:
        assert kept.sent(make(content, NOW)) == "received"
        assert kept.sent(make(content, NOW)) == "received_before"
        kept.hook.sweep()
        assert kept.sent(make(content, NOW)) == "received"
        assert kept.done == ["o1"]
        honest = make(content, NOW)
        late = Claim(honest.content, honest.fields, NOW + timedelta(days=8))
        kept.hook.sweep()
        assert kept.sent(late) == ("stale" if name == "mailgun" else "received")
        assert kept.done == ["o1"]
        assert kept.sent(make(content.replace(b"o1", b"o2"), kept.now)) == "received"
    assert kept.done == ["o1", "o2"]
