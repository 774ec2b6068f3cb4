"""In which crossing the code runs that runs now, so that a crossing it begins can name it.

A context variable: threads of a pool and tasks are handed it, and no argument has to be.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from .proven import Proven

P = TypeVar("P", bound=Proven[Any, Any])

_current: Final[ContextVar[str]] = ContextVar("pratique_within", default="")


current: Final[Callable[[], str]] = _current.get
"""() -> the id of the crossing, "" outside of any."""
go_to: Final[Callable[[str], object]] = _current.set
"""(id of a crossing): go on in it. Both are the variable's own: a request asks several times."""


def enter(crossing_id: str) -> str:
    """Go on in a crossing; return where it was before, for the way back.

    Not by a token of the variable: a coroutine that is thrown away ends in another context.
    """
    before = current()
    go_to(crossing_id)
    return before


def go_on(proven: P) -> P:
    """Let what the view does next be within the crossing of its request, the first; return it."""
    if not current():
        go_to(proven.crossing_id)
    return proven
