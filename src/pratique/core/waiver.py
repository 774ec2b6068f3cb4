"""What is owed and, for a time, not proven: a waiver of one obligation, an observed boundary."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from .obligation import Obligation
from .refusal import BoundaryError

MAX_OBSERVE: Final = timedelta(days=90)


class _UntilADay:
    """What holds until the first second of a day, UTC."""

    __slots__ = ()
    until: date

    def __post_init__(self) -> None:
        """Refuse an end that is a moment: to a type checker a datetime is a date."""
        if isinstance(self.until, datetime) or not isinstance(self.until, date):
            raise BoundaryError(f"until={self.until!r} is no day: datetime.date(2027, 1, 31).")

    def holds(self, at: datetime) -> bool:
        """Say whether it is still in force at *at* (UTC)."""
        return at < end_of(self.until)


@dataclass(frozen=True, slots=True)
class Waiver(_UntilADay):
    """One obligation that a boundary owes and doesn't prove until *until*.

    Made by `pratique.unsafe.waive`.

    Args:
        obligation: What isn't proven.
        reason: Why, for the reviewer.
        owner: Who answers for it.
        until: The first day on which the obligation is owed again; UTC.
        bound: What limits the damage meanwhile: an amount, a rate.
    """

    obligation: Obligation
    reason: str
    owner: str
    until: date
    bound: str

    def debts(self, today: date) -> list[str]:
        """Return what is wrong with this waiver itself."""
        return _debts(
            f"waiver of {self.obligation}",
            self.until,
            today,
            reason=self.reason,
            owner=self.owner,
            bound=self.bound,
        )


@dataclass(frozen=True, slots=True)
class Observe(_UntilADay):
    """A boundary that shadows what was there before it and enforces nothing until *until*.

    That is at most 90 days away.

    Made by `pratique.unsafe.observe`.
    """

    until: date
    reason: str
    owner: str

    def debts(self, today: date) -> list[str]:
        """Return what is wrong with this declaration itself."""
        found = _debts("observe", self.until, today, reason=self.reason, owner=self.owner)
        if self.until - today > MAX_OBSERVE:
            found.append(
                f"observe(until={self.until}) is {(self.until - today).days} days away, "
                f"at most {MAX_OBSERVE.days} are allowed."
            )
        return found


@dataclass(frozen=True, slots=True)
class Unconfirmed(_UntilADay):
    """A sender's scheme that no literal of the sender's own confirms, used until *until*.

    Made by `pratique.unsafe.unconfirmed`.
    """

    until: date
    reason: str
    owner: str

    def debts(self, today: date) -> list[str]:
        """Return what is wrong with this declaration itself."""
        return _debts("unconfirmed sender", self.until, today, reason=self.reason, owner=self.owner)

    def __str__(self) -> str:
        """Say it in one line, for the reviewer."""
        return f"{self.reason} ({self.owner}, until {self.until})"


def end_of(until: date) -> datetime:
    """Return the moment from which *until* is over: its first second, UTC."""
    return datetime.combine(until, time.min, tzinfo=UTC)


def _debts(what: str, until: date, today: date, **words: str) -> list[str]:
    found = [f"{what} has an empty {name}." for name, word in words.items() if not word.strip()]
    if until <= today:
        found.append(f"{what} ended on {until}: prove it, or renew it with a reviewer.")
    return found
