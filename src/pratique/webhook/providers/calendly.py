"""Calendly: HMAC-SHA256 over time and content."""

from datetime import timedelta

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import pairs
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="calendly",
    party="calendly",
    documentation="https://developer.calendly.com/api-docs/webhook-signatures",
    binds=("time", "content"),
    read=pairs("Calendly-Webhook-Signature", time="t", signature="v1"),
    pieces=lambda time, _id, claim, _facts: (f"{time}.".encode(), claim.content),
    keying=hmac_of_text(encoding="hex"),
    envelope=envelope_at(type="event", account="created_by"),
    seal_fields=lambda time, _id, signature: [
        ("Calendly-Webhook-Signature", f"t={time},v1={signature}")
    ],
    signed_time=True,
    signed_key=False,
    tolerance=timedelta(minutes=3),  # as its documentation's own code has it
    source="unconfirmed",
)
