"""Standard Webhooks: HMAC-SHA256 (v1) or Ed25519 (v1a) over id, time and content."""

from collections.abc import Callable

import msgspec

from pratique.core.claim import Claim
from pratique.core.proofs.authentic.signature import Ed25519Key
from pratique.webhook.asymmetric import SignatureVerifier
from pratique.webhook.content import reading
from pratique.webhook.facts import Facts
from pratique.webhook.opened import Envelope, is_id
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import Read, listed
from pratique.webhook.verify import HmacVerifier, Verifier, strict_base64


class _Data(msgspec.Struct):
    id: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    data: _Data | None = None


_decode = reading(_Event)


def _envelope(claim: Claim) -> Envelope | None:
    event = _decode(claim)
    if event is None:
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
        return SignatureVerifier(Ed25519Key.of_public(raw), encoding="base64", prefix="v1a,")
    if kind == "whsk":
        return SignatureVerifier(Ed25519Key.of_private(raw), encoding="base64", prefix="v1a,")
    return HmacVerifier(raw, encoding="base64", prefix="v1,")


def standard(
    name: str,
    *,
    party: str,
    documentation: str,
    read: Read | None = None,
    envelope: Callable[[Claim], Envelope | None] = _envelope,
    family: str = "webhook",
) -> Scheme:
    """Return the scheme of a sender that signs as Standard Webhooks says.

    Args:
        name: Of the sender.
        party: Who owns the secret besides us.
        documentation: Where the sender describes it.
        read: Reads the signature field, where it isn't as the standard has it.
        envelope: Reads the event, where it isn't as the standard has it.
        family: What its three fields begin with.
    """
    return Scheme(
        name=name,
        party=party,
        documentation=documentation,
        binds=("id", "time", "content"),
        read=read or listed_in(family),
        pieces=_pieces,
        keying=_keying,
        envelope=envelope,
        seal_fields=lambda time, event_id, signature: [
            (f"{family}-id", event_id),
            (f"{family}-timestamp", time),
            (f"{family}-signature", signature),
        ],
        signed_time=True,
        signed_key=True,
        joint=" ",
    )


def listed_in(family: str) -> Read:
    """Return what reads the three fields that begin so."""
    return listed(
        f"{family}-signature",
        time=f"{family}-timestamp",
        event_id=f"{family}-id",
        versions=("v1,", "v1a,"),
    )


SCHEME = standard(
    "standard-webhooks",
    party="the sender",
    documentation="https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
)
