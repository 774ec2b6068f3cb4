"""Which module makes a connection, as the stack tells it."""

import inspect
import sys
from types import FrameType
from typing import Final

MAX_NAME: Final = 100
"""Characters of a module's name."""
UNKNOWN: Final = "?"
# They carry a call and don't make one: whoever stands above or below them says more.
_CARRIERS: Final = frozenset({"asyncio", "concurrent", "contextvars", "socket", "ssl", "threading"})
_LOOP: Final = ("asyncio.events", "_run")
"""The frame in which an event loop runs a step: what stands below it asked for nothing."""


def caller(*hidden: str) -> str:
    """Return the module that connects: the nearest one that isn't the standard library's.

    Where there is none, it is the nearest of the standard library's that does more than carry a
    call: "urllib.request" on a thread of a pool.

    Args:
        hidden: Modules of ours that stand in between.
    """
    nearest, frame = UNKNOWN, inspect.currentframe()
    while frame is not None and not _is_loop(frame):
        name = str(frame.f_globals.get("__name__", UNKNOWN))
        top = name.partition(".")[0]
        if name not in hidden and name != __name__:
            if top not in sys.stdlib_module_names:
                return _plain(name)
            if nearest == UNKNOWN or nearest.partition(".")[0] in _CARRIERS:
                nearest = name
        frame = frame.f_back
    return nearest


def is_below(module: str) -> bool:
    """Say whether a call of that module hasn't returned yet on this stack."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == module:
            return True
        frame = frame.f_back
    return False


def _is_loop(frame: FrameType) -> bool:
    return (frame.f_globals.get("__name__"), frame.f_code.co_name) == _LOOP


def _plain(name: str) -> str:
    # Whoever runs text as code chooses its name: what isn't one stands in no event.
    is_name = len(name) <= MAX_NAME and all(part.isidentifier() for part in name.split("."))
    return name if is_name and name.isascii() else UNKNOWN
