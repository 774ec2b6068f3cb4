"""Twitch EventSub: HMAC-SHA256 over id, time and content, without a sign between them.

The time is RFC 3339 with a year of four digits and a zone: no border can be moved. What kind of
message it is, the content says: the field that names it isn't signed.
"""

from datetime import timedelta

from pratique.core.claim import Claim
from pratique.webhook.content import at, decoded, members
from pratique.webhook.facts import Facts
from pratique.webhook.handshake import Handshake
from pratique.webhook.opened import Envelope, is_id
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.signed_time import RFC3339
from pratique.webhook.verify import hmac_of_text

_ID, _TIME, _SIGNATURE = (
    f"Twitch-Eventsub-Message-{part}" for part in ("Id", "Timestamp", "Signature")
)


def _envelope(claim: Claim) -> Envelope | None:
    content, identity = members(decoded(claim)), claim.fields.one(_ID) or ""
    if not content or is_id(identity) is None:
        return None
    is_event = "event" in content or "events" in content
    other = "webhook_callback_verification" if "challenge" in content else "revocation"
    about = at(content, "subscription.id")
    return Envelope(
        identity,
        at(content, "subscription.type") if is_event else other,
        "",
        about if is_id(about) is not None else "",
    )


def _token(claim: Claim, _facts: Facts) -> str:
    return at(decoded(claim), "challenge")


SCHEME = Scheme(
    name="twitch",
    party="twitch",
    documentation="https://dev.twitch.tv/docs/eventsub/handling-webhook-events/",
    binds=("id", "time", "content"),
    read=single(_SIGNATURE, time=_TIME, event_id=_ID, form=RFC3339),
    pieces=lambda time, event_id, claim, _facts: (f"{event_id}{time}".encode(), claim.content),
    keying=hmac_of_text(encoding="hex", prefix="sha256="),
    envelope=_envelope,
    seal_fields=lambda time, event_id, signature: [
        (_ID, event_id),
        (_TIME, time),
        (_SIGNATURE, signature),
    ],
    signed_time=True,
    signed_key=True,
    tolerance=timedelta(minutes=10),
    time=RFC3339,
    source="unconfirmed",
    handshake=Handshake(_token),
)
