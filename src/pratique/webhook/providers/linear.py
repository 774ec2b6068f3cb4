"""Linear: HMAC-SHA256 over the content, whose webhookTimestamp is the time.

The fields Linear-Timestamp and Linear-Delivery aren't signed: neither is read.
"""

from datetime import timedelta

from pratique.webhook.content import envelope_at, milliseconds_at, without
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.signed_time import MILLISECONDS
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="linear",
    party="linear",
    documentation="https://linear.app/developers/webhooks#securing-webhooks",
    binds=("content", "time"),
    read=single("Linear-Signature"),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="hex"),
    envelope=envelope_at(type=("type", "action"), account="organizationId", about="data.id"),
    seal_fields=lambda _time, _id, signature: [("Linear-Signature", signature)],
    signed_time=True,
    signed_key=False,
    tolerance=timedelta(seconds=60),
    time=MILLISECONDS,
    time_of=milliseconds_at("webhookTimestamp"),
    digest_of=without("webhookTimestamp"),
)
