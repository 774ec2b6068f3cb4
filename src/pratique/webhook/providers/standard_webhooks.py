"""Standard Webhooks: HMAC-SHA256 (v1) or Ed25519 (v1a) over id, time and content."""

import msgspec

from pratique.core.claim import Claim
from pratique.core.proofs.authentic.signature import Ed25519Key
from pratique.webhook.facts import Facts
from pratique.webhook.opened import Envelope, is_id
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import listed
from pratique.webhook.verify import Ed25519Verifier, HmacVerifier, Verifier, strict_base64


class _Data(msgspec.Struct):
    id: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    data: _Data | None = None


_decode = msgspec.json.Decoder(_Event).decode


def _envelope(claim: Claim) -> Envelope | None:
    try:
        event = _decode(claim.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    object_id = event.data.id if event.data is not None and event.data.id is not None else ""
    identity = claim.fields.one("webhook-id") or ""
    if is_id(identity) is None:
        return None
    return Envelope(identity, event.type, "", object_id if is_id(object_id) is not None else "")


def _pieces(time: str, event_id: str, claim: Claim, _facts: Facts) -> tuple[bytes, ...]:
    return (f"{event_id}.{time}.".encode(), claim.content)


def _keying(secret: str) -> Verifier:
    kind, _, rest = secret.rpartition("_")
    raw = strict_base64(rest)
    if raw is None or kind not in ("", "whsec", "whpk", "whsk"):
        message = "expected whsec_, whpk_ or whsk_ and base64"
        raise ValueError(message)
    if kind == "whpk":
        return Ed25519Verifier(Ed25519Key.of_public(raw), prefix="v1a,")
    if kind == "whsk":
        return Ed25519Verifier(Ed25519Key.of_private(raw), prefix="v1a,")
    return HmacVerifier(raw, encoding="base64", prefix="v1,")


SCHEME = Scheme(
    name="standard-webhooks",
    party="the sender",
    documentation="https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
    binds=("id", "time", "content"),
    read=listed(
        "webhook-signature",
        time="webhook-timestamp",
        event_id="webhook-id",
        versions=("v1,", "v1a,"),
    ),
    pieces=_pieces,
    keying=_keying,
    envelope=_envelope,
    seal_fields=lambda time, event_id, signature: [
        ("webhook-id", event_id),
        ("webhook-timestamp", time),
        ("webhook-signature", signature),
    ],
    signed_time=True,
    signed_key=True,
    joint=" ",
)
