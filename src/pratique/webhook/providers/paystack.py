"""Paystack: HMAC-SHA512 over the content, keyed with the secret key of the API itself.

Whoever reads the webhook's secret can call the API: keep it nowhere else. An event has no id of its
own: an invoice, a dispute, a subscription has several of one type. So the key is a digest of the
content, and what happens once is the object in its confirmed state.
"""

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="paystack",
    party="paystack",
    documentation="https://paystack.com/docs/payments/webhooks/",
    binds=("content",),
    read=single("X-Paystack-Signature"),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="hex", digest="sha512"),
    envelope=envelope_at(
        type="event",
        about="data.reference|data.invoice_code|data.subscription_code|data.id",
    ),
    seal_fields=lambda _time, _id, signature: [("X-Paystack-Signature", signature)],
    signed_time=False,
    signed_key=False,
    source="unconfirmed",
)
