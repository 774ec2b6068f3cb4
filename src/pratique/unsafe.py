"""Every opt-out, each with a reason: what is waived, observed or vouched for by hand."""

import logging
from datetime import date
from typing import Protocol, Self, TypeVar

from .core.crossing import vouched
from .core.obligation import Obligation
from .core.proven import Proven
from .core.refusal import BoundaryError
from .core.waiver import Observe, Unconfirmed, Waiver

__all__ = ["observe", "unconfirmed", "vouch", "waive"]

T = TypeVar("T")


class Vouchable(Protocol):
    """A sender's scheme."""

    def vouched_by(self, unconfirmed: Unconfirmed, /) -> Self:
        """Return it as one that may be declared."""
        ...


S = TypeVar("S", bound=Vouchable)
_log = logging.getLogger("pratique")


def waive(obligation: Obligation, *, reason: str, owner: str, until: date, bound: str) -> Waiver:
    """Waive one obligation of a boundary until a day; it is listed in every report.

    Args:
        obligation: What isn't proven.
        reason: Why, for the reviewer.
        owner: Who answers for it.
        until: The day (UTC) from which it is owed again: crossings are refused from then on.
        bound: What limits the damage meanwhile: an amount, a rate.
    """
    return Waiver(Obligation(obligation), reason, owner, until, bound)


def observe(*, until: date, reason: str, owner: str) -> Observe:
    """Let a boundary shadow what was there before it, at most 90 days.

    It records what it would refuse and mints nothing.
    """
    return Observe(until, reason, owner)


def unconfirmed(scheme: S, *, reason: str, owner: str, until: date) -> S:
    """Return a sender's scheme that may be declared, though no literal of its own confirms it.

    That we open what we sealed ourselves proves nothing of how the sender signs: a delivery of its
    own, checked by hand, is what belongs into the reason. It is listed in every report.

        unsafe.unconfirmed(providers.twitch, reason=…, owner=…, until=…)(secrets=…)

    Args:
        scheme: Of `providers`, with the source "unconfirmed".
        reason: What was seen of the sender's, for the reviewer.
        owner: Who answers for it.
        until: The day (UTC) from which it is refused again.
    """
    return scheme.vouched_by(Unconfirmed(until, reason, owner))


def vouch(value: T, *, reason: str) -> Proven[T]:
    """Return a Proven that no crossing proved, in your name: for a backfill, a console, a test.

    It carries no proof; the reason is logged as a warning.

    Raises:
        BoundaryError: the reason is empty.
    """
    if not reason.strip():
        message = "unsafe.vouch() needs a reason that a reviewer can judge."
        raise BoundaryError(message)
    proven = vouched(value)
    _log.warning("%s vouched by hand: %s", proven.crossing_id, reason)
    return proven
