"""Sanity: HMAC-SHA256 in base64url over time, in milliseconds, and content.

The content is what the user's own projection makes of a document, so that two changes may have one
content; the operation isn't signed.
"""

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import pairs
from pratique.webhook.signed_time import MILLISECONDS
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="sanity",
    party="sanity",
    documentation="https://www.sanity.io/docs/content-lake/webhook-best-practices",
    binds=("time", "content"),
    read=pairs("sanity-webhook-signature", time="t", signature="v1", form=MILLISECONDS),
    pieces=lambda time, _id, claim, _facts: (f"{time}.".encode(), claim.content),
    keying=hmac_of_text(encoding="base64url"),
    envelope=envelope_at(type_field="sanity-operation", about="_id"),
    seal_fields=lambda time, _id, signature: [
        ("sanity-webhook-signature", f"t={time},v1={signature}")
    ],
    signed_time=True,
    signed_key=False,
    signed_type=False,
    type_field="sanity-operation",
    time=MILLISECONDS,
    repeats=True,
)
