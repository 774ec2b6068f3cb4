"""Zendesk: HMAC-SHA256 in base64 over time and content, without a sign between them.

The time is RFC 3339 and ends with its zone: the border can't be moved. What a trigger sends has the
shape that its author gave it, and no id of Zendesk's.
"""

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.signed_time import RFC3339
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="zendesk",
    party="zendesk",
    documentation="https://developer.zendesk.com/documentation/webhooks/verifying/",
    binds=("time", "content"),
    read=single(
        "X-Zendesk-Webhook-Signature",
        time="X-Zendesk-Webhook-Signature-Timestamp",
        form=RFC3339,
    ),
    pieces=lambda time, _id, claim, _facts: (time.encode(), claim.content),
    keying=hmac_of_text(encoding="base64"),
    envelope=envelope_at(id="id", type="type", account="account_id", about="detail.id"),
    seal_fields=lambda time, _id, signature: [
        ("X-Zendesk-Webhook-Signature-Timestamp", time),
        ("X-Zendesk-Webhook-Signature", signature),
    ],
    signed_time=True,
    signed_key=True,
    time=RFC3339,
    # The one literal in its documentation has the content before the time, all else there after it.
    source="unconfirmed",
)
