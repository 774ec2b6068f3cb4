"""The power fails at any moment: what `stores.sqlite` acknowledged is there after it, and nothing is broken."""

import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from pratique import stores
from pratique.core.store import Held
from tests.faults.power import Cuts, Disk
from tests.faults.rounds import rounds

CALLERS = 8
CLAIMS = 40
"""Of each caller, before and again after a restart."""
LEASE = timedelta(seconds=30)
CHECKPOINT_PAGES = 40
"""Low, so that cuts fall into checkpoints and into logs that begin anew."""


class Weakened:
    """A connection on which synchronous=FULL is quietly NORMAL: the control, which must lose claims."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *given: Any) -> Any:
        return self._connection.execute(
            sql.replace("synchronous = FULL", "synchronous = NORMAL"), *given
        )


def claim(store: Any, disk: Disk, caller: int) -> None:
    """Make claims, one by first use and one by a hold that is settled, and note each answer."""
    for number in range(CLAIMS):
        key = b"%d-%d-%d" % (len(disk.steps), caller, number)
        if number % 2:
            assert store.first_use((key,), "c") is None
        else:
            held = store.hold(key, lease=LEASE)
            assert isinstance(held, Held)
            assert store.settle(key, held.token)
        disk.answered(key)


def run(disk: Disk, path: Path, *, weakened: bool) -> None:
    """Let callers make claims at once, restart, and let them make more: the same code as in production."""

    def connect(name: str) -> Any:
        connection = disk.connect(name)
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        return Weakened(connection) if weakened else connection

    store = stores.sqlite(path, connect=connect)
    for _ in range(2):
        store.start()
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(lambda caller: claim(store, disk, caller), range(CALLERS)))
        store.close()


def lost_after(cuts: Cuts, path: Path) -> int:
    """Open what the cut left with the stock sqlite3; return how many acknowledged claims aren't there."""
    if not cuts.answered:
        return 0
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        if "pratique_key" not in tables:
            return len(cuts.answered)
        found = {key for (key,) in db.execute("SELECT key FROM pratique_key WHERE state = 1")}
    return len(set(cuts.answered) - found)


def cut_the_power(tmp_path: Path, *, weakened: bool) -> tuple[int, int, int]:
    """Return (cuts, cuts that lost a claim, claims that were lost)."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    disk = Disk(f"power-{tmp_path.name}")
    run(disk, before / "keys.db", weakened=weakened)
    chance = random.Random(2026)
    number = 6 * rounds(10)
    places = [chance.randrange(len(disk.steps)) for _ in range(number)]
    lost = [
        lost_after(cuts, after / "keys.db") for cuts in Cuts(disk.steps, chance).at(places, after)
    ]
    disk.unregister()
    print(f"{number} power cuts in {len(disk.steps)} steps: {sum(lost)} acknowledged claims lost")
    return number, sum(map(bool, lost)), sum(lost)


@pytest.mark.faults
def test_a_power_cut_takes_back_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Cuts at random moments, unsynced sectors there or not: no acknowledged claim is lost, no file is broken."""
    _, _, lost = cut_the_power(tmp_path, weakened=False)
    assert lost == 0


@pytest.mark.faults
def test_the_same_cuts_take_claims_back_where_the_disk_is_synced_less(tmp_path: Path) -> None:
    """The control: with synchronous=NORMAL the same harness sees losses, in most of the cuts."""
    cuts, bad, lost = cut_the_power(tmp_path, weakened=True)
    assert lost > 0
    assert bad > cuts // 4
