"""What we seal the senders' own SDKs accept, and what they sign we open: stripe, standardwebhooks, slack_sdk, and GitHub's own example."""

import hashlib
import hmac
import time
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks
import stripe
from slack_sdk.signature import SignatureVerifier

from pratique import Claim, Fields, Refused
from pratique.webhook import providers

WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TEXT = "8f742231b10e8888abcd99yyyzzz85a5"
CONTENT = b'{"id": "evt_1", "object": "event", "type": "invoice.paid", "livemode": true, "data": {"object": {"id": "in_1"}}}'


def now() -> datetime:
    """Return the time in whole seconds: the SDKs look at the clock themselves."""
    return datetime.fromtimestamp(int(time.time()), UTC)


def opens(name: str, content: bytes, fields: dict[str, str], secret: str, at: datetime) -> bool:
    """Say whether our scheme opens it."""
    try:
        providers.get(name).open(Claim(content, Fields(list(fields.items())), at), secrets=[secret])
    except Refused:
        return False
    return True


def test_stripe_accepts_our_seal_and_we_accept_its_signature() -> None:
    """Both ways; one byte more is refused by both."""
    at = now()
    header = providers.stripe.seal(CONTENT, secret=WHSEC, at=at).one("Stripe-Signature")
    assert stripe.Webhook.construct_event(CONTENT, header, WHSEC).id == "evt_1"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(CONTENT + b" ", header, WHSEC)
    stamp = int(at.timestamp())
    theirs = stripe.WebhookSignature._compute_signature(f"{stamp}.{CONTENT.decode()}", WHSEC)
    assert opens("stripe", CONTENT, {"Stripe-Signature": f"t={stamp},v1={theirs}"}, WHSEC, at)
    assert not opens(
        "stripe", CONTENT + b" ", {"Stripe-Signature": f"t={stamp},v1={theirs}"}, WHSEC, at
    )


def test_standardwebhooks_accepts_our_seal_and_we_accept_its_signature() -> None:
    """Both ways; one byte more is refused by both."""
    at, sdk = now(), standardwebhooks.Webhook(WHSEC)
    sealed = dict(providers.standard_webhooks.seal(CONTENT, secret=WHSEC, at=at, key="msg_1"))
    assert sdk.verify(CONTENT, sealed)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        sdk.verify(CONTENT + b" ", sealed)
    theirs = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": sdk.sign("msg_1", at, CONTENT.decode()),
    }
    assert opens("standard-webhooks", CONTENT, theirs, WHSEC, at)
    assert not opens("standard-webhooks", CONTENT + b" ", theirs, WHSEC, at)


def test_slack_sdk_accepts_our_seal_and_we_accept_its_signature() -> None:
    """Both ways; one byte more is refused by both."""
    at, sdk = now(), SignatureVerifier(TEXT)
    sealed = dict(providers.slack.seal(CONTENT, secret=TEXT, at=at))
    stamp, signature = sealed["X-Slack-Request-Timestamp"], sealed["X-Slack-Signature"]
    assert sdk.is_valid(CONTENT, stamp, signature)
    assert not sdk.is_valid(CONTENT + b" ", stamp, signature)
    theirs = sdk.generate_signature(timestamp=stamp, body=CONTENT)
    assert theirs is not None
    assert opens(
        "slack",
        CONTENT,
        {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": theirs},
        TEXT,
        at,
    )
    assert not opens(
        "slack",
        CONTENT + b" ",
        {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": theirs},
        TEXT,
        at,
    )


def test_github_s_documented_example_opens_and_a_second_implementation_agrees() -> None:
    """The literal of GitHub's "Validating webhook deliveries"; the second implementation is five lines of the standard library."""
    secret, content = "It's a Secret to Everybody", b"Hello, World!"
    literal = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert (
        providers.github.seal(content, secret=secret, at=now()).one("X-Hub-Signature-256")
        == literal
    )
    assert opens("github", content, {"X-Hub-Signature-256": literal}, secret, now())
    assert not opens("github", content + b" ", {"X-Hub-Signature-256": literal}, secret, now())
    second = "sha256=" + hmac.new(secret.encode(), CONTENT, hashlib.sha256).hexdigest()
    assert (
        providers.github.seal(CONTENT, secret=secret, at=now()).one("X-Hub-Signature-256") == second
    )


def test_we_are_stricter_than_the_sdk_where_it_takes_a_delivery_from_the_future() -> None:
    """Stripe's SDK bounds the age alone; ours bounds the lead too."""
    at = now() + timedelta(hours=1)
    header = providers.stripe.seal(CONTENT, secret=WHSEC, at=at).one("Stripe-Signature")
    assert stripe.Webhook.construct_event(CONTENT, header, WHSEC)
    assert not opens("stripe", CONTENT, {"Stripe-Signature": header or ""}, WHSEC, now())
    assert opens("stripe", CONTENT, {"Stripe-Signature": header or ""}, WHSEC, at)
