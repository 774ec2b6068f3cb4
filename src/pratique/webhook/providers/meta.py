"""Meta (WhatsApp, Messenger, Instagram): HMAC-SHA256 over the content, with its escapes as sent.

Its GET with hub.challenge isn't signed: hub.verify_token is what we both know. Nothing is signed
for it; the challenge is given back.
"""

from pratique.core.claim import Claim
from pratique.core.proofs.authentic import hmac as mac
from pratique.webhook.content import envelope_at
from pratique.webhook.facts import Facts
from pratique.webhook.handshake import Handshake, parameters
from pratique.webhook.pin import Pin
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text


def _token(claim: Claim, facts: Facts) -> str:
    asked, known = parameters(claim), facts.pins.get("verify_token", "")
    told = asked.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
    if not known or not mac.compare_digest(told, known.encode()):
        return ""
    return asked.get("hub.challenge", "") if asked.get("hub.mode") == "subscribe" else ""


SCHEME = Scheme(
    name="meta",
    party="meta",
    documentation="https://developers.facebook.com/docs/graph-api/webhooks/getting-started",
    binds=("content",),
    read=single("X-Hub-Signature-256"),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="hex", prefix="sha256="),
    envelope=envelope_at(type="object"),
    seal_fields=lambda _time, _id, signature: [("X-Hub-Signature-256", signature)],
    signed_time=False,
    signed_key=False,
    pins=(Pin("verify_token", str),),
    source="unconfirmed",
    handshake=Handshake(_token, is_signed=False, by_get=True),
)
