"""A clock that stands still until the test moves it."""

from datetime import UTC, datetime, timedelta
from typing import Final

NOON: Final = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class FrozenClock:
    """Tells one and the same time: `Perimeter(clock=FrozenClock())`.

    Args:
        at: The time, UTC.

    Raises:
        ValueError: it has no time zone, or time is moved by nothing.
    """

    def __init__(self, at: datetime = NOON) -> None:
        if at.tzinfo is None:
            raise ValueError("FrozenClock(at=…) has no time zone: datetime(…, tzinfo=UTC).")
        self.at = at.astimezone(UTC)

    def __call__(self) -> datetime:
        """Return the time, UTC."""
        return self.at

    def move(self, by: timedelta) -> datetime:
        """Let time pass, or turn it back; return the time that it is then."""
        if not by:
            raise ValueError("FrozenClock.move(by) is not zero.")
        self.at += by
        return self.at
