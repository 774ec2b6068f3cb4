"""Turns a scheme and its live secrets into one closure: claim in, Opened out, or Refused and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from ..core.claim import Claim
from ..core.obligation import AUTHENTIC, LINKED, VALID
from ..core.proofs.fresh import require_fresh_seconds
from ..core.refusal import Refused
from ..core.secret import LiveSecret
from .key import event_key, event_prefix
from .opened import Envelope, Opened
from .verify import Verifier

if TYPE_CHECKING:
    from .scheme import Scheme

Opener = Callable[[Claim], Opened]


def compile_opener(
    scheme: "Scheme",
    verifiers: Sequence[tuple[Verifier, LiveSecret]],
    scope: str,
    url: str | None,
    tolerance: timedelta,
    pins: Mapping[str, object],
) -> Opener:
    """Return the closure that opens one delivery. Order: authentic, fresh, then what is pinned."""
    read, pieces_of, envelope_of = scheme.read, scheme.pieces, scheme.envelope
    prefix, seconds, grade = event_prefix(scheme.name, scope), tolerance.total_seconds(), scheme.grade
    has_time, has_key, key_in_field = scheme.signed_time, scheme.signed_key, scheme.key_in_field
    pinned = [(pin, pins[pin.name]) for pin in scheme.pins if pin.name in pins]
    entries = [(v.verify, s, s.not_after.timestamp() if s.not_after is not None else None) for v, s in verifiers]

    def matching(pieces: tuple[bytes, ...], candidates: Sequence[str], at: float) -> LiveSecret:
        expired = False
        for verify, secret, not_after in entries:
            if not_after is not None and at >= not_after:
                expired = expired or verify(pieces, candidates)
            elif verify(pieces, candidates):
                return secret
        raise _bad_signature(expired=expired)

    def open_claim(claim: Claim) -> Opened:
        time, identity, candidates = read(claim.fields)
        at = claim.received_at.timestamp()
        secret = matching(pieces_of(time, identity, claim, url), candidates, at)
        sent = int(time) if has_time else None
        if sent is not None:
            require_fresh_seconds(sent, at=at, tolerance=seconds)
        envelope = envelope_of(claim)
        if pinned:
            _require_pins(envelope, pinned)
        account = secret.account
        key_of = identity if key_in_field else ""
        if envelope is not None:
            account = envelope.account or account
            key_of = key_of or envelope.id
        # Without a signed id: a digest of the content alone. Never of the time or the signature, which a resend changes.
        signed = key_of.encode() if has_key and key_of else b"sha256:" + sha256(claim.content).digest()
        return Opened(event_key(prefix, account, signed), sent, grade, account, secret.name, envelope)

    def opener(claim: Claim) -> Opened:
        try:
            return open_claim(claim)
        except Refused:
            raise
        except (ValueError, TypeError, RecursionError, OverflowError, LookupError) as error:
            raise Refused(
                VALID, f"reading it raised {type(error).__name__}", code="unreadable", hint="this is a defect of the scheme"
            ) from None

    return opener


def _bad_signature(*, expired: bool) -> Refused:
    if expired:
        return Refused(
            AUTHENTIC,
            "it is signed with a secret whose not-after has passed",
            code="expired_secret",
            hint="let the sender sign with the new secret, or extend previous_until",
        )
    return Refused(
        AUTHENTIC,
        "no live secret made any of its signatures over these bytes",
        code="bad_signature",
        hint="compare the secret with the sender's dashboard; check that nothing re-serialises the content on the way",
    )


def _require_pins(envelope: Envelope | None, pinned: "Sequence[tuple[object, object]]") -> None:
    from .scheme import Pin

    for pin, wanted in pinned:
        if isinstance(pin, Pin) and (envelope is None or pin.of(envelope) != wanted):
            raise Refused(
                LINKED,
                f"what the sender signed doesn't carry the declared {pin.name}",
                code=pin.code,
                hint="a delivery of another endpoint, mode or account: look where the sender's endpoint points",
            )
