"""A session that changes nothing before something was proven for it."""

import re
from functools import lru_cache
from typing import Any, ClassVar, Final

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session, SessionTransaction

from pratique.core.marking import PROVEN
from pratique.core.refusal import BoundaryError
from pratique.stores.guarding import QUOTED

OURS: Final = "pratique_ours"
"""Execution option of the store's own statements: keys and events of a crossing."""
_READS: Final = re.compile(
    r"[\s(]*(?:SELECT|WITH|VALUES|SHOW|EXPLAIN|SET|SAVEPOINT|RELEASE|ROLLBACK)\b", re.IGNORECASE
)
_LOCKS: Final = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b", re.IGNORECASE)
_CHANGES: Final = re.compile(
    r"\bINTO\b|\bDELETE\s+FROM\b|\bUPDATE\b|\bANALY[SZ]E\b|;\s*\S|\*/", re.IGNORECASE
)
"""Within what begins as a read: a WITH that writes, SELECT INTO, a second statement."""


class ProvenSession(Session):
    """A Session whose transaction changes state only after a crossing proved an action on it.

    Hand it to the factory: `sessionmaker(engine, class_=ProvenSession)`, or
    `async_sessionmaker(engine, sync_session_class=ProvenSession)`. `owned(…)`, `called(…)` and the
    transaction of a webhook's handler mark the session that they were given; the mark ends with its
    transaction, as the locks do that the proof rests on. Scripts and migrations take another
    factory.

    A statement that isn't a plain read raises BoundaryError before it is sent, where nothing was
    proven: whatever it came from (a flush, bulk, text, the session's connection), nothing of it is
    there to commit.

    What it doesn't see: functions with effects in a SELECT, the raw connection of the driver, a
    connection taken from the engine, what the database does by itself.

    Source: CWE-862; OWASP API5:2023.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"read", "list"})
    """Last words of the actions that change nothing: "read", "profile.read"."""

    def close(self) -> None:
        """Close the session; what was proven for it is gone."""
        self.info.pop(PROVEN, None)
        super().close()

    def require_proven(self) -> None:
        """Refuse a change unless an action that changes something was proven.

        Raises:
            BoundaryError: nothing was proven in this transaction, or only actions of `reads`.
        """
        proven: set[str] = self.info.get(PROVEN, set())
        if any(action.rpartition(".")[2] not in self.reads for action in proven):
            return
        so_far = f"only {', '.join(sorted(proven))}" if proven else "nothing"
        raise BoundaryError(
            f"ProvenSession: a statement changes state, and {so_far} was proven in this "
            "transaction. Let the view take an action that changes, on this session: owned(…), "
            "called(…)."
        )


@event.listens_for(ProvenSession, "after_begin")
def _begun(session: ProvenSession, transaction: SessionTransaction, connection: Connection) -> None:
    if transaction.nested:  # a savepoint's connection is its transaction's, and has its judge
        return

    def judge(*given: Any) -> None:
        statement, context = given[2], given[4]
        if not reads_only(statement) and not context.execution_options.get(OURS):
            session.require_proven()

    event.listen(connection, "before_cursor_execute", judge)


@event.listens_for(ProvenSession, "after_transaction_end")
def _ended(session: ProvenSession, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop(PROVEN, None)


@lru_cache(maxsize=512)
def reads_only(statement: str) -> bool:
    """Say whether a statement is a plain read; what isn't known for one isn't."""
    bare = _LOCKS.sub("", QUOTED.sub(_blank, statement))
    return _READS.match(bare) is not None and _CHANGES.search(bare) is None


def _blank(found: re.Match[str]) -> str:
    return " " if found[0].startswith(("/*", "--")) else '""'
