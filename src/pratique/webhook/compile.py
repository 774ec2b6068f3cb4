"""Turns a scheme and its live secrets into one closure.

Claim in, Opened out, or Refused and nothing else.
"""

import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from pratique.core.claim import Claim
from pratique.core.obligation import AUTHENTIC, FRESH, LINKED, VALID
from pratique.core.proofs.fresh import require_fresh_seconds
from pratique.core.refusal import Refused
from pratique.core.secret import LiveSecret

from .facts import Facts
from .key import event_key, event_prefix
from .opened import Envelope, Opened
from .verify import Verifier

if TYPE_CHECKING:
    from .pin import Pin
    from .scheme import Scheme

Opener = Callable[[Claim], Opened]
_DEFECTS = (ValueError, TypeError, RecursionError, OverflowError, LookupError)


def compile_opener(
    scheme: "Scheme",
    verifiers: Sequence[tuple[Verifier, LiveSecret]],
    scope: str,
    facts: Facts,
    tolerance: timedelta,
) -> Opener:
    """Return the closure that opens one delivery. Order: authentic, fresh, then what is pinned."""
    read, pieces_of, envelope_of = scheme.read, scheme.pieces, scheme.envelope
    seconds, grade, has_time, also = (
        tolerance.total_seconds(),
        scheme.grade,
        scheme.signed_time,
        scheme.also,
    )
    time_of, clock = scheme.time_of, scheme.time.read
    pinned = _pinned(scheme, facts)
    key_of = _key_of(scheme, event_prefix(scheme.name, scope), facts)
    match = _matcher(verifiers)

    def open_claim(claim: Claim) -> Opened:
        try:
            time, identity, candidates = read(claim, facts)
            moment = time
            at = claim.received_at.timestamp()
            pieces = pieces_of(time, identity, claim, facts)
            secret = match(pieces, candidates, at)
            if secret is None:
                others = () if also is None else also(time, identity, claim, facts)
                found = (match(other, candidates, at) for other in others)
                secret = next((each for each in found if each is not None), None)
                if secret is None:
                    raise _bad_signature()
            sent = None
            if has_time:
                if time_of is not None:
                    moment = _signed_time(time_of(claim))
                said = clock(moment)
                if not -seconds <= at - said <= seconds:
                    require_fresh_seconds(said, at=at, tolerance=seconds)
                sent = int(said)
            envelope = envelope_of(claim)
            if pinned:
                _require_pins(envelope, pinned)
            # Whose secret it is outranks what its owner signs: tenant B, who holds a secret of its
            # own, may name A in the content, and must not use A's keys up (WH-33).
            account = secret.account
            if envelope is not None:
                account = account or envelope.account
                identity = identity or envelope.id
            key = key_of(account, secret.account, identity, claim)
            return Opened(key, sent, grade, account, secret.name, envelope, moment)
        except _DEFECTS as error:
            raise _unreadable(error) from None

    return open_claim


def _matcher(
    verifiers: Sequence[tuple[Verifier, LiveSecret]],
) -> Callable[[tuple[bytes, ...], Sequence[str], float], LiveSecret | None]:
    entries = [(verifier.compiled(), secret, _end(secret)) for verifier, secret in verifiers]

    def match(pieces: tuple[bytes, ...], candidates: Sequence[str], at: float) -> LiveSecret | None:
        expired = False
        for verify, secret, not_after in entries:
            if verify(pieces, candidates):
                if at < not_after:
                    return secret
                expired = True
        if expired:
            raise _expired()
        return None

    return match


def _pinned(scheme: "Scheme", facts: Facts) -> "list[tuple[Pin, object]]":
    return [
        (pin, facts.pins[pin.name])
        for pin in scheme.pins
        if pin.name in facts.pins and pin.of is not None
    ]


def _key_of(
    scheme: "Scheme", prefix: bytes, facts: Facts
) -> Callable[[str, str, str, Claim], bytes]:
    has_key, digest_of = scheme.signed_key, scheme.digest_of

    def key_of(account: str, owner: str, identity: str, claim: Claim) -> bytes:
        if has_key and identity:
            return event_key(prefix, account, identity.encode())
        # Without a signed id: a digest of the decoded signed content. Never of the time or the
        # signature, which a resend changes. The account that the content names is in it: beside it,
        # another split of one signed text would be another event (Twilio's).
        content = claim.content if digest_of is None else digest_of(claim, facts)
        return event_key(prefix, owner, b"sha256:" + sha256(content).digest())

    return key_of


def _signed_time(text: str) -> str:
    if not text:
        raise Refused(
            FRESH,
            "the content carries no time in the sender's form, and its time is what is signed",
            code="no_signed_time",
        )
    return text


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
        if pin.of is not None and pin.of(envelope) != wanted:
            raise Refused(
                LINKED,
                f"what the sender signed doesn't carry the declared {pin.name}",
                code=pin.code,
                hint="a delivery of another endpoint, mode or account: "
                "look where the sender's endpoint points",
            )
