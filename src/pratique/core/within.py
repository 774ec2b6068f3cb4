"""In which crossing the code runs that runs now, so that a crossing it begins can name it.

A context variable: threads of a pool and tasks are handed it, and no argument has to be.
"""

from contextvars import ContextVar
from typing import Any, Final, TypeVar

from .proven import Proven

P = TypeVar("P", bound=Proven[Any, Any])

_current: Final[ContextVar[str]] = ContextVar("pratique_within", default="")


def current() -> str:
    """Return the id of the crossing, "" outside of any."""
    return _current.get()


def enter(crossing_id: str) -> str:
    """Go on in a crossing; return where it was before, for the way back.

    Not by a token of the variable: a coroutine that is thrown away ends in another context.
    """
    before = _current.get()
    _current.set(crossing_id)
    return before


def go_on(proven: P) -> P:
    """Let what the view does next be within the crossing of its request, the first; return it."""
    if not _current.get():
        _current.set(proven.crossing_id)
    return proven
