"""Durable claims a second, on a quiet and on a slow disk.

The group commit of stores.sqlite beside one insert a commit.
"""

import sqlite3
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from threading import Barrier, Lock, local
from typing import Any

import apsw

from benchmarks.timing import row
from pratique import stores
from tests.redis_server import running

SLOW_SYNC = 0.005
"""Seconds: a network disk, or a spinning one that is busy."""
SECONDS = 0.4
ROUNDS = 5
CALLERS = 32
INSERT = (
    "INSERT INTO pratique_key "
    "(key, state, token, expires_ms, fingerprint, result, crossing_id, at_ms) "
    "VALUES (?, 1, 0, NULL, x'', x'', ?, 0) ON CONFLICT (key) DO NOTHING RETURNING key"
)
Claim = Callable[[bytes], bool]


class _SlowFile(apsw.VFSFile):
    def xSync(self, flags: int) -> None:  # noqa: N802  SQLite's own name
        time.sleep(SLOW_SYNC)
        super().xSync(flags)


class _SlowDisk(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("slow", "")

    def xOpen(self, name: Any, flags: list[int]) -> _SlowFile:  # noqa: N802
        return _SlowFile("", name, flags)


class OneInsertACommit:
    """What one would write by hand.

    A connection a thread, the same pragmas, one transaction a claim. A lock lets one thread in at a
    time: without it SQLite's busy handler polls with pauses up to 100 ms, threads starve, and 32 of
    them make fewer claims. The comparison is with the better of the two.
    """

    def __init__(self, path: Path, connect: Callable[[str], Any]) -> None:
        self._path, self._connect, self._mine = str(path), connect, local()
        self._turn = Lock()

    def __call__(self, key: bytes) -> bool:
        connection = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = self._connect(self._path)
            for pragma in ("busy_timeout = 30000", "journal_mode = WAL", "synchronous = FULL"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
        with self._turn:
            connection.execute("BEGIN IMMEDIATE")
            new = len(connection.execute(INSERT, (key, "c")).fetchall()) == 1
            connection.execute("COMMIT")
        return new


def a_second(claim: Claim, callers: int, label: str) -> float:
    """Return the claims a second of so many threads."""
    barrier = Barrier(callers + 1)
    end = [0.0]

    def work(caller: int) -> int:
        barrier.wait()
        number = 0
        while time.perf_counter() < end[0]:
            assert claim(f"{label}-{caller}-{number}".encode())
            number += 1
        return number

    with ThreadPoolExecutor(callers) as pool:
        working = [pool.submit(work, caller) for caller in range(callers)]
        begin = time.perf_counter()
        end[0] = begin + SECONDS
        barrier.wait()
        done = sum(one.result() for one in working)
    return done / (time.perf_counter() - begin)


def measure(connect: Callable[[str], Any], callers: int) -> tuple[float, float]:
    """Return claims a second of the store and of one insert a commit.

    Medians of interleaved rounds.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = stores.sqlite(Path(folder) / "group.db", connect=connect)
        store.start()
        other = stores.sqlite(Path(folder) / "single.db", connect=connect)
        other.start()  # the same tables
        other.close()
        by_hand = OneInsertACommit(Path(folder) / "single.db", connect)
        found: tuple[list[float], list[float]] = ([], [])
        for number in range(ROUNDS):
            found[0].append(
                a_second(lambda key: store.first_use((key,), "c") is None, callers, f"{number}")
            )
            found[1].append(a_second(by_hand, callers, f"{number}"))
        store.close()
    return median(found[0]), median(found[1])


def redis_rows() -> None:
    """Print Redis's: stores.redis beside a bare SET NX, both with appendfsync always."""
    for callers, target in ((1, 0.4), (CALLERS, 0.3)):
        found: tuple[list[float], list[float]] = ([], [])
        with running() as server, server.client() as client:
            store = stores.redis(server.url)
            store.start()
            first_use, set_nx = store.first_use, client.set
            for number in range(ROUNDS):
                label = f"{number}"
                found[0].append(
                    a_second(lambda key, use=first_use: use((key,), "c") is None, callers, label)
                )
                found[1].append(
                    a_second(lambda key, use=set_nx: bool(use(key, b"c", nx=True)), callers, label)
                )
            store.close()
        ours, theirs = median(found[0]), median(found[1])
        what = f"Redis, {callers} callers: {ours:.0f} / {theirs:.0f} claims a second"
        row(what, ours / theirs, f">= {target} x", ok=ours >= target * theirs)


def main() -> None:
    """Print the table."""
    slow = _SlowDisk()
    disks: dict[str, Callable[[str], Any]] = {
        "quiet disk": lambda path: sqlite3.connect(
            path, isolation_level=None, check_same_thread=False
        ),
        "5 ms a sync": lambda path: apsw.Connection(path, vfs="slow"),
    }
    targets = {
        ("quiet disk", 1): 0.6,
        ("quiet disk", CALLERS): 2.5,
        ("5 ms a sync", 1): 0.6,
        ("5 ms a sync", CALLERS): 10.0,
    }
    for (disk, callers), target in targets.items():
        ours, theirs = measure(disks[disk], callers)
        what = f"{disk}, {callers} callers: {ours:.0f} / {theirs:.0f} claims a second"
        row(what, ours / theirs, f">= {target} x", ok=ours >= target * theirs)
    slow.unregister()
    redis_rows()


if __name__ == "__main__":
    main()
