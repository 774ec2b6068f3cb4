"""Square: HMAC-SHA256 in base64 over our URL and the content, without a sign between them.

The URL is the declaration's alone: were it the request's, a border could be moved over the content.
"""

from pratique.webhook.content import envelope_at
from pratique.webhook.facts import declared_url
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import never_empty
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="square",
    party="square",
    documentation="https://developer.squareup.com/docs/webhooks/step3validate",
    binds=("url", "content"),
    read=never_empty("X-Square-HmacSha256-Signature"),
    pieces=lambda _time, _id, claim, facts: (declared_url(facts).encode(), claim.content),
    keying=hmac_of_text(encoding="base64"),
    envelope=envelope_at(id="event_id", type="type", account="merchant_id", about="data.id"),
    seal_fields=lambda _time, _id, signature: [("X-Square-HmacSha256-Signature", signature)],
    signed_time=False,
    signed_key=True,
    signs_url=True,
)
