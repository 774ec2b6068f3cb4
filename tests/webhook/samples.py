"""One honest delivery of each sender, for what holds for all of them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pratique import Claim, Fields, Refused
from pratique.webhook import providers
from pratique.webhook.opened import Opened
from pratique.webhook.scheme import Scheme
from tests.webhook.other_proofs import CASES as OTHERS

AT = datetime(2026, 11, 24, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ANOTHER = "whsec_c29tZWJvZHkgZWxzZSBpcyBzaWduaW5nIHRoaXM="
PRIVATE = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
PUBLIC = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
URL = "https://shop.example/hooks/a?one=1"
CONTENT = b'{"id": "evt_1", "type": "paid", "event_id": "Ev1", "data": {"id": "in_1"}}'
Content = Callable[[datetime], bytes]


def milliseconds(at: datetime) -> int:
    """Return the time as senders write it in JSON."""
    return int(at.timestamp()) * 1000 + at.microsecond // 1000


@dataclass(frozen=True)
class Sample:
    """How an honest delivery of one sender is made.

    Args:
        scheme: The sender.
        content: (time) -> what it says.
        signing: What signs.
        opening: What opens.
        url: Our own, where it is signed.
        pins: What a declaration says besides.
        lines: Field lines that aren't signed.
        is_form: The content is a form: its pairs are bound, not their spelling.
    """

    scheme: Scheme
    content: Content = lambda _at: CONTENT
    signing: str = SECRET
    opening: str = SECRET
    url: str | None = None
    pins: Mapping[str, Any] = field(default_factory=dict[str, Any])
    lines: tuple[tuple[str, str], ...] = ()
    is_form: bool = False

    def sealed(
        self, content: bytes | None = None, *, at: datetime = AT, secret: str | None = None
    ) -> Claim:
        """Return the delivery as it comes, by the clock of its sender."""
        made = self.scheme.sealed(
            self.content(at) if content is None else content,
            secret=secret or self.signing,
            at=at,
            key="msg_1",
            url=self.url,
            **self.pins,
        )
        return Claim(made.content, Fields([*made.fields, *self.lines]), at, made.via)

    def signed_names(self) -> list[str]:
        """Return the names of the fields that the sender signs with."""
        return [name for name, _ in self.sealed().fields if name not in self._unsigned()]

    def _unsigned(self) -> set[str]:
        return {"Content-Type", *(name for name, _ in self.lines)}

    def open(self, claim: Claim, *, secrets: Any = None) -> Opened:
        """Open a delivery as a boundary would."""
        secrets = [self.opening] if secrets is None else secrets
        return self.scheme.open(claim, secrets=secrets, url=self.url, **self.pins)

    def refused(self, claim: Claim, *, secrets: Any = None) -> Refused | None:
        """Open it; anything but Refused goes through."""
        try:
            self.open(claim, secrets=secrets)
        except Refused as refusal:
            return refusal
        return None


def at_time(claim: Claim, at: datetime) -> Claim:
    """Return the same delivery, come at another time."""
    return Claim(claim.content, claim.fields, at, claim.via)


def _braintree(at: datetime) -> bytes:
    told = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    head = f'<notification><timestamp type="datetime">{told}</timestamp>'
    return f"{head}<kind>subscription_charged_successfully</kind></notification>".encode()


def _json(**members: Any) -> Content:
    return lambda _at: json.dumps(members).encode()


def _timed(name: str, **members: Any) -> Content:
    return lambda at: json.dumps({**members, name: milliseconds(at)}).encode()


_SPECIAL: dict[str, dict[str, Any]] = {
    "box": {"content": _json(id="b1", trigger="FILE.UPLOADED", source={"id": "f1"})},
    "bitbucket": {"lines": (("X-Event-Key", "repo:push"),)},
    "braintree": {
        "content": _braintree,
        "pins": {"public_key": "our_public_key"},
        "is_form": True,
    },
    "calendly": {"content": _json(event="invitee.created", created_by="https://x.example/u")},
    "coinbase-commerce": {"content": _json(event={"id": "e1", "type": "charge:created"})},
    "contentful": {"url": URL, "lines": (("X-Contentful-Topic", "Entry.publish"),)},
    "docusign": {"content": _json(event="envelope-completed", data={"envelopeId": "en1"})},
    "gitea": {"lines": (("X-Gitea-Event", "push"),)},
    "github": {"lines": (("X-GitHub-Event", "push"),)},
    "gitlab": {"content": _json(object_kind="push", project={"id": 7})},
    "gocardless": {
        "content": _json(events=[{"id": "EV1", "resource_type": "payments", "action": "paid"}])
    },
    "hubspot": {
        "content": lambda _at: (
            b'[{"eventId": 1, "subscriptionType": "contact.creation", '
            b'"objectId": 9, "portalId": 5}]'
        ),
        "url": URL,
    },
    "line": {"content": _json(events=[{"webhookEventId": "01H", "type": "message"}])},
    "linear": {"content": _timed("webhookTimestamp", action="create", type="Issue")},
    "meta": {"content": _json(object="page", entry=[{"id": "1"}])},
    "onfido": {"content": _json(payload={"action": "check.completed", "object": {"id": "c1"}})},
    "paddle": {"content": _json(event_id="evt_1", event_type="transaction.paid")},
    "paystack": {"content": _json(event="charge.success", data={"id": 3, "reference": "r1"})},
    "pusher": {
        "content": _timed("time_ms", events=[{"name": "channel_occupied", "channel": "c1"}])
    },
    "razorpay": {
        "content": _json(event="payment.captured", payload={"payment": {"entity": {"id": "p1"}}})
    },
    "sanity": {"content": _json(_id="resume"), "lines": (("sanity-operation", "create"),)},
    "shopify": {"content": _json(id=5), "lines": (("X-Shopify-Topic", "orders/paid"),)},
    "square": {"url": URL},
    "twilio": {
        "content": lambda _at: b"MessageSid=SM1&MessageStatus=delivered&To=%2B1555",
        "url": URL,
        "is_form": True,
    },
    "twitch": {"content": _json(subscription={"type": "stream.online"}, event={"id": "1"})},
    "typeform": {"content": _json(event_id="01H", event_type="form_response")},
    "workos": {"content": _json(id="evt_1", event="user.created")},
    "x-twitter": {"content": _json(for_user_id="1", tweet_create_events=[])},
    "zoom": {"content": _json(event="meeting.ended", payload={"object": {"id": 5}})},
}
OURS = providers.generic(
    "erp",
    signature_field="X-Erp-Signature",
    encoding="base64",
    digest="sha512",
    time_field="X-Erp-Time",
    id_field="X-Erp-Id",
    signed="{id}.{time}.{content}",
)
SAMPLES: dict[str, Sample] = {
    **{
        name: Sample(providers.get(name), **_SPECIAL.get(name, {}))
        for name in providers.names()
        if name not in OTHERS  # they have laws of their own
    },
    "standard-webhooks v1a": Sample(
        providers.get("standard-webhooks"), signing=PRIVATE, opening=PUBLIC
    ),
    "generic": Sample(OURS),
}
A_SECOND = timedelta(seconds=1)
