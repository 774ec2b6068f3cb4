"""What a session of the user's knows of the crossings that were proven on it."""

from typing import Any, Final

PROVEN: Final = "pratique.proven"
"""Key of the session's `info`: the names of the actions."""


def mark_proven(session: object, action: str) -> None:
    """Note at a session that an action was proven on it.

    Args:
        session: What the flow was given: with `info`, as SQLAlchemy's sessions have it, or nothing
            is noted.
        action: Its name.
    """
    info: dict[Any, Any] | None = getattr(session, "info", None)
    if info is not None:
        info.setdefault(PROVEN, set()).add(action)
