"""Zoom: HMAC-SHA256 over version, time and content.

Its endpoint.url_validation asks for the same MAC of a text of the caller's: nothing is signed but
an opaque token, and only where the request itself is signed.
"""

from pratique.core.claim import Claim
from pratique.webhook.content import at, decoded, envelope_at
from pratique.webhook.facts import Facts
from pratique.webhook.handshake import Handshake, Sign
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text

_PREFIX = "v0="


def _token(claim: Claim, _facts: Facts) -> str:
    content = decoded(claim)
    is_asked = at(content, "event") == "endpoint.url_validation"
    return at(content, "payload.plainToken") if is_asked else ""


def _answer(token: str, sign: Sign, _facts: Facts) -> bytes:
    told = sign(token.encode()).removeprefix(_PREFIX)
    return f'{{"plainToken":"{token}","encryptedToken":"{told}"}}'.encode()


SCHEME = Scheme(
    name="zoom",
    party="zoom",
    documentation="https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events",
    binds=("time", "content"),
    read=single("x-zm-signature", time="x-zm-request-timestamp"),
    pieces=lambda time, _id, claim, _facts: (f"v0:{time}:".encode(), claim.content),
    keying=hmac_of_text(encoding="hex", prefix=_PREFIX),
    envelope=envelope_at(type="event", account="payload.account_id", about="payload.object.id"),
    seal_fields=lambda time, _id, signature: [
        ("x-zm-request-timestamp", time),
        ("x-zm-signature", signature),
    ],
    signed_time=True,
    signed_key=False,
    source="unconfirmed",  # Zoom shows the steps, and no delivery that is signed
    handshake=Handshake(_token, _answer, content_type="application/json"),
)
