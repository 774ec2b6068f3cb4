"""One crossing: what was discharged, the flow of a state change, and the only mint of a Proven."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, TypeVar

from .boundary import Boundary, Declaration
from .callback import Callback, not_a_bool
from .claim import Claim
from .event import Outcome, Record, new_crossing_id
from .obligation import ALLOWED, AUTHENTIC, BIT, CONFIRMED, LINKED, UNIQUE, Obligation, named
from .proven import _SEAL, Admitted, Proven  # pyright: ignore[reportPrivateUsage]
from .question import (
    IGNORE,
    LATER,
    Act,
    Begin,
    Confirm,
    Decide,
    Flow,
    Hold,
    Lookup,
    Name,
    Settle,
)
from .refusal import Answer, Refused
from .store import Busy, Held, HoldAnswer, Settled
from .within import current

T = TypeVar("T")
_AUTHENTIC: Final = BIT[AUTHENTIC]
_UNIQUE: Final = BIT[UNIQUE]
_CONFIRMED: Final = BIT[CONFIRMED]
_LINKED: Final = BIT[LINKED]
_ALLOWED: Final = BIT[ALLOWED]
KEY_DIGITS: Final = 32
_NEVER: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a boundary does with one kind of claim once it is authentic, fresh and valid.

    Args:
        declaration: What it proves, for the mint and the report.
        confirm: (event) -> confirmed; None where it is waived.
        once: (confirmed) -> the business key; None where it is waived.
        link: (confirmed[, session]) -> our row; None where it is waived.
        allow: (confirmed, row[, session]) -> bool; None where it is waived.
        act: (admitted[, session]) -> None: the effect.
        business: Turns what `once` returned into the bytes that are used once.
        confirming: The obligations that `confirm` discharges, as bits: `confirmed`, and `fresh`
            where the sender signs no time, since the state acted on is then read at its source now.
    """

    declaration: Declaration
    confirm: Callback | None
    once: Callback | None
    link: Callback | None
    allow: Callback | None
    act: Callback
    business: Callable[[Any], bytes]
    confirming: int = BIT[CONFIRMED]
    stateful: int = field(init=False)
    """What the transaction discharges, as bits: `unique`, `linked`, `allowed`."""

    def __post_init__(self) -> None:
        """Add the bits up once, not at each crossing."""
        stateful = _UNIQUE if self.once is not None else 0
        stateful |= _LINKED if self.link is not None else 0
        stateful |= _ALLOWED if self.allow is not None else 0
        object.__setattr__(self, "stateful", stateful)

    def named(self, subject: object) -> Flow[bytes | None]:
        """Return the business key; None where it is waived."""
        if self.once is None:
            return None
        value: object = yield Name(self.once, (subject,))
        _check(value, UNIQUE, "it names no business object", code="no_business_key")
        return self.business(value)

    def again(self, crossing: "Crossing", key: bytes, used: bytes) -> Flow[Any]:
        """Refuse what was done before, or tell anew what came of it. The transaction is open.

        Args:
            crossing: The present one.
            key: Its own key.
            used: Which of its keys was used before.
        """
        _ = crossing
        yield from ()
        raise _used_before(is_same_delivery=used == key)

    def judge(self, crossing: "Crossing", subject: object) -> Flow[Any]:
        """Discharge `linked` and `allowed` in the transaction, and return our own row."""
        linked: object = None
        if self.link is not None:
            linked = yield Lookup(self.link, (subject,))
            _check(linked, LINKED, "no row of ours belongs to it", code="not_linked")
            crossing.done |= _LINKED
        if self.allow is not None and not crossing.excused & _ALLOWED:
            _require_true((yield Decide(self.allow, (subject, linked))))
            crossing.done |= _ALLOWED
        return linked

    def mint(self, crossing: "Crossing", event: Any, subject: Any, linked: Any) -> Proven[Any]:
        """Return what the handler is given."""
        return crossing.admit(event, subject if crossing.done & _CONFIRMED else None, linked)

    def doing(self, crossing: "Crossing", key: bytes, proven: Proven[Any]) -> Flow[Any]:
        """Do the effect, and return what came of it."""
        _ = crossing, key
        yield Act(self.act, (proven,))
        return proven


class Crossing:
    """One claim on its way: knows what was discharged, mints only when nothing owed is missing."""

    __slots__ = (
        "boundary",
        "claim",
        "context",
        "declaration",
        "done",
        "error",
        "excused",
        "id",
        "incident",
        "key",
        "marks",
        "observing",
        "outcome",
        "party",
        "remark",
        "secret_name",
        "single_use",
        "within",
    )

    def __init__(self, boundary: Boundary, claim: Claim) -> None:
        self.id = new_crossing_id()
        self.within = current()
        """The crossing inside which it began: of the request that a fetch is made for."""
        self.boundary, self.claim = boundary, claim
        self.context: object = None
        """For whom it is, where a service's token said so: what the next call may be for."""
        self.declaration: Declaration | None = None
        self.done, self.key, self.secret_name, self.error = 0, b"", "", ""
        self.marks = boundary.fingerprints.of_claim(claim) if boundary.fingerprints else ()
        self.outcome: Outcome | None = None  # of its last record, or that it was minted
        self.party = ""
        """Who calls for the subject, where that is somebody else and proven."""
        self.single_use: tuple[bytes, ...] = ()
        """Keys of what was shown and works once: a token, by its `jti`."""
        self.remark: tuple[str, str] = ("", "")
        """Code and detail of what is worth saying of a crossing that is proven."""
        self.observing = boundary.observe is not None and boundary.observe.holds(claim.received_at)
        glass = boundary.glass
        is_broken = glass is not None and glass.holds(claim.received_at)
        self.excused = BIT[glass.obligation] if glass is not None and is_broken else 0
        """What isn't asked for because of an incident, as bits."""
        self.incident = glass.incident if glass is not None and is_broken else ""

    @property
    def is_authentic(self) -> bool:
        """Say whether the sender is known by now: from here on a refusal is durable."""
        return bool(self.done & _AUTHENTIC)

    def owns(self, refused: Refused) -> Refused:
        """Let a refusal name this crossing and how its boundary is to be convinced; return it."""
        realm = self.boundary.name.replace("\\", "\\\\").replace('"', '\\"')
        refused.crossing_id = self.id
        scheme, _, more = self.boundary.challenge.partition(" ")
        error = f'error="{refused.error}"' if refused.error else ""
        told = filter(None, (f'realm="{realm}"', more, error))
        refused.challenge = f"{scheme} {', '.join(told)}"
        return refused

    def discharge(self, obligation: Obligation) -> None:
        """Note that a proof of *obligation* has run and held."""
        self.done |= BIT[obligation]

    def reopen(self, obligation: Obligation) -> None:
        """Note that a further proof of *obligation* is owed: the one that has run isn't enough."""
        self.done &= ~BIT[obligation]

    def prove(self, value: T) -> Proven[T]:
        """Mint the value, or refuse because something that is owed was never discharged."""
        declaration = self._owing_nothing()
        return Proven(value, declaration.proofs, self.id, self.claim.received_at, seal=_SEAL)

    def admit(self, event: Any, confirmed: Any, linked: Any) -> Admitted[Any, Any, Any]:
        """Mint the event of a state change, with what was confirmed and our own row."""
        declaration = self._owing_nothing()
        return Admitted(
            event,
            declaration.proofs,
            self.id,
            self.claim.received_at,
            confirmed=confirmed,
            linked=linked,
            seal=_SEAL,
        )

    def _owing_nothing(self) -> Declaration:
        # That nothing refused is a poor sign that a check ran (CWE-636): count what was discharged.
        declaration = self.declaration
        if declaration is None:
            raise Refused(AUTHENTIC, "the crossing has no declaration", code="unproven")
        if self.observing:
            raise Refused(
                ALLOWED,
                "the boundary only observes: it mints nothing",
                code="observed",
                answer=Answer.ACKNOWLEDGE,
            )
        owed = (
            declaration.owed(self.boundary.owed_bits, self.claim.received_at)
            if declaration.waivers or declaration.also_owes
            else self.boundary.owed_bits
        )
        missing = owed & ~(self.done | self.excused)
        if missing:
            first = next(named(missing))
            raise Refused(
                first,
                f"{first} is owed and no proof of it has run",
                code="unproven",
                answer=Answer.RETRY,
            )
        self.outcome = Outcome.PROVEN
        return declaration

    def record(
        self, outcome: Outcome, refused: Refused | None = None, *, done: int | None = None
    ) -> Record:
        """Return the compact record of how it ended; *done* where more is discharged by then."""
        self.outcome, boundary, declaration = outcome, self.boundary, self.declaration
        name = declaration.name if declaration is not None else ""
        obligation = hint = ""
        code, detail = self.remark
        if refused is not None:
            obligation, code = refused.obligation.value, refused.code
            detail, hint = refused.detail, refused.hint
        return Record(  # in the order of its fields: names cost half as much again
            self.id,
            self.claim.received_at,
            boundary.name,
            boundary.kind,
            outcome,
            name,
            obligation,
            code,
            detail,
            hint,
            sha256(self.key).hexdigest()[:KEY_DIGITS] if self.key else "",
            self.secret_name,
            _words(self.done if done is None else done),
            self.error,
            self.within,
            self.incident,
            self.marks,
        )


def settle(
    crossing: Crossing, rule: Rule, event: object, key: bytes, *, is_transactional: bool
) -> Flow[Any]:
    """Carry a state change through: remote proofs, then one transaction for rest and effect.

    Where the effect is outside any transaction of ours, the keys are held for a lease around it and
    settled after it. Between the effect and `Settle` stands a window in which a crash leaves the
    effect done and the key free: no claim of "once" is made.

    Args:
        crossing: With `authentic`, `fresh` and `valid` discharged as far as they are owed.
        rule: What is owed from here on.
        event: What the sender said, typed.
        key: The single-use key, from inside the signed bytes; b"" where the claim has none that a
            stranger couldn't use up: the business key, claimed once `confirmed` holds, is all then.
        is_transactional: Single use and effect are one commit.
    """
    holds: list[tuple[bytes, int]] = []
    if not is_transactional and key:
        first: HoldAnswer = yield Hold(key)
        holds.append((key, _held(first, is_same_delivery=True)))
    subject, keys = event, [own for own in (key, *crossing.single_use) if own]
    if rule.confirm is not None and not crossing.excused & _CONFIRMED:
        subject = yield Confirm(rule.confirm, (event,))
        _check(subject, CONFIRMED, "its source doesn't say so", code="not_confirmed")
        crossing.done |= rule.confirming
    named = yield from rule.named(subject)
    if named is not None:
        keys.append(named)
    if is_transactional:
        # The record says what will hold when it is committed: `admit` mints only if it does.
        will_hold = (crossing.done | rule.stateful) & ~crossing.excused
        record = crossing.record(Outcome.PROVEN, done=will_hold)
        used: bytes | None = yield Begin(tuple(keys), record)
        if used is not None:
            return (yield from rule.again(crossing, key, used))
    else:
        for business in keys[len(holds) :]:
            other: HoldAnswer = yield Hold(business)
            holds.append((business, _held(other, is_same_delivery=False)))
    if rule.once is not None:
        crossing.done |= _UNIQUE
    linked = yield from rule.judge(crossing, subject)
    proven = rule.mint(crossing, event, subject, linked)
    told = yield from rule.doing(crossing, key, proven)
    for name, token in reversed(holds):
        if not (yield Settle(name, token, is_last=name == holds[0][0])):
            raise _overtaken()
    return told


def _require_true(allowed: object) -> None:
    if allowed is True:
        return
    _check(allowed, ALLOWED, "it isn't legal from the present state", code="not_allowed")
    raise not_a_bool(ALLOWED, "allow", allowed)


def _overtaken() -> Refused:
    return Refused(
        UNIQUE,
        "the effect was done and its lease had ended: another delivery may have done it too",
        code="overtaken",
        hint="lengthen the lease, or move the effect into a transaction",
        answer=Answer.RETRY,
    )


def _check(answer: object, obligation: Obligation, detail: str, *, code: str) -> None:
    if answer is LATER:
        raise Refused(obligation, "not there yet", code="later", answer=Answer.RETRY)
    if answer is IGNORE:
        raise Refused(obligation, "nothing for us", code="ignored", answer=Answer.ACKNOWLEDGE)
    if answer is None or answer is False:
        raise Refused(obligation, detail, code=code, answer=Answer.ACKNOWLEDGE)


def _held(answer: HoldAnswer, *, is_same_delivery: bool) -> int:
    if isinstance(answer, Held):
        return answer.token
    if isinstance(answer, Settled):
        raise _used_before(is_same_delivery=is_same_delivery)
    if isinstance(answer, Busy):
        raise Refused(
            UNIQUE,
            "another delivery of it is being handled",
            code="busy",
            answer=Answer.RETRY,
            retry_after=answer.retry_after,
        )
    raise Refused(UNIQUE, "its key was used for other content", code="key_conflict")


def _used_before(*, is_same_delivery: bool) -> Refused:
    if is_same_delivery:
        return Refused(
            UNIQUE, "this event was handled before", code="replayed", answer=Answer.ACKNOWLEDGE
        )
    return Refused(
        UNIQUE,
        "another event did this to the same business object",
        code="already_applied",
        answer=Answer.ACKNOWLEDGE,
    )


_WORDS: Final[dict[int, tuple[str, ...]]] = {}


def _words(done: int) -> tuple[str, ...]:
    """Return the obligations as words; there are 128 combinations at the most."""
    if done not in _WORDS:
        _WORDS[done] = tuple(o.value for o in named(done))
    return _WORDS[done]


def renewed(proven: Proven[T], at: datetime) -> Proven[T]:
    """Mint what crossed once more, for a claim that says the same. Nothing unproven gets in.

    For a boundary whose proofs look at what is said and at nothing else: no time, store or waiver.

    Args:
        proven: Of a crossing of that boundary.
        at: When the present claim reached us. UTC.
    """
    value, proofs = proven._value, proven._proofs  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
    return Proven(value, proofs, new_crossing_id(), at, seal=_SEAL)


def vouched(value: T) -> Proven[T]:
    """Mint a value without any proof. Only `pratique.unsafe.vouch` calls this."""
    return Proven(value, (), new_crossing_id(), _NEVER, seal=_SEAL)
