"""For whom a request was proven: where a door keeps it, and how a view asks for it."""

from typing import Final

from pratique.core.refusal import BoundaryError
from pratique.service import Context

CONTEXT_KEY: Final = "pratique.context"
"""Where an ASGI scope and a WSGI environ hold it."""


def known_context(kept: object, *, asked: str) -> Context:
    """Return the context that a door kept of a request.

    Args:
        kept: What stands there, whatever it is.
        asked: How the view asks for it: "context_of(request)".

    Raises:
        BoundaryError: it is none: no action of a service boundary was proven.
    """
    if not isinstance(kept, Context):
        raise BoundaryError(
            f"{asked}: no action of a service boundary was proven for this request. "
            "Let a parameter prove one: owned(…), called(…)."
        )
    return kept
