"""WorkOS: HMAC-SHA256 over time, in milliseconds, and content."""

from datetime import timedelta

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import pairs
from pratique.webhook.signed_time import MILLISECONDS
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="workos",
    party="workos",
    documentation="https://workos.com/docs/events/data-syncing/webhooks",
    binds=("time", "content"),
    read=pairs("WorkOS-Signature", time="t", signature="v1", form=MILLISECONDS),
    pieces=lambda time, _id, claim, _facts: (f"{time}.".encode(), claim.content),
    keying=hmac_of_text(encoding="hex"),
    envelope=envelope_at(id="id", type="event", about="data.id"),
    seal_fields=lambda time, _id, signature: [("WorkOS-Signature", f"t={time}, v1={signature}")],
    signed_time=True,
    signed_key=True,
    tolerance=timedelta(seconds=180),
    time=MILLISECONDS,
    joint=", v1=",
)
