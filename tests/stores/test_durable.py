"""A database that may forget what it acknowledged is told of, or refused."""

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pratique.core.refusal import BoundaryError
from pratique.stores.durable import check_durable


def checked(path: Path | str, *pragmas: str) -> None:
    """Check a database after these pragmas."""
    with closing(sqlite3.connect(path)) as db:
        for pragma in pragmas:
            db.execute(pragma)

        def rows(statement: str) -> Sequence[Sequence[Any]]:
            return db.execute(statement).fetchall()

        check_durable("sqlite", rows)


def test_a_journal_that_a_power_cut_takes_back_is_told_with_its_file_and_mend(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning says whose file it is, what is lost, and the command; once it was run it is silent."""
    path = tmp_path / "shop.db"
    with caplog.at_level(logging.WARNING, "pratique"):
        checked(path, "PRAGMA synchronous = FULL")
        (told,) = caplog.messages
        assert told.startswith("your SQLite file shop.db, where single use is kept, has journal")
        _, _, command = told.partition('sqlite3 shop.db "')
        caplog.clear()
        checked(path, "PRAGMA synchronous = EXTRA")
        checked(":memory:")
        checked(path, command.partition('"')[0], "PRAGMA synchronous = FULL")
        checked(path, "PRAGMA synchronous = FULL")
    assert caplog.messages == []


def test_a_database_that_does_not_sync_is_refused(tmp_path: Path) -> None:
    """NORMAL in WAL can lose what was acknowledged; FULL is taken."""
    wal = "PRAGMA journal_mode = WAL"
    with pytest.raises(BoundaryError, match="synchronous is 1"):
        checked(tmp_path / "shop.db", wal, "PRAGMA synchronous = NORMAL")
    checked(tmp_path / "shop.db", wal, "PRAGMA synchronous = FULL")
