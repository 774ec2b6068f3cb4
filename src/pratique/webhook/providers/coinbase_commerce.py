"""Coinbase Commerce: HMAC-SHA256 over the content, whose event has an id."""

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="coinbase-commerce",
    party="coinbase-commerce",
    documentation="https://docs.cdp.coinbase.com/commerce/docs/webhooks-security",
    binds=("content",),
    read=single("X-CC-Webhook-Signature"),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="hex"),
    envelope=envelope_at(id="event.id", type="event.type", about="event.data.code|event.data.id"),
    seal_fields=lambda _time, _id, signature: [("X-CC-Webhook-Signature", signature)],
    signed_time=False,
    signed_key=True,
)
