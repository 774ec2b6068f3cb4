"""The shop's table, the same in each of the three APIs."""

import sqlite3
from pathlib import Path
from typing import Any


def connect(path: str) -> sqlite3.Connection:
    """Open a shop's file: WAL, a second of patience."""
    connection = sqlite3.connect(path, timeout=1, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def make(path: Path, subscriptions: int) -> None:
    """Make the table with that many subscriptions, one a user and customer."""
    db = connect(str(path))
    db.execute(
        "CREATE TABLE subscription (id TEXT PRIMARY KEY, user TEXT, customer TEXT, plan TEXT, "
        "state TEXT, upgrades INTEGER)"
    )
    db.execute("CREATE TABLE seen (event TEXT)")
    rows = [(f"sub_{n}", f"user_{n}", f"cus_{n}") for n in range(subscriptions)]
    db.executemany("INSERT INTO subscription VALUES (?, ?, ?, 'free', 'pending', 0)", rows)
    db.close()


def read(path: Path, number: int) -> dict[str, Any]:
    """Read one subscription back."""
    db = connect(str(path))
    row = db.execute("SELECT * FROM subscription WHERE id = ?", (f"sub_{number}",)).fetchone()
    db.close()
    return dict(row)


def cancel(path: Path, number: int) -> None:
    """Cancel one subscription, as its user would."""
    db = connect(str(path))
    db.execute("UPDATE subscription SET state = 'cancelled' WHERE id = ?", (f"sub_{number}",))
    db.close()


def crash_due(path: str, number: str) -> bool:
    """Say once whether the handler is to crash now: the runner asks for it by a file."""
    mark = Path(f"{path}.crash.{Path(number).name}")
    if mark.exists():
        mark.unlink()
        return True
    return False
