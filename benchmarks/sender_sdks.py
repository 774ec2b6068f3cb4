"""What verifies a delivery by its sender's own library, where one is installed."""

import json
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl

from pratique import Claim

Call = Callable[[], object]


class Delivery:
    """A delivery as a library wants it: text, fields by name, secret, our URL."""

    def __init__(self, claim: Claim, secret: str, url: str | None) -> None:
        self.content, self.text = claim.content, claim.content.decode()
        self.lines, self.secret, self.url = dict(claim.fields), secret, url
        self.lower = {name.lower(): value for name, value in claim.fields}

    def field(self, name: str) -> str:
        """Return a field's value."""
        return self.lower[name.lower()]


def _got(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


def _stripe(told: Delivery) -> Call:
    construct, field = _got("stripe", "Webhook").construct_event, told.field("Stripe-Signature")
    return lambda: construct(told.content, field, told.secret)


def _standard(told: Delivery) -> Call:
    verify = _got("standardwebhooks", "Webhook")(told.secret).verify
    return lambda: verify(told.content, told.lower)


def _svix(told: Delivery) -> Call:
    verify = _got("svix.webhooks", "Webhook")(told.secret).verify
    return lambda: verify(told.content, told.lower)


def _openai(told: Delivery) -> Call:
    client = _got("openai", "OpenAI")(api_key="none", webhook_secret=told.secret)
    verify = client.webhooks.verify_signature
    return lambda: verify(told.content, told.lower)


def _slack(told: Delivery) -> Call:
    verify = _got("slack_sdk.signature", "SignatureVerifier")(told.secret).is_valid
    stamp, field = told.field("X-Slack-Request-Timestamp"), told.field("X-Slack-Signature")
    return lambda: verify(told.content, stamp, field)


def _twilio(told: Delivery) -> Call:
    verify = _got("twilio.request_validator", "RequestValidator")(told.secret).validate
    field = told.field("X-Twilio-Signature")
    return lambda: verify(told.url, dict(parse_qsl(told.text)), field)


def _square(told: Delivery) -> Call:
    verify = _got("square.utils.webhooks_helper", "verify_signature")
    named = {
        "request_body": told.text,
        "signature_header": told.field("X-Square-HmacSha256-Signature"),
        "signature_key": told.secret,
        "notification_url": told.url,
    }
    return lambda: verify(**named)


def _paddle(told: Delivery) -> Call:
    module = import_module("paddle_billing.Notifications")

    class Request:
        body, headers = told.content, told.lines

    verify, secret = module.Verifier().verify, module.Secret(told.secret)
    return lambda: verify(Request, secret)


def _razorpay(told: Delivery) -> Call:
    verify = _got("razorpay.utility.utility", "Utility")().verify_webhook_signature
    field = told.field("X-Razorpay-Signature")
    return lambda: verify(told.text, field, told.secret)


def _gocardless(told: Delivery) -> Call:
    parse, field = _got("gocardless_pro.webhooks", "parse"), told.field("Webhook-Signature")
    return lambda: parse(told.text, told.secret, field)


def _coinbase(told: Delivery) -> Call:
    construct = _got("coinbase_commerce.webhook", "Webhook").construct_event
    field = told.field("X-CC-Webhook-Signature")
    return lambda: construct(told.text, field, told.secret)


def _hubspot(told: Delivery) -> Call:
    verify = _got("hubspot.utils.signature", "Signature").is_valid
    field, stamp = (told.field(f"X-HubSpot-{n}") for n in ("Signature-v3", "Request-Timestamp"))
    return lambda: verify(field, told.secret, told.text, told.url, "POST", "v3", stamp)


def _workos(told: Delivery) -> Call:
    made = _got("workos.webhooks", "Webhooks")
    webhooks = made.__new__(made)
    named = {"event_signature": told.field("WorkOS-Signature"), "secret": told.secret}
    return lambda: webhooks.verify_header(event_body=told.content, **named)


def _pusher(told: Delivery) -> Call:
    verify = _got("pusher", "Pusher")(app_id="1", key="k", secret=told.secret).validate_webhook
    field = told.field("X-Pusher-Signature")
    return lambda: verify("k", field, told.text)


def _line(told: Delivery) -> Call:
    verify = _got("linebot.v3.webhook", "SignatureValidator")(told.secret).validate
    field = told.field("X-Line-Signature")
    return lambda: verify(told.text, field)


def _box(told: Delivery) -> Call:
    verify = _got("box_sdk_gen.managers.webhooks", "WebhooksManager").validate_message
    return lambda: verify(told.text, told.lower, told.secret)


def _braintree(told: Delivery) -> Call:
    module = import_module("braintree")
    gateway = module.BraintreeGateway(
        module.Configuration(
            module.Environment.Sandbox,
            "merchant",
            public_key="our_public_key",
            private_key=told.secret,
        )
    )

    def verify() -> object:
        form = dict(parse_qsl(told.text))
        return gateway.webhook_notification.parse(form["bt_signature"], form["bt_payload"])

    return verify


def _discord(told: Delivery) -> Call:
    verify = _got("nacl.signing", "VerifyKey")(bytes.fromhex(told.secret)).verify
    stamp, field = told.field("X-Signature-Timestamp"), told.field("X-Signature-Ed25519")
    return lambda: verify(stamp.encode() + told.content, bytes.fromhex(field))


def _sendgrid(told: Delivery) -> Call:
    verify = _got("sendgrid.helpers.eventwebhook", "EventWebhook")(told.secret).verify_signature
    name = "X-Twilio-Email-Event-Webhook"
    field, stamp = told.field(f"{name}-Signature"), told.field(f"{name}-Timestamp")
    return lambda: verify(told.text, field, stamp)


def _messagebird(told: Delivery) -> Call:
    made = _got("messagebird.request_validator", "RequestValidator")
    verify, field = made(told.secret).validate_signature, told.field("MessageBird-Signature-JWT")
    return lambda: verify(field, told.url, told.content)


def _adyen(told: Delivery) -> Call:
    verify = _got("Adyen.util", "is_valid_hmac_notification")
    return lambda: verify(json.loads(told.content), told.secret)


_LIBRARIES: dict[str, tuple[str, str, Callable[[Delivery], Call]]] = {
    "adyen": ("Adyen", "Adyen", _adyen),
    "box": ("box_sdk_gen", "box-sdk-gen", _box),
    "braintree": ("braintree", "braintree", _braintree),
    "coinbase-commerce": ("coinbase_commerce", "coinbase-commerce", _coinbase),
    "discord": ("nacl", "PyNaCl", _discord),
    "gocardless": ("gocardless_pro", "gocardless_pro", _gocardless),
    "hubspot": ("hubspot", "hubspot-api-client", _hubspot),
    "line": ("linebot", "line-bot-sdk", _line),
    "messagebird": ("messagebird", "messagebird", _messagebird),
    "openai": ("openai", "openai", _openai),
    "paddle": ("paddle_billing", "paddle-python-sdk", _paddle),
    "pusher": ("pusher", "pusher", _pusher),
    "razorpay": ("razorpay", "razorpay", _razorpay),
    "sendgrid": ("sendgrid", "sendgrid", _sendgrid),
    "slack": ("slack_sdk", "slack_sdk", _slack),
    "square": ("square", "squareup", _square),
    "standard-webhooks": ("standardwebhooks", "standardwebhooks", _standard),
    "stripe": ("stripe", "stripe", _stripe),
    "svix": ("svix", "svix", _svix),
    "twilio": ("twilio", "twilio", _twilio),
    "workos": ("workos", "workos", _workos),
}


_READING = {"braintree", "coinbase-commerce", "gocardless", "standard-webhooks", "stripe", "svix"}


def library_of(name: str) -> tuple[str, bool, Callable[[Delivery], Call]] | None:
    """Return a sender's library, whether it reads the event too, and what makes the call."""
    package, title, made = _LIBRARIES.get(name, ("", "", None))
    if made is None or find_spec(package) is None:
        return None
    return title, name in _READING, made
