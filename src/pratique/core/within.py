"""In which crossing the code runs that runs now, so that a crossing it begins can name it.

A context variable: threads of a pool and tasks are handed it, and no argument has to be.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from .proven import Proven

P = TypeVar("P", bound=Proven[Any, Any])

_current: Final[ContextVar[str]] = ContextVar("pratique_within", default="")

# The variable's own methods, no function of ours around them: a request calls each several times.
current: Final[Callable[[], str]] = _current.get
"""() -> the id of the crossing, "" outside of any."""
go_to: Final[Callable[[str], object]] = _current.set
"""(id of a crossing): go on in it; what was `current` before is where the way back leads.

Not by a token of the variable: a coroutine that is thrown away ends in another context.
"""


def go_on(proven: P) -> P:
    """Let what the view does next be within the crossing of its request, the first; return it."""
    if not current():
        go_to(proven.crossing_id)
    return proven
