"""What Adyen, Discord, SNS and Twilio must read in the answer, by each door; who didn't sign reads nothing of it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from pratique import Claim, Perimeter, Secret, stores
from pratique.webhook import Webhook
from tests.integrations.test_handshakes import DOORS, PATHS
from tests.serving import served
from tests.webhook.other_proofs import AT, CASES, TOPIC, item, notification
from tests.webhook.samples import SAMPLES

TYPES = {"adyen": "AUTHORISATION", "discord": "command", "aws-sns": "Notification"}
PATHS.update({name: f"/hooks/{name}" for name in (*TYPES, "twilio")})


@dataclass
class Served:
    """The endpoints of the four, by one door."""

    client: httpx.Client
    subscribed: list[str] = field(default_factory=list)

    def sent(self, name: str, claim: Claim) -> httpx.Response:
        """Send a delivery."""
        return self.client.post(PATHS[name], content=claim.content, headers=list(claim.fields))


@pytest.fixture(scope="module", params=DOORS)
def door(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Serve them."""
    perimeter = Perimeter(store=stores.memory(), clock=lambda: AT)
    hooks: dict[str, Webhook] = {}
    subscribed: list[str] = []
    for name, type_ in TYPES.items():
        case = CASES[name]
        more: dict[str, Any] = {"secrets": case.opening()} if case.opening() else {}
        if name == "aws-sns":
            more["confirm_subscription"] = subscribed.append
        hooks[name] = perimeter.declare(Webhook(name, case.scheme(**more, **case.pins())))
        hooks[name].on(
            type_,
            confirm=lambda event: event.object_id or event.id,
            once=lambda told: told,
            link=lambda told: told,
            allow=lambda told, row: True,
        )(lambda admitted: None)
    texts = SAMPLES["twilio"]
    hooks["twilio"] = perimeter.declare(
        Webhook("twilio", texts.scheme(secrets=Secret(texts.opening, name="twilio"), url=texts.url))
    )
    hooks["twilio"].on(
        "delivered",
        confirm=lambda event: event.object_id,
        once=lambda told: told,
        link=lambda told: told,
        allow=lambda told, row: True,
    )(lambda admitted: None)
    with ExitStack() as stack:
        client = stack.enter_context(served(DOORS[request.param](perimeter, hooks)))
        yield Served(client, subscribed)


def test_adyen_reads_that_it_was_accepted_each_time_and_a_forger_does_not(door: Served) -> None:
    """It sends again until it does: what was handled before is accepted too."""
    case = CASES["adyen"]
    for _ in range(2):
        answer = door.sent("adyen", case.sealed())
        assert (answer.status_code, answer.text) == (200, "[accepted]")
        assert answer.headers["content-type"].startswith("text/plain")
    other = {"live": "false", "notificationItems": [item(eventCode="REPORT_AVAILABLE")]}
    ignored = door.sent("adyen", case.sealed(json.dumps(other).encode()))
    assert (ignored.status_code, ignored.text) == (200, "[accepted]")
    forged = door.sent("adyen", case.sealed(number=1))
    assert forged.status_code == 401
    assert "accepted" not in forged.text


def test_twilio_reads_markup_that_does_nothing_and_a_forger_does_not(door: Served) -> None:
    """It notes an error where an incoming message is answered by another type; a resend reads the same."""
    sample = SAMPLES["twilio"]
    for _ in range(2):
        answer = door.sent("twilio", sample.sealed())
        assert (answer.status_code, answer.text) == (200, "<Response/>")
        assert answer.headers["content-type"].startswith("text/xml")
    forged = door.sent("twilio", sample.sealed(secret="of_somebody_else_entirely_1"))
    assert forged.status_code == 401
    assert "Response" not in forged.text


def test_discord_s_ping_is_answered_and_a_forged_one_is_not(door: Served) -> None:
    """It probes endpoints with wrong signatures, and drops those that answer."""
    ping = b'{"type": 1, "id": "1"}'
    answer = door.sent("discord", CASES["discord"].sealed(ping))
    assert (answer.status_code, answer.json()) == (200, {"type": 1})
    assert answer.headers["content-type"].startswith("application/json")
    assert door.sent("discord", CASES["discord"].sealed(ping, number=1)).status_code == 401
    assert door.sent("discord", CASES["discord"].sealed()).status_code == 200


def test_sns_is_subscribed_by_our_user_s_callable(door: Served) -> None:
    """Once; the message that isn't signed reaches it never."""
    url = (
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription"
        f"&TopicArn={TOPIC}&Token=2336412f37"
    )
    told = notification(Type="SubscriptionConfirmation", Token="2336412f37", SubscribeURL=url)
    assert door.sent("aws-sns", CASES["aws-sns"].sealed(told, number=1)).status_code == 401
    assert door.subscribed == []
    assert door.sent("aws-sns", CASES["aws-sns"].sealed(told)).status_code == 200
    assert door.subscribed == [url]
    assert door.sent("aws-sns", CASES["aws-sns"].sealed()).status_code == 200
