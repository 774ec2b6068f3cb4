"""Razorpay: HMAC-SHA256 over the content alone; x-razorpay-event-id isn't signed."""

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="razorpay",
    party="razorpay",
    documentation="https://razorpay.com/docs/webhooks/validate-test/",
    binds=("content",),
    read=single("X-Razorpay-Signature"),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="hex"),
    envelope=envelope_at(
        type="event",
        account="account_id",
        about="payload.payment.entity.id|payload.order.entity.id|payload.subscription.entity.id",
    ),
    seal_fields=lambda _time, _id, signature: [("X-Razorpay-Signature", signature)],
    signed_time=False,
    signed_key=False,
)
