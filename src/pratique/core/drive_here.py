"""The sync driver for callables that work with what belongs to one thread."""

from time import monotonic, perf_counter
from typing import TypeVar

from .crossing import Crossing
from .drive import Run, finish
from .question import Flow
from .refusal import Refused
from .threads import Gate
from .within import current, go_to
from .world import World

T = TypeVar("T")


class _Until(Gate):
    """Looks at the deadline between questions, where nobody else is there to revoke."""

    __slots__ = ("_ends_at", "is_over")

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._ends_at = monotonic() + seconds
        self.is_over = False
        """Whether somebody has been told that the deadline has passed."""

    @property
    def is_revoked(self) -> bool:
        """Say whether the deadline has passed."""
        self.is_over = self.is_over or monotonic() > self._ends_at
        return self.is_over


def drive_here(flow: Flow[T], crossing: Crossing, world: World) -> T:
    """Drive a flow that only proves to its end on this thread, whatever the deadline.

    For callables that work with what belongs to a thread, as a connection of Django's does. The
    deadline is looked at between questions: a callable that hangs is not left behind.

    Raises:
        Refused: the only thing that leaves.
    """
    gate = None if world.deadline is None else _Until(world.deadline)
    run = Run(crossing, world, gate)
    outer, began = current(), perf_counter()
    go_to(crossing.id)
    try:
        return finish(flow, run)
    except Refused as refused:
        if gate is not None and gate.is_over:  # which `finish` leaves to who revoked it
            run.refuse(refused)
        raise
    finally:
        go_to(outer)
        world.crossed(crossing, perf_counter() - began)
