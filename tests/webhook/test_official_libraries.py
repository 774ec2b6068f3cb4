"""What we seal the senders' own libraries accept, and one byte more they refuse; what they sign we open.

Each library is asked where it is installed, and is skipped, visibly, where it isn't. They look at the
clock themselves.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from pratique import Claim, Fields, Refused
from tests.webhook.samples import SAMPLES, SECRET, URL

Accepts = Callable[[Any, Claim], Any]


def _field(claim: Claim, name: str) -> str:
    return claim.fields.one(name) or ""


def _fields(claim: Claim) -> dict[str, str]:
    return dict(claim.fields)


def _svix(module: Any, claim: Claim) -> Any:
    module.Webhook(SECRET).verify(claim.content, _fields(claim))
    return True


def _openai(module: Any, claim: Claim) -> Any:
    client = module.OpenAI(api_key="none", webhook_secret=SECRET)
    client.webhooks.verify_signature(claim.content, _fields(claim))
    return True


def _twilio(module: Any, claim: Claim) -> Any:
    form = dict(parse_qsl(claim.content.decode()))
    return module.RequestValidator(SECRET).validate(URL, form, _field(claim, "X-Twilio-Signature"))


def _square(module: Any, claim: Claim) -> Any:
    return module.verify_signature(
        request_body=claim.content.decode(),
        signature_header=_field(claim, "X-Square-HmacSha256-Signature"),
        signature_key=SECRET,
        notification_url=URL,
    )


class _Request:
    def __init__(self, claim: Claim) -> None:
        self.body = claim.content
        self.headers = _fields(claim)


def _paddle(module: Any, claim: Claim) -> Any:
    return module.Verifier(300).verify(_Request(claim), module.Secret(SECRET))  # its 5 s are few


def _razorpay(module: Any, claim: Claim) -> Any:
    return module.Utility().verify_webhook_signature(
        claim.content.decode(), _field(claim, "X-Razorpay-Signature"), SECRET
    )


def _gocardless(module: Any, claim: Claim) -> Any:
    module.parse(claim.content.decode(), SECRET, _field(claim, "Webhook-Signature"))
    return True


def _coinbase(module: Any, claim: Claim) -> Any:
    module.WebhookSignature.verify_sig_header(
        claim.content.decode(), _field(claim, "X-CC-Webhook-Signature"), SECRET
    )
    return True


def _hubspot(module: Any, claim: Claim) -> Any:
    return module.Signature.is_valid(
        _field(claim, "X-HubSpot-Signature-v3"),
        SECRET,
        claim.content.decode(),
        URL,
        "POST",
        "v3",
        _field(claim, "X-HubSpot-Request-Timestamp"),
    )


def _workos(module: Any, claim: Claim) -> Any:
    module.Webhooks.verify_header(
        module.Webhooks.__new__(module.Webhooks),
        event_body=claim.content,
        event_signature=_field(claim, "WorkOS-Signature"),
        secret=SECRET,
    )
    return True


def _pusher(module: Any, claim: Claim) -> Any:
    client = module.Pusher(app_id="1", key="k", secret=SECRET)
    return client.validate_webhook("k", _field(claim, "X-Pusher-Signature"), claim.content.decode())


def _line(module: Any, claim: Claim) -> Any:
    validator = module.SignatureValidator(SECRET)
    return validator.validate(claim.content.decode(), _field(claim, "X-Line-Signature"))


def _onfido(module: Any, claim: Claim) -> Any:
    # It reads the event too, with what Onfido sends besides: only its word on the signature counts.
    verifier = module.WebhookEventVerifier(SECRET)
    try:
        verifier.read_payload(claim.content.decode(), _field(claim, "X-SHA2-Signature"))
    except module.OnfidoInvalidSignatureError:
        return False
    except ValueError:
        pass
    return True


def _box(module: Any, claim: Claim) -> Any:
    return module.WebhooksManager.validate_message(claim.content.decode(), _fields(claim), SECRET)


def _braintree(module: Any, claim: Claim) -> Any:
    gateway = module.BraintreeGateway(
        module.Configuration(
            module.Environment.Sandbox, "merchant", public_key="our_public_key", private_key=SECRET
        )
    )
    form = dict(parse_qsl(claim.content.decode(), keep_blank_values=True))
    found = gateway.webhook_notification.parse(form["bt_signature"], form["bt_payload"])
    return found.kind == "check"


_CHECK = (
    '<notification><timestamp type="datetime">{}</timestamp><kind>check</kind>'
    '<subject><check type="boolean">true</check></subject></notification>'
)
_CONTENTS: dict[str, Callable[[datetime], bytes]] = {
    "braintree": lambda at: _CHECK.format(at.strftime("%Y-%m-%dT%H:%M:%SZ")).encode(),
    "coinbase-commerce": lambda _at: (
        b'{"event": {"id": "e1", "type": "charge:created", "data": {}}}'
    ),
    "gocardless": lambda _at: json.dumps(
        {
            "events": [{"id": "EV1", "resource_type": "payments", "action": "paid", "links": {}}],
            "meta": {"webhook_id": "WB1"},
        }
    ).encode(),
}
LIBRARIES: dict[str, tuple[str, Accepts]] = {
    "box": ("box_sdk_gen.managers.webhooks", _box),
    "braintree": ("braintree", _braintree),
    "coinbase-commerce": ("coinbase_commerce.webhook", _coinbase),
    "gocardless": ("gocardless_pro.webhooks", _gocardless),
    "hubspot": ("hubspot.utils.signature", _hubspot),
    "line": ("linebot.v3.webhook", _line),
    "onfido": ("onfido", _onfido),
    "openai": ("openai", _openai),
    "paddle": ("paddle_billing.Notifications", _paddle),
    "pusher": ("pusher", _pusher),
    "razorpay": ("razorpay.utility.utility", _razorpay),
    "square": ("square.utils.webhooks_helper", _square),
    "svix": ("svix.webhooks", _svix),
    "twilio": ("twilio.request_validator", _twilio),
    "workos": ("workos.webhooks", _workos),
}


def library(case: str) -> tuple[Any, Accepts]:
    """Return a sender's library, and what asks it."""
    name, accepts = LIBRARIES[case]
    pytest.importorskip(name.partition(".")[0])
    return import_module(name), accepts


def accepted(case: str, claim: Claim) -> bool:
    """Ask the library; each has its own way to refuse."""
    module, accepts = library(case)
    try:
        return bool(accepts(module, claim))
    except Exception:  # whatever it raises, it doesn't accept
        return False


def sealed(case: str) -> Claim:
    """Return a delivery that is fresh by the library's own clock."""
    at = datetime.fromtimestamp(int(time.time()), UTC)
    content = _CONTENTS.get(case)
    return SAMPLES[case].sealed(None if content is None else content(at), at=at)


@pytest.mark.parametrize("case", LIBRARIES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_the_sender_s_library_accepts_our_seal_and_refuses_a_byte_more(case: str) -> None:
    """So do we; the byte stands where it is bound."""
    library(case)  # reading it in can take longer than the sealed time is fresh
    honest = sealed(case)
    assert accepted(case, honest)
    assert SAMPLES[case].refused(honest) is None
    raw = honest.content
    changed = (
        raw.replace(b"bt_payload=", b"bt_payload=A")
        if case == "braintree"
        else raw[:-1] + b" " + raw[-1:]
    )
    other = Claim(changed, honest.fields, honest.received_at, honest.via)
    assert not accepted(case, other)
    assert SAMPLES[case].refused(other) is not None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_twilio_hubspot_box_and_braintree_sign_we_open() -> None:
    """Their own libraries make the signature."""
    at = datetime.fromtimestamp(int(time.time()), UTC)
    made = sealed("twilio")
    twilio, _ = library("twilio")
    theirs = twilio.RequestValidator(SECRET).compute_signature(
        URL, dict(parse_qsl(made.content.decode()))
    )
    assert opens("twilio", made.content, {"X-Twilio-Signature": theirs}, at)
    hubspot, _ = library("hubspot")
    stamp, content = str(int(at.timestamp() * 1000)), SAMPLES["hubspot"].content(at)
    theirs = hubspot.Signature.get_signature(SECRET, content.decode(), "v3", URL, "POST", stamp)
    fields = {"X-HubSpot-Signature-v3": theirs, "X-HubSpot-Request-Timestamp": stamp}
    assert opens("hubspot", content, fields, at)
    braintree, _ = library("braintree")
    configuration = braintree.Configuration(
        braintree.Environment.Sandbox, "merchant", public_key="our_public_key", private_key=SECRET
    )
    gateway = braintree.BraintreeGateway(configuration)
    sample = gateway.webhook_testing.sample_notification("subscription_went_past_due", "sub_1")
    assert opens("braintree", urlencode(sample).encode(), {}, datetime.now(UTC))


def opens(case: str, content: bytes, fields: dict[str, str], at: datetime) -> bool:
    """Say whether our scheme opens it."""
    try:
        SAMPLES[case].open(Claim(content, Fields(list(fields.items())), at))
    except Refused:
        return False
    return True
