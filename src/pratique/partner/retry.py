"""Asks a partner again where another try may help: stamina's back-off, under one deadline."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any, Final, TypeVar

import stamina

from pratique.core.refusal import Answer, BoundaryError, Refused

T = TypeVar("T")
NEVER_AGAIN: Final = frozenset({"breaker_open", "fetch_deadline", "internal"})
"""Refusals for now that another question to the partner can't mend."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a question is asked that may be asked twice.

    That is GET, HEAD, PUT, DELETE (RFC 9110 §9.2.2), or one that bears an idempotency key.

    Args:
        attempts: The first one included.
        wait: Before the second attempt; doubled for each one after it, with jitter.
        wait_most: Between two attempts. A partner's Retry-After counts up to this.
    """

    attempts: int = 3
    wait: timedelta = timedelta(milliseconds=100)
    wait_most: timedelta = timedelta(seconds=2)

    def __post_init__(self) -> None:
        """Refuse what would never ask, or never wait.

        Raises:
            BoundaryError: fewer than two attempts, or a wait of zero.
        """
        if self.attempts < 2:  # noqa: PLR2004
            raise BoundaryError(f"Retry(attempts={self.attempts}) asks once. Leave retry= out.")
        if not timedelta(0) < self.wait <= self.wait_most:
            raise BoundaryError("Retry(wait=…) is above zero and at most wait_most.")

    def run(self, ask: Callable[[float], T], *, seconds: float) -> T:
        """Call *ask* with the seconds that are left, until it answers or is refused for good."""
        clock = _Clock(seconds, self.wait_most)
        again = stamina.RetryingCaller(**self._settings(seconds)).on(clock.pause)
        return again(lambda: ask(clock.left()))

    async def arun(self, ask: Callable[[float], Awaitable[T]], *, seconds: float) -> T:
        """Do the same on the event loop."""
        clock = _Clock(seconds, self.wait_most)
        again = stamina.AsyncRetryingCaller(**self._settings(seconds)).on(clock.pause)

        async def once() -> T:
            return await ask(clock.left())

        return await again(once)

    def _settings(self, seconds: float) -> dict[str, Any]:
        return {
            "attempts": self.attempts,
            "timeout": seconds,
            "wait_initial": self.wait,
            "wait_max": self.wait_most,
            "wait_jitter": self.wait,
        }


class _Clock:
    """What is left of one question, over all its attempts."""

    def __init__(self, seconds: float, most: timedelta) -> None:
        self._ends_at = monotonic() + seconds
        self._most = most.total_seconds()

    def left(self) -> float:
        """Return seconds; never zero, which a budget would take for "no limit of its own"."""
        return max(self._ends_at - monotonic(), 0.001)

    def pause(self, error: Exception) -> bool | float:
        """Return whether to ask again, or after how many seconds."""
        if not isinstance(error, Refused) or error.answer is not Answer.RETRY:
            return False
        if error.code in NEVER_AGAIN:
            return False
        if error.code != "partner_busy" or error.retry_after is None:
            return True
        seconds = error.retry_after.total_seconds()
        return seconds if seconds <= min(self._most, self.left()) else False
