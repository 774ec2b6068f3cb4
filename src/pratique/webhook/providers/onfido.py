"""Onfido: HMAC-SHA256 over the content alone; its href is never followed."""

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="onfido",
    party="onfido",
    documentation="https://documentation.onfido.com/guide/integration-walkthrough/set-up-webhooks",
    binds=("content",),
    read=single("X-SHA2-Signature"),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="hex"),
    envelope=envelope_at(type="payload.action", about="payload.object.id"),
    seal_fields=lambda _time, _id, signature: [("X-SHA2-Signature", signature)],
    signed_time=False,
    signed_key=False,
)
