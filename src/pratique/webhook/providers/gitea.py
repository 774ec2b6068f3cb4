"""Gitea and Forgejo: HMAC-SHA256 over the content alone, in hexadecimal without a prefix.

Neither the event's type nor X-Gitea-Delivery is signed.
"""

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="gitea",
    party="gitea",
    documentation="https://docs.gitea.com/usage/webhooks",
    binds=("content",),
    read=single("X-Gitea-Signature"),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="hex"),
    envelope=envelope_at(type_field="X-Gitea-Event"),
    seal_fields=lambda _time, _id, signature: [("X-Gitea-Signature", signature)],
    signed_time=False,
    signed_key=False,
    signed_type=False,
    type_field="X-Gitea-Event",
    source="unconfirmed",
)
