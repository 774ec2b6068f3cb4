"""LINE: HMAC-SHA256 in base64 over the content, a batch of events each with an id.

A redelivery differs in deliveryContext.isRedelivery, and not in the ids.
"""

from pratique.webhook.content import batch_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="line",
    party="line",
    documentation="https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/",
    binds=("content",),
    read=single("X-Line-Signature"),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="base64"),
    envelope=batch_at("events", id="webhookEventId", type="type", account="destination"),
    seal_fields=lambda _time, _id, signature: [("X-Line-Signature", signature)],
    signed_time=False,
    signed_key=True,
)
