"""What a claim costs as the settled keys grow: they never expire, so it must not.

Keys are laid in in bulk, as many as claims of years would be; after each tenfold the median time of
a claim is taken, with a store that has just started:

    python -m benchmarks.growth --keys 10000000

Ten million take minutes and a gigabyte for each store; without the option it is a million.
"""

import argparse
import contextlib
import hashlib
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from benchmarks.claims_per_store import postgresql
from benchmarks.timing import row
from pratique import stores

FIRST = 10_000
CLAIMS = 400
FLAT = 1.2
"""At most so many times what it was at the first step."""


def _rows(first: int, last: int) -> Iterator[tuple[bytes, str]]:
    for number in range(first, last):
        yield hashlib.sha256(str(number).encode()).digest(), f"c{number}"


def in_sqlite(path: Path) -> tuple[Callable[[], Any], Callable[[int, int], None]]:
    """Return what makes a store on a file, and what lays keys into it."""

    def fill(first: int, last: int) -> None:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.executemany(
                "INSERT INTO pratique_key (key, state, token, fingerprint, result, crossing_id, "
                "at_ms) VALUES (?, 1, 0, x'', x'', ?, 0)",
                _rows(first, last),
            )
            db.commit()

    return lambda: stores.sqlite(path).sync, fill


def in_postgresql(url: str) -> tuple[Callable[[], Any], Callable[[int, int], None]]:
    """Return what makes a store in PostgreSQL, and what lays keys into it."""

    def fill(first: int, last: int) -> None:
        statement = (
            "COPY pratique_key (key, state, token, fingerprint, result, crossing_id, at_ms) "
            "FROM STDIN"
        )
        with psycopg.connect(url) as db:
            with db.cursor().copy(statement) as copy:
                for key, crossing_id in _rows(first, last):
                    copy.write_row((key, 1, 0, b"", b"", crossing_id, 0))
            db.commit()
            db.autocommit = True
            db.execute("VACUUM ANALYZE pratique_key")
            db.execute("CHECKPOINT")

    return lambda: stores.postgres(url).sync, fill


def microseconds(new: Callable[[], Any], label: str) -> float:
    """Return the median time of a claim of a new key, and of one that was used."""
    face = new()
    face.start()
    took = []
    for number in range(CLAIMS):
        key = hashlib.sha256(f"{label} {number // 2}".encode()).digest()
        begin = time.perf_counter()
        face.first_use((key,), f"{label} {number}")
        took.append(time.perf_counter() - begin)
    face.close()
    return median(took) * 1e6


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keys", type=int, default=1_000_000)
    most = options.parse_args().keys
    with postgresql() as url, tempfile.TemporaryDirectory() as folder:
        kinds = {"sqlite": in_sqlite(Path(folder) / "keys.db"), "postgres": in_postgresql(url)}
        for name, (new, fill) in kinds.items():
            face = new()
            face.start()
            face.close()
            laid, base = 0, 0.0
            keys = min(FIRST, most)
            while keys <= most:
                fill(laid, keys)
                laid = keys
                took = microseconds(new, f"{name} {keys}")
                base = base or took
                what = f"{name}, {keys} keys: {took:.0f} us a claim, to {FIRST} keys"
                row(what, took / base, f"<= {FLAT} x", ok=took <= FLAT * base)
                keys *= 10


if __name__ == "__main__":
    main()
