"""HubSpot, version 3 alone: HMAC-SHA256 in base64 over method, our URL, content and time.

Versions 1 and 2 are hashes with the secret before the text: no HMAC, and no time. They are never
read. An eventId isn't unique by itself, so an event's id is it with what it is about and when that
was.
"""

from collections.abc import Iterable

from pratique.core.claim import Claim
from pratique.webhook.content import batch_at
from pratique.webhook.facts import Facts, declared_url
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.signed_time import MILLISECONDS
from pratique.webhook.verify import hmac_of_text

# The escapes that HubSpot's documentation undoes in the URL before it signs.
_ESCAPES = {f"%{ord(sign):02X}": sign for sign in ":/?@!$'()*,;"}


def _pieces(time: str, _id: str, claim: Claim, facts: Facts) -> tuple[bytes, ...]:
    return (f"{claim.via.method}{declared_url(facts)}".encode(), claim.content, time.encode())


def _unescaped(time: str, event_id: str, claim: Claim, facts: Facts) -> Iterable[tuple[bytes, ...]]:
    url = declared_url(facts)
    for escape, sign in _ESCAPES.items():
        url = url.replace(escape, sign).replace(escape.lower(), sign)
    if url != facts.url:
        yield _pieces(time, event_id, claim, Facts(url, facts.pins))


SCHEME = Scheme(
    name="hubspot",
    party="hubspot",
    documentation="https://developers.hubspot.com/docs/api/webhooks/validating-requests",
    binds=("method", "url", "content", "time"),
    read=single("X-HubSpot-Signature-v3", time="X-HubSpot-Request-Timestamp", form=MILLISECONDS),
    pieces=_pieces,
    also=_unescaped,
    keying=hmac_of_text(encoding="base64"),
    envelope=batch_at(
        "",
        id=("eventId", "subscriptionType", "objectId", "occurredAt|eventId"),
        type="subscriptionType",
        account="portalId",
        about="objectId",
    ),
    seal_fields=lambda time, _id, signature: [
        ("X-HubSpot-Request-Timestamp", time),
        ("X-HubSpot-Signature-v3", signature),
    ],
    signed_time=True,
    signed_key=True,
    time=MILLISECONDS,
    signs_url=True,
)
