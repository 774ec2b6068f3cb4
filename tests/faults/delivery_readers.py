"""What the senders' own libraries say of a delivery, where they are installed, and where they differ from us by a rule.

Where a sender has no library that verifies, the check of its documentation stands here, in that
of another one: PyNaCl for Discord and Telnyx, PyJWT for Plaid, the standard library for Mailgun.
"""

import hashlib
import hmac
import json
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl

from msgspec.structs import replace as replaced

from pratique import Claim
from tests.webhook.other_proofs import jwk

from .delivery_mill import Shown, deliveries_of

Reader = Callable[[Shown, str], Any]
"""(delivery, secret) -> whether it is taken; whatever it raises, it isn't."""


class _Named(dict[str, str]):
    """Field values by name, in any case, as the frameworks hand them to a library."""

    def __init__(self, claim: Claim) -> None:
        super().__init__((name.lower(), value) for name, value in claim.fields)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())


def _field(shown: Shown, name: str) -> str:
    return _Named(shown.claim)[name]


class _Form(dict[str, str]):
    """A form, as Django hands it to a library."""

    def __init__(self, content: str) -> None:
        self._pairs = parse_qsl(content, keep_blank_values=True)
        super().__init__(self._pairs)

    def getlist(self, name: str) -> list[str]:
        return [value for each, value in self._pairs if each == name]


def _text(shown: Shown) -> str:
    return shown.claim.content.decode()


@cache
def _made(module: str, name: str, *args: Any, **named: Any) -> Any:
    return getattr(import_module(module), name)(*args, **named)


def _stripe(shown: Shown, secret: str) -> Any:
    signature = import_module("stripe").WebhookSignature
    return signature.verify_header(_text(shown), _field(shown, "Stripe-Signature"), secret, 300)


def _standard(shown: Shown, secret: str) -> Any:
    return _but_for_json(_made("standardwebhooks", "Webhook", secret).verify, shown)


def _svix(shown: Shown, secret: str) -> Any:
    return _but_for_json(_made("svix.webhooks", "Webhook", secret).verify, shown)


def _but_for_json(verify: Callable[..., Any], shown: Shown) -> bool:
    """Verify; that the content is no JSON is found behind the signature."""
    try:
        verify(shown.claim.content, _Named(shown.claim))
    except (json.JSONDecodeError, RecursionError):
        return True
    return True


def _openai(shown: Shown, secret: str) -> bool:
    client = _made("openai", "OpenAI", api_key="none", webhook_secret=secret)
    client.webhooks.verify_signature(shown.claim.content, _Named(shown.claim))
    return True


def _slack(shown: Shown, secret: str) -> Any:
    verifier = _made("slack_sdk.signature", "SignatureVerifier", secret)
    return verifier.is_valid(
        shown.claim.content,
        _field(shown, "X-Slack-Request-Timestamp"),
        _field(shown, "X-Slack-Signature"),
    )


def _twilio(shown: Shown, secret: str) -> Any:
    content = _text(shown)
    form = _Form(content)
    url, query = shown.url or "", shown.claim.via.target.partition("?")[2]
    url = f"{url.partition('?')[0]}?{query}" if query else url
    told = content if "bodySHA256" in url else form
    validator = _made("twilio.request_validator", "RequestValidator", secret)
    return validator.validate(url, told, _field(shown, "X-Twilio-Signature"))


def _square(shown: Shown, secret: str) -> Any:
    return import_module("square.utils.webhooks_helper").verify_signature(
        request_body=_text(shown),
        signature_header=_field(shown, "X-Square-HmacSha256-Signature"),
        signature_key=secret,
        notification_url=shown.url,
    )


def _paddle(shown: Shown, secret: str) -> Any:
    module = import_module("paddle_billing.Notifications")

    class Request:
        body = shown.claim.content
        headers = _Named(shown.claim)

    return module.Verifier().verify(Request(), module.Secret(secret))


def _razorpay(shown: Shown, secret: str) -> Any:
    utility = _made("razorpay.utility.utility", "Utility")
    return utility.verify_webhook_signature(
        _text(shown), _field(shown, "X-Razorpay-Signature"), secret
    )


def _of_ascii(signature: str) -> str:
    """Return it; a library that compares raises TypeError at any other, before it reads the event."""
    return signature.encode("ascii").decode()


def _gocardless(shown: Shown, secret: str) -> bool:
    module = import_module("gocardless_pro.webhooks")
    errors = import_module("gocardless_pro.errors")
    content, signature = _text(shown), _of_ascii(_field(shown, "Webhook-Signature"))
    try:
        module.parse(content, secret, signature)
    except errors.InvalidSignatureError:
        return False
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return True  # it reads the events behind the signature
    return True


def _hexed(content: bytes, secret: str, signature: str) -> bool:
    made = hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
    return hmac.compare_digest(made, signature)


def _coinbase(shown: Shown, secret: str) -> bool:
    check = import_module("coinbase_commerce.webhook").WebhookSignature.verify_sig_header
    check(_text(shown), _field(shown, "X-CC-Webhook-Signature"), secret)
    return True


def _hubspot(shown: Shown, secret: str) -> Any:
    return import_module("hubspot.utils.signature").Signature.is_valid(
        _field(shown, "X-HubSpot-Signature-v3"),
        secret,
        _text(shown),
        shown.url,
        shown.claim.via.method,
        "v3",
        _field(shown, "X-HubSpot-Request-Timestamp"),
    )


def _workos(shown: Shown, secret: str) -> bool:
    module = import_module("workos.webhooks")
    module.Webhooks.verify_header(
        module.Webhooks.__new__(module.Webhooks),
        event_body=shown.claim.content,
        event_signature=_field(shown, "WorkOS-Signature"),
        secret=secret,
    )
    return True


def _pusher(shown: Shown, secret: str) -> Any:
    client = _made("pusher", "Pusher", app_id="1", key="k", secret=secret)
    return client.validate_webhook("k", _field(shown, "X-Pusher-Signature"), _text(shown))


def _line(shown: Shown, secret: str) -> Any:
    validator = _made("linebot.v3.webhook", "SignatureValidator", secret)
    return validator.validate(_text(shown), _field(shown, "X-Line-Signature"))


def _onfido(shown: Shown, secret: str) -> bool:
    module, content = import_module("onfido"), _text(shown)
    signature = _of_ascii(_field(shown, "X-SHA2-Signature"))
    try:
        _made("onfido", "WebhookEventVerifier", secret).read_payload(content, signature)
    except module.OnfidoInvalidSignatureError:
        return False
    except (ValueError, AttributeError, TypeError, LookupError, RecursionError):
        return True  # it reads the event behind the signature
    return True


def _box(shown: Shown, secret: str) -> Any:
    manager = import_module("box_sdk_gen.managers.webhooks").WebhooksManager
    # With one key in both places: either of its two signatures is enough for us as for it.
    named = _Named(shown.claim)
    return manager.validate_message(_text(shown), named, secret, secondary_key=secret)


def _braintree(shown: Shown, secret: str) -> bool:
    module = import_module("braintree")
    gateway = module.BraintreeGateway(
        module.Configuration(
            module.Environment.Sandbox, "merchant", public_key="our_public_key", private_key=secret
        )
    )
    form = dict(parse_qsl(_text(shown), keep_blank_values=True))
    try:
        gateway.webhook_notification.parse(form["bt_signature"], form["bt_payload"])
    except module.exceptions.InvalidSignatureError:
        return False
    except Exception:
        return True
    return True


def _discord(shown: Shown, secret: str) -> bool:
    key = _made("nacl.signing", "VerifyKey", bytes.fromhex(secret))
    signed = _field(shown, "X-Signature-Timestamp").encode() + shown.claim.content
    key.verify(signed, bytes.fromhex(_field(shown, "X-Signature-Ed25519")))
    return True


def _telnyx(shown: Shown, secret: str) -> bool:
    key = _made("nacl.signing", "VerifyKey", b64decode(secret))
    stamp = _field(shown, "telnyx-timestamp")
    key.verify(
        f"{stamp}|".encode() + shown.claim.content,
        b64decode(_field(shown, "telnyx-signature-ed25519")),
    )
    return abs(time.time() - int(stamp)) <= 300


def _sendgrid(shown: Shown, secret: str) -> Any:
    webhook = _made("sendgrid.helpers.eventwebhook", "EventWebhook", secret)
    return webhook.verify_signature(
        _text(shown),
        _field(shown, "X-Twilio-Email-Event-Webhook-Signature"),
        _field(shown, "X-Twilio-Email-Event-Webhook-Timestamp"),
    )


def _messagebird(shown: Shown, secret: str) -> bool:
    validator = _made("messagebird.request_validator", "RequestValidator", secret)
    query = shown.claim.via.target.partition("?")[2]
    url = f"{shown.url}?{query}" if query else shown.url
    validator.validate_signature(
        _field(shown, "MessageBird-Signature-JWT"), url, shown.claim.content
    )
    return True


def _adyen(shown: Shown, secret: str) -> Any:
    check = import_module("Adyen.util").is_valid_hmac_notification
    told = json.loads(shown.claim.content)
    # It looks at the first item alone: it is asked about each.
    return all(check({"notificationItems": [item]}, secret) for item in told["notificationItems"])


def _plaid(shown: Shown, _secret: str) -> bool:
    token = _field(shown, "Plaid-Verification")
    jwt = import_module("jwt")
    claims = jwt.decode(token, jwt.PyJWK(jwk(0)).key, algorithms=["ES256"])
    digest = hashlib.sha256(shown.claim.content).hexdigest()
    return claims["iat"] > time.time() - 300 and claims["request_body_sha256"] == digest


def _mailgun(shown: Shown, secret: str) -> bool:
    block = json.loads(shown.claim.content)["signature"]
    signed = f"{block['timestamp']}{block['token']}".encode()
    return _hexed(signed, secret, block["signature"])


_LIBRARIES: dict[str, tuple[str, Reader]] = {
    "stripe": ("stripe", _stripe),
    "standard-webhooks": ("standardwebhooks", _standard),
    "slack": ("slack_sdk", _slack),
    "svix": ("svix", _svix),
    "openai": ("openai", _openai),
    "twilio": ("twilio", _twilio),
    "square": ("square", _square),
    "paddle": ("paddle_billing", _paddle),
    "razorpay": ("razorpay", _razorpay),
    "gocardless": ("gocardless_pro", _gocardless),
    "coinbase-commerce": ("coinbase_commerce", _coinbase),
    "hubspot": ("hubspot", _hubspot),
    "workos": ("workos", _workos),
    "pusher": ("pusher", _pusher),
    "line": ("linebot", _line),
    "onfido": ("onfido", _onfido),
    "box": ("box_sdk_gen", _box),
    "braintree": ("braintree", _braintree),
    "discord": ("nacl", _discord),
    "telnyx": ("nacl", _telnyx),
    "sendgrid": ("sendgrid", _sendgrid),
    "messagebird": ("messagebird", _messagebird),
    "adyen": ("Adyen", _adyen),
    "plaid": ("jwt", _plaid),
    "mailgun": ("json", _mailgun),
}


@cache
def reader_of(name: str, *, is_loaded: bool = False) -> Reader | None:
    """Return what asks a sender's library; None where it has none, or none is installed.

    Args:
        name: Of the sender.
        is_loaded: Ask it once, about nothing, so that it is imported.
    """
    package, reader = _LIBRARIES.get(name, ("", None))
    if reader is None or find_spec(package) is None:
        return None
    if is_loaded:
        honest = next(shown for shown in deliveries_of(name) if not shown.how)
        with suppress(Exception):
            reader(honest, (honest.party.secrets or ("",))[0])
    return reader


def takes(shown: Shown) -> str | None:
    """Say why the sender's library doesn't take it: "" where it takes it; None where nobody is asked.

    It looks at the clock itself, so that what comes at another time is shown to us alone.
    """
    reader = reader_of(shown.party.name)
    if reader is None or "later" in shown.how:
        return None
    party, is_strangers = shown.party, "stranger" in shown.how
    secret = (party.another if is_strangers else None) or (party.secrets or ("",))[0]
    if party.secrets and secret not in shown.secrets:
        return None  # it is asked with the live secret of whoever signed
    try:
        taken = reader(shown, secret)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:120] or "an exception"
    return "" if taken else "False"


STALL = 4
"""Seconds, one of which the delivery's own whole second may take; a minute where few are sealed."""
_LISTS = {
    "stripe": "Stripe-Signature",
    "paddle": "Paddle-Signature",
    "workos": "WorkOS-Signature",
    "standard-webhooks": "webhook-signature",
    "svix": "svix-signature",
    "openai": "webhook-signature",
}


def _is_a_longer_list(shown: Shown) -> bool:
    """Say whether the signature of the honest one stands in the field still, among others."""
    name = _LISTS.get(shown.party.name)
    if name is None:
        return False
    honest = _Named(shown.twin).get(name, "")
    if not honest.startswith("v1,"):
        honest = honest.rpartition("=")[2]  # pairs: the text of the last, as hexadecimal
    return bool(honest) and honest in _Named(shown.claim).get(name, "")


def rules_of(shown: Shown) -> Iterator[str]:
    """Yield the rules by which the library alone refuses what we take."""
    name, claim, twin = shown.party.name, shown.claim, shown.twin
    try:
        claim.content.decode()
    except UnicodeDecodeError:
        yield "it takes text, and the content isn't UTF-8"
        return
    if _is_a_longer_list(shown) and takes(replace(shown, claim=twin, url=shown.party.url)) == "":
        yield "it reads a list of one form, and we skip what else stands in it"
    if name in ("box", "plaid", "messagebird") and "time" in shown.how:
        yield "it takes none from ahead of its clock, and we take as much as from behind"
    at_root = Claim(claim.content, claim.fields, claim.received_at, replaced(claim.via, target="/"))
    if "request" in shown.how and takes(replace(shown, claim=at_root)) == "":
        yield "the declared URL counts, where the query of the request is none that could follow it"
    if time.time() - claim.received_at.timestamp() > STALL and shown.party.scheme.signed_time:
        yield "this machine stood still, and it looks at the clock itself"
    if name == "hubspot" and "%" in (shown.url or ""):
        yield "its documentation undoes escapes in the URL, and its library none"
    if name == "twilio" and "@" in (shown.url or ""):
        yield "the declared URL is tried without its user and password too"
