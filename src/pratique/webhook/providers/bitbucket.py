"""Bitbucket Cloud: HMAC-SHA256 over the content alone.

The event's type and X-Request-UUID aren't signed. Other senders have SHA-1 in the same field.
"""

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="bitbucket",
    party="bitbucket",
    documentation="https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
    binds=("content",),
    read=single("X-Hub-Signature"),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="hex", prefix="sha256="),
    envelope=envelope_at(type_field="X-Event-Key"),
    seal_fields=lambda _time, _id, signature: [("X-Hub-Signature", signature)],
    signed_time=False,
    signed_key=False,
    signed_type=False,
    type_field="X-Event-Key",
)
