"""What is measured while claims cross: durations, which secret matched, who was last authentic.

Every label is a name of ours: declared, or a word of this library. What comes from outside, a
path, an address, a user, the value of a claim, is none (CWE-400).
"""

import logging
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Final

from .event import Outcome, Record
from .forks import renew_after_fork
from .obligation import AUTHENTIC

BOUNDS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Seconds: from a read in memory to the perimeter's default deadline. A spread counts how many took
at most so long, and in its last place but one those that took longer; its last place is the sum."""
MOST: Final = 1024
"""Sets of labels of one figure; further ones are counted together as "other"."""
OTHER: Final = "other"

_log: Final = logging.getLogger("pratique")

Pair = tuple[str, str]
Spread = list[float]
Wait = tuple[type, float]
"""A question's type, and how many seconds it waited for its answer."""
Hear = Callable[[str, Pair, float], None]
"""(name of the figure, its labels, seconds): is told each duration once its crossing has ended."""

CROSSING: Final = "pratique_crossing_duration_seconds"
QUESTION: Final = "pratique_question_duration_seconds"

# What is refused or was there before is no success: a captured delivery that is sent again and
# again must not let a boundary look alive.
_SILENT: Final = frozenset(
    {Outcome.REFUSED, Outcome.WOULD_REFUSE, Outcome.DUPLICATE, Outcome.WARNED}
)


class Measures:
    """Figures that several threads add to. A forked child counts from zero, as `Tally` does.

    Args:
        new_lock: () -> a lock, held while one figure is added to.
    """

    def __init__(self, *, new_lock: Callable[[], AbstractContextManager[object]]) -> None:
        self._lock = new_lock()
        self.crossings: dict[Pair, Spread] = {}
        """By boundary and outcome."""
        self.questions: dict[Pair, Spread] = {}
        """By boundary and question."""
        self.secrets: dict[Pair, int] = {}
        """By boundary and name of the secret: crossings that it opened."""
        self.store_errors: dict[Pair, int] = {}
        """By store and operation."""
        self.authentic: dict[str, datetime] = {}
        """When the last claim came that a boundary found authentic and did not refuse. UTC."""
        self.hear: tuple[Hear, ...] = ()
        renew_after_fork(
            self,
            _lock=new_lock,
            crossings=dict,
            questions=dict,
            secrets=dict,
            store_errors=dict,
            authentic=dict,
        )

    def crossed(
        self,
        boundary: str,
        outcome: Outcome | None,
        seconds: float,
        waits: Sequence[Wait] = (),
    ) -> None:
        """Add how long a crossing took, from its driver's begin to its end.

        Args:
            boundary: Its name.
            outcome: How it ended; None where it didn't by itself: its questions alone count.
            seconds: All of it.
            waits: How long each of its questions waited for an answer.
        """
        with self._lock:
            for question, waited in waits:
                _spend(self.questions, (boundary, _words[question]), waited)
            if outcome is not None:
                _spend(self.crossings, (boundary, str(outcome)), seconds)
        if self.hear:
            for question, waited in waits:
                self._tell(QUESTION, self.questions, (boundary, _words[question]), waited)
            if outcome is not None:
                self._tell(CROSSING, self.crossings, (boundary, str(outcome)), seconds)

    def _tell(self, name: str, figure: dict[Pair, Spread], labels: Pair, seconds: float) -> None:
        shown = labels if labels in figure else (OTHER, OTHER)
        for hear in self.hear:
            try:
                hear(name, shown, seconds)
            except Exception as error:  # noqa: BLE001  whoever listens in changes no crossing
                self.hear = tuple(known for known in self.hear if known is not hear)
                _log.error("what hears of durations raised %s: no more", type(error).__name__)

    def told(self, record: Record) -> None:
        """Note which secret matched and when, of a crossing whose sender is known."""
        boundary = record.boundary
        if record.secret:
            with self._lock:
                _add(self.secrets, (boundary, record.secret))
        if record.outcome not in _SILENT and AUTHENTIC in record.proofs:
            # Without the lock: of two that come at once, either is when the last one came.
            last = self.authentic.get(boundary)
            if last is None or last < record.at:
                self.authentic[boundary] = record.at

    def store_failed(self, store: str, operation: str) -> None:
        """Count one error of a store."""
        with self._lock:
            _add(self.store_errors, (store, operation))

    def spreads(self, figure: dict[Pair, Spread]) -> dict[Pair, Spread]:
        """Return a copy of a figure's spreads, none of them half added to."""
        with self._lock:
            return {labels: list(spread) for labels, spread in figure.items()}


def word_of(question: type) -> str:
    """Return the word of a question's type: "begin", "first_read"."""
    return _words[question]


class _Words(dict[type, str]):
    """A type of the code's each: no stranger makes one."""

    def __missing__(self, question: type) -> str:
        name = question.__name__
        word = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
        self[question] = word
        return word


_words: Final = _Words()


def _spend(figure: dict[Pair, Spread], labels: Pair, seconds: float) -> None:
    spread = figure.get(labels)
    if spread is None:
        if len(figure) >= MOST:
            labels = (OTHER, OTHER)
        spread = figure.setdefault(labels, [0.0] * (len(BOUNDS) + 2))
    spread[bisect_left(BOUNDS, seconds)] += 1
    spread[-1] += seconds


def _add(figure: dict[Pair, int], labels: Pair) -> None:
    if labels not in figure and len(figure) >= MOST:
        labels = (OTHER, OTHER)
    figure[labels] = figure.get(labels, 0) + 1
