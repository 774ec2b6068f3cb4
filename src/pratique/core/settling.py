"""The flow of a state change: remote proofs, then single use, the rest and the effect."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from .boundary import Declaration
from .callback import Callback, not_a_bool
from .crossing import Crossing
from .event import Outcome
from .obligation import ALLOWED, BIT, CONFIRMED, LINKED, UNIQUE, Obligation
from .proven import Proven
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

_UNIQUE: Final = BIT[UNIQUE]
_CONFIRMED: Final = BIT[CONFIRMED]
_LINKED: Final = BIT[LINKED]
_ALLOWED: Final = BIT[ALLOWED]


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

    def again(self, crossing: Crossing, key: bytes, used: bytes) -> Flow[Any]:
        """Refuse what was done before, or tell anew what came of it. The transaction is open.

        Args:
            crossing: The present one.
            key: Its own key.
            used: Which of its keys was used before.
        """
        _ = crossing
        yield from ()
        raise _used_before(is_same_delivery=used == key)

    def judge(self, crossing: Crossing, subject: object) -> Flow[Any]:
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

    def mint(self, crossing: Crossing, event: Any, subject: Any, linked: Any) -> Proven[Any]:
        """Return what the handler is given."""
        return crossing.admit(event, subject if crossing.done & _CONFIRMED else None, linked)

    def doing(self, crossing: Crossing, key: bytes, proven: Proven[Any]) -> Flow[Any]:
        """Do the effect, and return what came of it."""
        _ = crossing, key
        yield Act(self.act, (proven,))
        return proven


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
