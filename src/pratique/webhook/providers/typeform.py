"""Typeform: HMAC-SHA256 in base64 over the content, which has an id."""

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="typeform",
    party="typeform",
    documentation="https://www.typeform.com/developers/webhooks/",
    binds=("content",),
    read=single("Typeform-Signature"),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="base64", prefix="sha256="),
    envelope=envelope_at(id="event_id", type="event_type", about="form_response.token"),
    seal_fields=lambda _time, _id, signature: [("Typeform-Signature", signature)],
    signed_time=False,
    signed_key=True,
    source="unconfirmed",
)
