"""Decisions that were asked for a moment ago: bounded in number, and never older than a limit."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import Final

from pratique.core.decision import Decision
from pratique.core.forks import renew_after_fork
from pratique.core.refusal import BoundaryError

MAX_ENTRIES: Final = 10_000
"""Decisions of one process, some hundred bytes each."""


class DecisionCache:
    """Remembers decisions; off unless it is handed in.

    For *max_age* a permission outlives its withdrawal, and a refusal what would mend it. What was
    not decided is never remembered.

    Args:
        max_age: From when the question was sent. Seconds, above zero.
        max_entries: The one that was not used for longest goes first.
        clock: Seconds that only grow.

    Raises:
        BoundaryError: a limit isn't above zero.
    """

    def __init__(
        self,
        *,
        max_age: timedelta,
        max_entries: int = MAX_ENTRIES,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if max_age <= timedelta(0) or max_entries < 1:
            raise BoundaryError("DecisionCache: max_age and max_entries are above zero.")
        self._seconds, self._most = max_age.total_seconds(), max_entries
        self.clock = clock
        self._kept: OrderedDict[bytes, tuple[float, Decision]] = OrderedDict()
        self._lock = Lock()
        renew_after_fork(self, _lock=Lock)

    def __len__(self) -> int:
        """Return how many decisions it remembers."""
        return len(self._kept)

    def find(self, point: str, question: bytes) -> Decision | None:
        """Return what this decision point answered to this very question, where it is young."""
        key = _key(point, question)
        with self._lock:
            asked_at, decision = self._kept.get(key, (0.0, None))
            if decision is None:
                return None
            if not 0 <= self.clock() - asked_at < self._seconds:
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
            return decision

    def keep(self, point: str, question: bytes, decision: Decision, *, asked_at: float) -> None:
        """Remember one."""
        key = _key(point, question)
        with self._lock:
            self._kept[key] = (asked_at, decision)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def _key(point: str, question: bytes) -> bytes:
    # A URL has no zero byte: the two can't run into each other.
    return sha256(point.encode() + b"\0" + question).digest()
