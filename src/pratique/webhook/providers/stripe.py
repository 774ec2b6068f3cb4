"""Stripe: HMAC-SHA256 over time and content; the whole whsec_ string is the key."""

import msgspec

from pratique.core.claim import Claim
from pratique.webhook.content import reading
from pratique.webhook.facts import Facts
from pratique.webhook.opened import Envelope, fit
from pratique.webhook.pin import Pin
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import pairs
from pratique.webhook.verify import hmac_of_text


class _Object(msgspec.Struct, gc=False):
    id: str | None = None


class _Data(msgspec.Struct, gc=False):
    object: _Object | None = None


class _Event(msgspec.Struct, gc=False):
    id: str
    type: str = ""
    account: str | None = None
    livemode: bool | None = None
    data: _Data | None = None


_decode = reading(_Event)


def _envelope(claim: Claim) -> Envelope | None:
    event = _decode(claim)
    if event is None:
        return None
    identity = fit(event.id)
    if not identity:
        return None
    about = event.data.object if event.data is not None else None
    object_id = fit(about.id) if about is not None and about.id is not None else ""
    return Envelope(identity, event.type, event.account or "", object_id, event.livemode)


def _pieces(time: str, _id: str, claim: Claim, _facts: Facts) -> tuple[bytes, ...]:
    return (time.encode() + b".", claim.content)


SCHEME = Scheme(
    name="stripe",
    party="stripe",
    documentation="https://docs.stripe.com/webhooks#verify-manually",
    binds=("time", "content"),
    read=pairs(
        "Stripe-Signature", time="t", signature="v1"
    ),  # v0 signs test events with a known key: skipped
    pieces=_pieces,
    keying=hmac_of_text(encoding="hex"),
    envelope=_envelope,
    seal_fields=lambda time, _id, signature: [("Stripe-Signature", f"t={time},v1={signature}")],
    signed_time=True,
    signed_key=True,
    joint=",v1=",
    pins=(
        Pin("livemode", bool, lambda envelope: envelope.livemode, "wrong_livemode"),
        Pin("account", str, lambda envelope: envelope.account, "wrong_account"),
    ),
)
