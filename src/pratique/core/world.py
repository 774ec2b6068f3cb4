"""What the drivers work with: a store, a recorder, threads, deadlines, answers."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from .crossing import Crossing
from .deadlines import Deadlines
from .measures import Wait, word_of
from .question import Question
from .recorder import Recorder
from .refusal import BoundaryError
from .store import Store
from .threads import Pools

LEASE: Final = timedelta(seconds=60)


class World:
    """What the drivers work with, put together when a perimeter starts.

    Args:
        store: Where single use is kept; None where no boundary needs one.
        recorder: Where records go.
        deadline: Seconds for all proofs of one crossing; None for none.
        lease: How long a key is held around an effect that is outside a transaction.
        answers: Answers for questions that rooms add, by type: (question) -> answer.
    """

    __slots__ = ("answers", "deadline", "deadlines", "lease", "pools", "recorder", "store")

    def __init__(
        self,
        store: Store | None,
        recorder: Recorder,
        *,
        deadline: float | None = None,
        lease: timedelta = LEASE,
        answers: dict[type[Question], Callable[[Any], Any]] | None = None,
    ) -> None:
        self.store = store
        self.recorder = recorder
        self.deadline = deadline
        self.deadlines = Deadlines(deadline) if deadline is not None else None
        self.lease = lease
        self.pools = Pools()
        self.answers = answers or {}

    def asked(self, crossing: Crossing, waits: Sequence[Wait]) -> None:
        """Measure how long questions waited, however their answers came out."""
        if self.recorder.measures is not None and waits:
            self.recorder.measures.crossed(crossing.boundary.name, None, 0.0, waits)

    def crossed(self, crossing: Crossing, seconds: float, waits: Sequence[Wait] = ()) -> None:
        """Measure a crossing that has come to an end, and how long its questions waited.

        One that was cancelled has come to no end of its own: its questions alone are measured.
        """
        measures = self.recorder.measures
        if measures is not None:
            measures.crossed(crossing.boundary.name, crossing.outcome, seconds, waits)

    def store_failed(self, question: Question | None) -> None:
        """Count an error of the store."""
        if self.recorder.measures is not None and self.store is not None:
            operation = "close" if question is None else word_of(type(question))
            self.recorder.measures.store_failed(self.store.name, operation)

    def narrow(self, seconds: float) -> None:
        """Shorten the deadline. BoundaryError: it is zero or less, or longer than before."""
        if not 0 < seconds <= (self.deadline or seconds):
            message = f"a deadline of {seconds:g} s is not above zero and at most {self.deadline} s"
            raise BoundaryError(message)
        self.deadline, self.deadlines = seconds, Deadlines(seconds)

    def answering(self, answers: dict[type[Question], Callable[[Any], Any]]) -> "World":
        """Return the same world with these answers: for one crossing, on the same threads."""
        world = object.__new__(World)
        world.store, world.recorder, world.deadline = self.store, self.recorder, self.deadline
        world.deadlines, world.lease, world.pools = self.deadlines, self.lease, self.pools
        world.answers = answers
        return world
