"""SendGrid's Event Webhook: ECDSA on P-256 over time and content, the public key DER in base64.

A delivery is a batch. Its key is the digest of it; each event in it has its own id for `once`.
"""

import msgspec

from pratique.core.claim import Claim
from pratique.webhook.asymmetric import ecdsa_p256
from pratique.webhook.content import reading
from pratique.webhook.opened import Envelope
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.signed_time import TEN_DIGITS

_SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
_TIME = "X-Twilio-Email-Event-Webhook-Timestamp"


class _Item(msgspec.Struct):
    event: str
    sg_event_id: str


_decode = reading(list[_Item])


def _envelope(claim: Claim) -> Envelope | None:
    items = _decode(claim)
    if items is None:
        return None
    return Envelope(type="events") if items else None


SCHEME = Scheme(
    name="sendgrid",
    party="sendgrid",
    documentation="https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features",
    binds=("time", "content"),
    read=single(_SIGNATURE, time=_TIME, form=TEN_DIGITS),  # nothing stands behind the time
    time=TEN_DIGITS,
    pieces=lambda time, _id, claim, _facts: (time.encode(), claim.content),
    keying=ecdsa_p256,
    envelope=_envelope,
    seal_fields=lambda time, _id, signature: [(_TIME, time), (_SIGNATURE, signature)],
    signed_time=True,
    signed_key=False,
)
