"""Paddle Billing: HMAC-SHA256 over time and content; an attempt has a new time, an event one id."""

from datetime import timedelta

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import pairs
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="paddle",
    party="paddle",
    documentation="https://developer.paddle.com/webhooks/signature-verification",
    binds=("time", "content"),
    read=pairs("Paddle-Signature", time="ts", signature="h1", sign=";"),
    pieces=lambda time, _id, claim, _facts: (f"{time}:".encode(), claim.content),
    keying=hmac_of_text(encoding="hex"),
    envelope=envelope_at(id="event_id", type="event_type", about="data.id"),
    seal_fields=lambda time, _id, signature: [("Paddle-Signature", f"ts={time};h1={signature}")],
    signed_time=True,
    signed_key=True,
    tolerance=timedelta(seconds=5),  # its own libraries' figure
    joint=";h1=",
)
