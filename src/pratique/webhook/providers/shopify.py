"""Shopify: HMAC-SHA256 in base64 over the content alone, one secret for every shop of an app.

Shop, topic and id are in fields that aren't signed: what one shop was sent verifies as another's.
Whose event it is, `confirm` asks at the shop that the content names, and `link` compares.
"""

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import never_empty
from pratique.webhook.verify import hmac_of_text

_FIELD = "X-Shopify-Hmac-Sha256"


SCHEME = Scheme(
    name="shopify",
    party="shopify",
    documentation="https://shopify.dev/docs/apps/build/webhooks/subscribe/https",
    binds=("content",),
    read=never_empty(_FIELD),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="base64"),
    envelope=envelope_at(type_field="X-Shopify-Topic", about="admin_graphql_api_id|id"),
    seal_fields=lambda _time, _id, signature: [(_FIELD, signature)],
    signed_time=False,
    signed_key=False,
    signed_type=False,
    type_field="X-Shopify-Topic",
)
