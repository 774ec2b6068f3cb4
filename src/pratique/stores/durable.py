"""What is asked of a user's database at the start: may it forget what it acknowledged?"""

import logging
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any, Final

from pratique.core.refusal import BoundaryError

_FULL: Final = 2
_EXTRA: Final = 3
_log: Final = logging.getLogger("pratique")


def check_durable(dialect: str, rows: Callable[[str], Sequence[Sequence[Any]]]) -> None:
    """Refuse a database that may forget an acknowledged commit, or that can't be written.

    Args:
        dialect: "sqlite", "postgresql".
        rows: (statement) -> its rows, on the user's own connection.

    Raises:
        BoundaryError: with the mend.
    """
    if dialect == "sqlite":
        files = [row[2] for row in rows("PRAGMA database_list") if row[1] == "main"]
        level = int(rows("PRAGMA synchronous")[0][0])
        if any(files) and level < _FULL:
            message = (
                f"PRAGMA synchronous is {level}: a power cut can take back what was acknowledged. "
                "Set it to FULL on each connection: a connect listener of SQLAlchemy's engine, "
                '"init_command" in OPTIONS of Django.'
            )
            raise BoundaryError(message)
        mode = str(rows("PRAGMA journal_mode")[0][0]).lower()
        if any(files) and mode == "delete" and level < _EXTRA:
            name = PurePath(files[0]).name
            _log.warning(
                "your SQLite file %s, where single use is kept, has journal_mode DELETE and "
                "synchronous FULL: a power cut can take back the last commits, and with them what "
                'a sender was told is done. Mend it once: sqlite3 %s "PRAGMA journal_mode = WAL"; '
                "or set synchronous = EXTRA on each connection.",
                name,
                name,
            )
        return
    if rows("SHOW synchronous_commit")[0][0] == "off":
        message = (
            "synchronous_commit is off: a crash can take back what was acknowledged. Set it on "
            "for this role."
        )
        raise BoundaryError(message)
    if rows("SELECT pg_is_in_recovery()")[0][0]:
        message = "the database is a standby: it can't be written. Give pratique the primary."
        raise BoundaryError(message)
    if rows("SHOW transaction_read_only")[0][0] == "on":
        message = (
            "transactions are read-only (default_transaction_read_only): nothing can be kept. Set "
            "it off for this role."
        )
        raise BoundaryError(message)
