"""GoCardless: HMAC-SHA256 over the content, a batch of events each with an id."""

from pratique.webhook.content import batch_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="gocardless",
    party="gocardless",
    documentation="https://developer.gocardless.com/getting-started/staying-up-to-date-with-webhooks",
    binds=("content",),
    read=single("Webhook-Signature"),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="hex"),
    envelope=batch_at("events", id="id", type=("resource_type", "action")),
    seal_fields=lambda _time, _id, signature: [("Webhook-Signature", signature)],
    signed_time=False,
    signed_key=True,
)
