"""Whether what a callable looked up can still be changed by somebody else before the commit."""

import re
from collections.abc import Sequence
from typing import Any, Final

import psycopg

from pratique.core.refusal import BoundaryError
from pratique.stores.guarding import QUOTED

_LOCKS: Final = re.compile(
    r"\bFOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|SHARE)\b|^\s*(?:UPDATE|DELETE|INSERT|MERGE|CALL)\b",
    re.IGNORECASE,
)
_SEES_CHANGES: Final = (
    psycopg.IsolationLevel.REPEATABLE_READ,
    psycopg.IsolationLevel.SERIALIZABLE,
)


def require_lock(statements: Sequence[str], connection: Any) -> None:
    """Refuse a `link`, or a `user`, that read its row without a lock.

    Two deliveries about one row would both read "pending", both be allowed, and both have their
    effect. A row of psycopg's doesn't say from which table it came, so it can't be locked for it.

    Raises:
        BoundaryError: it read something, and none of its statements locks; save where the
            connection's isolation level refuses what was changed meanwhile.
    """
    if not statements or connection.isolation_level in _SEES_CHANGES:
        return
    if any(_LOCKS.search(QUOTED.sub(" ", statement)) for statement in statements):
        return
    raise BoundaryError(
        "link or user read its row without a lock: between `allow` and the commit somebody else "
        "could change it. End its SELECT with FOR UPDATE, or with FOR SHARE where the row stays."
    )
