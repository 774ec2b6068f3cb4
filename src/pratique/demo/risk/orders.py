"""The shop's table of orders, the same in each of the three APIs."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HOST = "risk.example"
BASE = f"https://{HOST}/v1"
PRICE = 4_900
"""Cents."""
COLUMNS = ("customer", "amount", "role", "note")
"""What of an order may be written; its state beside them."""


def connect(path: str) -> sqlite3.Connection:
    """Open a shop's file; each statement commits."""
    connection = sqlite3.connect(path, timeout=1, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def make(path: Path, orders: int) -> None:
    """Make the table with that many new orders."""
    db = connect(str(path))
    db.execute(
        "CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT, amount INTEGER, role TEXT, "
        "note TEXT, state TEXT)"
    )
    rows = [(f"o_{n}", f"cus_{n}", PRICE) for n in range(orders)]
    db.executemany("INSERT INTO orders VALUES (?, ?, ?, 'buyer', '', 'new')", rows)
    db.close()


def change(path: Path, order: str, changed: Mapping[str, object]) -> None:
    """Change an order before it is decided about."""
    db = connect(str(path))
    for name, value in changed.items():
        db.execute(f"UPDATE orders SET {name} = ? WHERE id = ?", (value, order))  # noqa: S608  ours
    db.close()


def read(path: Path, order: str) -> dict[str, Any]:
    """Read one order back."""
    db = connect(str(path))
    row = db.execute("SELECT * FROM orders WHERE id = ?", (order,)).fetchone()
    db.close()
    return dict(row)
