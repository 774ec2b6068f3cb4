"""What an event of each sender looks like: the least that its envelope is read from."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode
from zlib import crc32

import msgspec


class Told(msgspec.Struct, frozen=True):
    """What a delivery is to say."""

    type: str
    id: str
    object_id: str
    at: datetime
    pins: Mapping[str, Any]
    """What the declaration pins and the content repeats."""
    declared: Mapping[str, Any] = {}
    """All that the declaration pins."""

    @property
    def milliseconds(self) -> int:
        """Return the time as senders write it in JSON."""
        return int(self.at.timestamp()) * 1000

    @property
    def number(self) -> int:
        """Return a number that follows from the id, for senders whose ids are numbers."""
        return crc32(self.id.encode())

    def halves(self) -> tuple[str, str]:
        """Return the type before its last dot, and what follows: "payments", "paid"."""
        before, _, after = self.type.rpartition(".")
        return before or after, after


def plain(told: Told) -> dict[str, Any]:
    """Return id, type and data: the shape of most."""
    return {"id": told.id, "type": told.type, "data": {"id": told.object_id}, **told.pins}


def _stripe(told: Told) -> dict[str, Any]:
    event = {"object": "event", "id": told.id, "type": told.type}
    return {**event, "data": {"object": {"id": told.object_id}}, **told.pins}


def _slack(told: Told) -> dict[str, Any]:
    event = {"type": "event_callback", "event_id": told.id, "team_id": "T0000001"}
    return {**event, "event": {"type": told.type, "item": told.object_id}}


def _braintree(told: Told) -> bytes:
    time = told.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    subject = f"<subject><subscription><id>{told.object_id}</id></subscription></subject>"
    head = f'<notification><timestamp type="datetime">{time}</timestamp>'
    return f"{head}<kind>{told.type}</kind>{subject}</notification>".encode()


def _twilio(told: Told) -> bytes:
    return urlencode({"MessageSid": told.object_id, "MessageStatus": told.type}).encode()


def _gocardless(told: Told) -> dict[str, Any]:
    kind, action = told.halves()
    return {"events": [{"id": told.id, "resource_type": kind, "action": action, "links": {}}]}


def _hubspot(told: Told) -> list[dict[str, Any]]:
    event = {"eventId": told.number, "subscriptionType": told.type, "portalId": 1}
    return [{**event, "objectId": told.object_id}]


def _linear(told: Told) -> dict[str, Any]:
    kind, action = told.halves()
    time = told.milliseconds
    return {
        "type": kind,
        "action": action,
        "data": {"id": told.object_id},
        "webhookTimestamp": time,
    }


def _razorpay(told: Told) -> dict[str, Any]:
    payment = {"payment": {"entity": {"id": told.object_id}}}
    return {"event": told.type, "account_id": "acc_1", "payload": payment, "id": told.id}


def _adyen(told: Told) -> dict[str, Any]:
    item = {
        "pspReference": told.object_id,
        "merchantAccountCode": "Test",
        "merchantReference": "order:1",
        "amount": {"currency": "EUR", "value": 1000},
        "eventCode": told.type,
        "success": "true",
    }
    return {"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}


def _aws_sns(told: Told) -> dict[str, Any]:
    event = {"Type": told.type, "MessageId": told.id.replace("_", "-"), "Message": told.object_id}
    time = told.at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {**event, "Timestamp": time, "TopicArn": next(iter(told.declared["topic_arns"]))}


def _discord(told: Told) -> dict[str, Any]:
    known = {"command": 2, "component": 3, "autocomplete": 4, "modal": 5}
    if told.type in known:
        return {"type": known[told.type], "id": told.id, "data": {"id": told.object_id}}
    return {"version": 1, "type": 1, "event": {"type": told.type, "timestamp": told.id}}


def _plaid(told: Told) -> dict[str, Any]:
    kind, code = told.halves()
    return {"webhook_type": kind, "webhook_code": code, "item_id": told.object_id}


def _mollie(told: Told) -> bytes:
    return f"id=tr_{told.object_id.removeprefix('tr_').replace('_', '')}".encode()


SHAPES: Final[dict[str, Callable[[Told], object]]] = {
    "adyen": _adyen,
    "aws-sns": _aws_sns,
    "box": lambda t: {"id": t.id, "trigger": t.type, "source": {"id": t.object_id}},
    "braintree": _braintree,
    "calendly": lambda t: {"event": t.type, "payload": {"uri": t.object_id, "id": t.id}},
    "coinbase-commerce": lambda t: {
        "event": {"id": t.id, "type": t.type, "data": {"code": t.object_id}}
    },
    "discord": _discord,
    "docusign": lambda t: {"event": t.type, "data": {"envelopeId": t.object_id}},
    "gitlab": lambda t: {"object_kind": t.type, "object_attributes": {"id": t.object_id}},
    "gitlab-legacy": lambda t: {"object_kind": t.type, "object_attributes": {"id": t.object_id}},
    "gocardless": _gocardless,
    "hubspot": _hubspot,
    "line": lambda t: {
        "destination": "U1",
        "events": [{"webhookEventId": t.id, "type": t.type}],
    },
    "linear": _linear,
    "mailgun": lambda t: {"event-data": {"event": t.type, "id": t.object_id}},
    "messagebird": lambda t: {"type": t.type, "message": {"id": t.object_id}},
    "mollie": _mollie,
    "meta": lambda t: {"object": t.type, "entry": [{"id": t.object_id}]},
    "onfido": lambda t: {"payload": {"action": t.type, "object": {"id": t.object_id}}},
    "openai": plain,
    "paddle": lambda t: {"event_id": t.id, "event_type": t.type, "data": {"id": t.object_id}},
    "paypal": lambda t: {"id": t.id, "event_type": t.type, "resource": {"id": t.object_id}},
    "plaid": _plaid,
    "paystack": lambda t: {"event": t.type, "data": {"id": t.number, "reference": t.object_id}},
    "pusher": lambda t: {
        "time_ms": t.milliseconds,
        "events": [{"name": t.type, "channel": t.object_id}],
    },
    "razorpay": _razorpay,
    "sendgrid": lambda t: [{"event": "open", "sg_event_id": t.id, "sg_message_id": t.object_id}],
    "slack": _slack,
    "square": lambda t: {
        "merchant_id": "ML1",
        "event_id": t.id,
        "type": t.type,
        "data": {"id": t.object_id},
    },
    "standard-webhooks": plain,
    "stripe": _stripe,
    "svix": plain,
    "telnyx": lambda t: {
        "data": {"id": t.id, "event_type": t.type, "payload": {"id": t.object_id}}
    },
    "twilio": _twilio,
    "twitch": lambda t: {"subscription": {"id": t.object_id, "type": t.type}, "event": {}},
    "typeform": lambda t: {
        "event_id": t.id,
        "event_type": t.type,
        "form_response": {"token": t.object_id},
    },
    "workos": lambda t: {"id": t.id, "event": t.type, "data": {"id": t.object_id}},
    "x-twitter": lambda t: {"for_user_id": "1", t.type: [{"id_str": t.object_id}]},
    "zendesk": lambda t: {
        "id": t.id,
        "type": t.type,
        "account_id": 1,
        "detail": {"id": t.object_id},
    },
    "zoom": lambda t: {
        "event": t.type,
        "payload": {"account_id": "a", "object": {"id": t.object_id}},
    },
}
