"""Telnyx: Ed25519 over time and content, the public key in base64."""

import msgspec

from pratique.core.claim import Claim
from pratique.webhook.asymmetric import ed25519
from pratique.webhook.content import reading
from pratique.webhook.opened import Envelope, fit
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single


class _Payload(msgspec.Struct):
    id: str | None = None
    call_control_id: str | None = None


class _Data(msgspec.Struct):
    id: str = ""
    event_type: str = ""
    payload: _Payload | None = None


class _Event(msgspec.Struct):
    data: _Data


_decode = reading(_Event)


def _envelope(claim: Claim) -> Envelope | None:
    content = _decode(claim)
    if content is None:
        return None
    event = content.data
    identity = fit(event.id)
    if not identity:
        return None
    about = event.payload
    object_id = (about.id or about.call_control_id or "") if about is not None else ""
    return Envelope(identity, event.event_type, "", fit(object_id))


SCHEME = Scheme(
    name="telnyx",
    party="telnyx",
    documentation="https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks",
    binds=("time", "content"),
    read=single("telnyx-signature-ed25519", time="telnyx-timestamp"),
    pieces=lambda time, _id, claim, _facts: (f"{time}|".encode(), claim.content),
    keying=ed25519(encoding="base64"),
    envelope=_envelope,
    seal_fields=lambda time, _id, signature: [
        ("telnyx-timestamp", time),
        ("telnyx-signature-ed25519", signature),
    ],
    signed_time=True,
    signed_key=True,
)
