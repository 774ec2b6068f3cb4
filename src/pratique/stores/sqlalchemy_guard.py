"""What is checked of a user's SQLAlchemy session at start, and what keeps a handler from ending our transaction."""

import re
from typing import Any, Final, Self

from sqlalchemy import Engine, event, text
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from ..core.refusal import BoundaryError

_GUARD: Final = "pratique.guard"
_ENDS_IT: Final = re.compile(
    r"(?:^|;)(?:\s|/\*.*?\*/|--[^\n]*\n)*(?:commit|end|abort|begin|start\s+transaction|prepare\s+transaction|rollback(?!\s+to|\s+\w+\s+to))\b",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED: Final = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_FULL: Final = 2


class Guard:
    """Stands on one connection while a handler runs: whoever else ends its transaction is refused before it happens."""

    __slots__ = ("_connection", "is_armed", "is_broken", "saw_row_lock")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.is_armed = False
        self.is_broken = False
        self.saw_row_lock = False

    @classmethod
    def on(cls, session: Session) -> Self:
        """Put a guard on the session's connection."""
        connection = session.connection()
        guard = cls(connection)
        connection.info[_GUARD] = guard
        return guard

    def off(self) -> None:
        """Take it away."""
        self.is_armed = False
        if not self._connection.invalidated and not self._connection.closed:
            self._connection.info.pop(_GUARD, None)


def guard_engine(engine: Engine) -> None:
    """Watch an engine, once."""
    if not event.contains(engine, "commit", _on_commit):
        event.listen(engine, "commit", _on_commit)
        event.listen(engine, "rollback", _on_rollback)
        event.listen(engine, "before_cursor_execute", _on_statement)


def _on_commit(connection: Connection) -> None:
    guard = connection.info.get(_GUARD)
    if guard is not None and guard.is_armed:
        guard.is_broken = True
        raise _forbidden()


def _on_rollback(connection: Connection) -> None:
    guard = connection.info.get(_GUARD)
    if guard is not None and guard.is_armed:
        guard.is_broken = True


def _on_statement(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    guard = connection.info.get(_GUARD)
    if guard is None:
        return
    if guard.is_armed:
        if _ENDS_IT.search(_QUOTED.sub("''", statement)) is not None:
            guard.is_broken = True
            raise _forbidden()
    elif " FOR UPDATE" in statement or " FOR NO KEY UPDATE" in statement:
        guard.saw_row_lock = True


def _forbidden() -> BoundaryError:
    return BoundaryError(
        "a handler ended its own transaction: its effect and its single use would be two commits. "
        "Leave the commit to pratique; savepoints (begin_nested) are fine."
    )


def check_session(session: Session) -> Engine:
    """Return the engine of a session; BoundaryError where one transaction couldn't hold effect and single use."""
    custom = type(session).get_bind is not Session.get_bind
    binds = getattr(session, "_Session__binds", {})
    if custom or len({id(bind) for bind in binds.values()}) > 1:
        message = (
            "the session chooses between several databases (binds= or an own get_bind, a read replica?): link and allow could "
            "read another one than the effect writes. Give pratique a sessionmaker on the one that is written."
        )
        raise BoundaryError(message)
    if session.twophase:
        message = "the session commits in two phases. Give pratique a plain one."
        raise BoundaryError(message)
    engine = session.connection().engine
    if engine.dialect.driver == "pysqlite_numeric":
        message = "the driver pysqlite_numeric is not known."
        raise BoundaryError(message)
    return engine


def check_durable(session: Session, dialect: str) -> None:
    """Refuse a database that may forget an acknowledged commit, or that can't be written."""
    if dialect == "sqlite":
        files = [row[2] for row in session.execute(text("PRAGMA database_list")) if row[1] == "main"]
        level = int(session.execute(text("PRAGMA synchronous")).scalar_one())
        if any(files) and level < _FULL:
            message = (
                f"PRAGMA synchronous is {level}: a power cut can take back what was acknowledged. Set it to FULL in a "
                "connect listener of the engine."
            )
            raise BoundaryError(message)
        return
    if session.execute(text("SHOW synchronous_commit")).scalar_one() == "off":
        message = "synchronous_commit is off: a crash can take back what was acknowledged. Set it on for this role."
        raise BoundaryError(message)
    if session.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
        message = "the database is a standby: it can't be written. Give pratique the primary."
        raise BoundaryError(message)
