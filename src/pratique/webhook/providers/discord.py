"""Discord's interactions and webhook events: Ed25519 over time and content, the key in hex."""

from hashlib import sha256

import msgspec

from pratique.core.claim import Claim
from pratique.webhook.asymmetric import ed25519
from pratique.webhook.content import reading
from pratique.webhook.facts import Facts
from pratique.webhook.handshake import Handshake
from pratique.webhook.opened import Envelope, fit
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.signed_time import TEN_DIGITS

_INTERACTIONS = {1: "ping", 2: "command", 3: "component", 4: "autocomplete", 5: "modal"}


class _Inner(msgspec.Struct):
    type: str = ""


class _Data(msgspec.Struct):
    id: str = ""


class _Event(msgspec.Struct):
    type: int
    id: str = ""
    application_id: str = ""
    data: _Data | None = None
    event: _Inner | None = None
    version: int | None = None


_decode = reading(_Event)


def _envelope(claim: Claim) -> Envelope | None:
    event = _decode(claim)
    if event is None:
        return None
    kind = _INTERACTIONS.get(event.type, "") if event.event is None else event.event.type
    object_id = fit(event.data.id) if event.data is not None else ""
    # A webhook event has no id: its own is the digest of the content, which holds its time.
    digest = f"sha256:{sha256(claim.content).hexdigest()}" if event.event is not None else ""
    identity = fit(event.id) or digest
    if not identity or not fit(kind):
        return None
    return Envelope(identity, kind, fit(event.application_id), object_id)


def _ping(claim: Claim, _facts: Facts) -> str:
    event = _decode(claim)
    if event is None:
        return ""
    if event.event is not None:
        return ""
    # An interaction's PING is 1, and a webhook event's is 0 and has a version.
    return "pong" if event.type == 1 else "seen" if (event.type, event.version) == (0, 1) else ""


SCHEME = Scheme(
    name="discord",
    party="discord",
    documentation="https://docs.discord.com/developers/interactions/overview#setting-up-an-endpoint-validating-security-request-headers",
    binds=("time", "content"),
    read=single("X-Signature-Ed25519", time="X-Signature-Timestamp", form=TEN_DIGITS),
    time=TEN_DIGITS,  # nothing stands between it and the content: no digit may move over
    pieces=lambda time, _id, claim, _facts: (time.encode(), claim.content),
    keying=ed25519(encoding="hex"),
    envelope=_envelope,
    seal_fields=lambda time, _id, signature: [
        ("X-Signature-Timestamp", time),
        ("X-Signature-Ed25519", signature),
    ],
    signed_time=True,
    signed_key=True,
    handshake=Handshake(
        _ping,
        lambda token, _sign, _facts: b'{"type":1}' if token == "pong" else b"",  # noqa: S105  no secret
        content_type="application/json",
    ),
)
