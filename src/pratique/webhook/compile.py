"""Turns a scheme and its live secrets into one closure.

Claim in, Opened out, or Refused and nothing else.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from pratique.core.claim import Claim
from pratique.core.obligation import AUTHENTIC, LINKED, VALID
from pratique.core.proofs.fresh import require_fresh_seconds
from pratique.core.refusal import Refused
from pratique.core.secret import LiveSecret

from .key import event_key, event_prefix
from .opened import Envelope, Opened
from .verify import Verifier

if TYPE_CHECKING:
    from .scheme import Pin, Scheme

Opener = Callable[[Claim], Opened]
_DEFECTS = (ValueError, TypeError, RecursionError, OverflowError, LookupError)


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
    prefix, seconds, grade = (
        event_prefix(scheme.name, scope),
        tolerance.total_seconds(),
        scheme.grade,
    )
    has_time, has_key = scheme.signed_time, scheme.signed_key
    pinned = [(pin, pins[pin.name]) for pin in scheme.pins if pin.name in pins]
    entries = [(verifier.compiled(), secret, _end(secret)) for verifier, secret in verifiers]

    def open_claim(claim: Claim) -> Opened:
        try:
            time, identity, candidates = read(claim.fields)
            at = claim.received_at.timestamp()
            pieces = pieces_of(time, identity, claim, url)
            expired = False
            for verify, secret, not_after in entries:  # noqa: B007  which one matched is read below
                if verify(pieces, candidates):
                    if at < not_after:
                        break
                    expired = True
            else:
                raise _expired() if expired else _bad_signature()
            sent = None
            if has_time:
                sent = int(time)
                if not -seconds <= at - sent <= seconds:
                    require_fresh_seconds(sent, at=at, tolerance=seconds)
            envelope = envelope_of(claim)
            if pinned:
                _require_pins(envelope, pinned)
            # Whose secret it is outranks what its owner signs: tenant B, who holds a secret of its
            # own, may name A in the content, and must not use A's keys up (WH-33).
            account = secret.account
            if envelope is not None:
                account = account or envelope.account
                identity = identity or envelope.id
            # Without a signed id: a digest of the content alone. Never of the time or the
            # signature, which a resend changes.
            signed = (
                identity.encode()
                if has_key and identity
                else b"sha256:" + sha256(claim.content).digest()
            )
            return Opened(
                event_key(prefix, account, signed), sent, grade, account, secret.name, envelope
            )
        except _DEFECTS as error:
            raise _unreadable(error) from None

    return open_claim


def _end(secret: LiveSecret) -> float:
    return secret.not_after.timestamp() if secret.not_after is not None else math.inf


def _unreadable(error: Exception) -> Refused:
    return Refused(
        VALID,
        f"reading it raised {type(error).__name__}",
        code="unreadable",
        hint="this is a defect of the scheme",
    )


def _expired() -> Refused:
    return Refused(
        AUTHENTIC,
        "it is signed with a secret whose not-after has passed",
        code="expired_secret",
        hint="let the sender sign with the new secret, or extend previous_until",
    )


def _bad_signature() -> Refused:
    return Refused(
        AUTHENTIC,
        "no live secret made any of its signatures over these bytes",
        code="bad_signature",
        hint="compare the secret with the sender's dashboard; "
        "check that nothing re-serialises the content on the way",
    )


def _require_pins(envelope: Envelope | None, pinned: "Sequence[tuple[Pin, object]]") -> None:
    if envelope is None:
        raise Refused(VALID, "the content hasn't the sender's envelope", code="bad_envelope")
    for pin, wanted in pinned:
        if pin.of(envelope) != wanted:
            raise Refused(
                LINKED,
                f"what the sender signed doesn't carry the declared {pin.name}",
                code=pin.code,
                hint="a delivery of another endpoint, mode or account: "
                "look where the sender's endpoint points",
            )
