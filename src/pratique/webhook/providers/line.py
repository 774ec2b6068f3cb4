"""LINE: HMAC-SHA256 in base64 over the content, a batch of events each with an id.

A redelivery differs in deliveryContext.isRedelivery, and not in the ids. Whether the endpoint is
ours is asked by a delivery without events: no handler has its type, so that it is acknowledged.
"""

from pratique.core.claim import Claim
from pratique.webhook.content import batch_at, decoded, members
from pratique.webhook.opened import Envelope
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text

_batch = batch_at("events", id="webhookEventId", type="type", account="destination")


def _envelope(claim: Claim) -> Envelope | None:
    found = _batch(claim)
    if found is None and members(decoded(claim)).get("events") == []:
        return Envelope(type="no_events")
    return found


SCHEME = Scheme(
    name="line",
    party="line",
    documentation="https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/",
    binds=("content",),
    read=single("X-Line-Signature"),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="base64"),
    envelope=_envelope,
    seal_fields=lambda _time, _id, signature: [("X-Line-Signature", signature)],
    signed_time=False,
    signed_key=True,
)
