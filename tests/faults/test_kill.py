"""kill -9 during handling, two worker processes on one database: nothing twice, nothing lost."""

import contextlib
import os
import random
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.faults.rounds import rounds
from tests.processes import free_port
from tests.shop import URL, delivery
from tests.shop_postgres import plain

ROOT = Path(__file__).parents[2]
EVENTS = 12
"""A round; each is delivered twice, to either worker."""


class Worker:
    """One uvicorn process; it can be killed and comes back on the same port."""

    def __init__(self, database: str, redis_url: str = "") -> None:
        self.port = free_port()
        self._env = {
            **os.environ,
            "PRATIQUE_TEST_DATABASE": database,
            "PRATIQUE_TEST_REDIS": redis_url,
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        }
        self.start()

    def start(self) -> None:
        """Start the process."""
        arguments = [
            "uvicorn",
            "tests.faults.app:app",
            "--port",
            str(self.port),
            "--log-level",
            "critical",
        ]
        self.process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, env=self._env)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def wait(self, timeout: float = 30) -> None:
        """Wait until it listens."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 1),
            ):
                return
            time.sleep(0.02)
        message = "the worker didn't come up"
        raise TimeoutError(message)


class Database:
    """The shop's table, as the test sees it.

    Args:
        name: The SQLite file, or PostgreSQL's URL.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.do("CREATE TABLE invoice (id TEXT PRIMARY KEY, effects INT NOT NULL)")

    def do(self, statement: str) -> list[Any]:
        """Run a statement in a transaction of its own; return its rows."""
        with contextlib.closing(self._connect()) as db:
            cursor = db.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
            db.commit()
        return rows

    def _connect(self) -> Any:
        if "://" in self.name:
            return psycopg.connect(self.name)
        db = sqlite3.connect(self.name, timeout=30)
        db.execute("PRAGMA journal_mode = WAL")
        return db


@pytest.fixture
def shop_file(tmp_path: Path) -> Database:
    """Return an empty shop in a file."""
    return Database(str(tmp_path / "shop.db"))


@pytest.fixture(params=["sqlite3", pytest.param("postgres", marks=pytest.mark.server)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """Return an empty shop in either database."""
    if request.param == "sqlite3":
        return Database(str(tmp_path / "shop.db"))
    return Database(plain(str(request.getfixturevalue("pg_url"))))


@contextlib.contextmanager
def two_workers(database: Database, redis_url: str = "") -> Iterator[list[Worker]]:
    """Run two workers."""
    both = [Worker(database.name, redis_url), Worker(database.name, redis_url)]
    try:
        for worker in both:
            worker.wait()
        yield both
    finally:
        for worker in both:
            worker.kill()


def deliver(workers: list[Worker], invoice: str, first: int) -> int:
    """Deliver until 2xx, to one worker and then the other, as a provider does.

    Return how often it was sent.
    """
    end = time.monotonic() + 60
    for attempt in range(10_000):
        content, fields = delivery(f"evt_{invoice}", invoice=invoice, at=datetime.now(UTC))
        port = workers[(first + attempt) % len(workers)].port
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.post(
                f"http://127.0.0.1:{port}{URL}", content=content, headers=fields, timeout=15
            )
            if answer.is_success:
                return attempt + 1
            assert answer.status_code >= 500, answer.text
        assert time.monotonic() < end, invoice
        time.sleep(0.01)
    return 0


def storm(database: Database, workers: list[Worker], times: int) -> dict[int, int]:
    """Deliver while workers are killed; return how many invoices had how many effects.

    Each round: 24 deliveries of 12 events under way, one worker killed at a random moment, each
    sent until 2xx.
    """
    chance, sent, interrupted = random.Random(2026), 0, 0
    with ThreadPoolExecutor(2 * EVENTS) as pool:
        for number in range(times):
            invoices = [f"in_{number}_{n}" for n in range(EVENTS)]
            values = ", ".join(f"('{invoice}', 0)" for invoice in invoices)
            database.do(f"INSERT INTO invoice VALUES {values}")
            sending = [
                pool.submit(deliver, workers, invoice, way)
                for invoice in invoices
                for way in (0, 1)
            ]
            victim = chance.choice(workers)
            time.sleep(chance.random() * 0.25)
            interrupted += not all(one.done() for one in sending)
            victim.kill()
            victim.start()
            sent += sum(one.result() for one in sending)
            victim.wait()
    effects = dict(database.do("SELECT effects, count(*) FROM invoice GROUP BY effects"))
    print(
        f"kill -9: {times} rounds, {interrupted} during handling, {sent} deliveries, effects {effects}"
    )
    assert interrupted > 0
    return effects


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_a_worker_killed_during_handling_neither_doubles_nor_loses(database: Database) -> None:
    """Holes 3 and 18: the effect and its single use are one commit."""
    with two_workers(database) as workers:
        assert storm(database, workers, rounds()) == {1: rounds() * EVENTS}


@pytest.mark.faults
@pytest.mark.server
@pytest.mark.timeout(3600)
def test_a_worker_killed_on_redis_loses_nothing_and_doubles_what_it_had_done(
    shop_file: Database, redis_url: str
) -> None:
    """Two commits: an effect that was done and not yet settled is done again. None is lost.

    What can be doubled is what was under way in the worker that was killed, once a kill.
    """
    with two_workers(shop_file, redis_url) as workers:
        effects = storm(shop_file, workers, rounds(2))
    assert set(effects) <= {1, 2, 3}
    assert sum(effects.values()) == rounds(2) * EVENTS
