"""Wherever a worker or an endpoint dies, a kept delivery is done once, and what heard 202 is kept."""

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique import Admitted, Perimeter, Refused, stores
from pratique.webhook import Event, Inbox
from pratique.webhook.working import run
from tests.shop import NOW, Invoice, boundary, claim

INBOX = Inbox(attempts=1000, first_pause=timedelta(microseconds=1))
MOST_STEPS = 200


class Killed(BaseException):
    """The process ends here; nothing of it runs any more."""


class Fuse:
    """Counts what is asked of the database, and ends the process at one of them.

    Args:
        at: At which; 0 for never.
        is_after: When the database has done it, and before anybody hears of it.
    """

    def __init__(self, at: int = 0, *, is_after: bool = False) -> None:
        self.at, self.is_after = at, is_after
        self.count = 0
        self.is_dead = False

    def run(self, call: Any, *args: Any) -> Any:
        """Ask, or die."""
        if self.is_dead:
            raise Killed
        self.count += 1
        is_last = self.count == self.at
        self.is_dead = is_last
        if is_last and not self.is_after:
            raise Killed
        told = call(*args)
        if is_last:
            raise Killed
        return told


def connection_of(path: Path, fuse: Fuse, opened: list[Any]) -> Any:
    """Return a connection whose every statement passes a fuse."""

    class Cursor(sqlite3.Cursor):
        def execute(self, *args: Any) -> Any:
            return fuse.run(super().execute, *args)

    class Connection(sqlite3.Connection):
        def execute(self, *args: Any) -> Any:
            return fuse.run(super().execute, *args)

        def cursor(self, *_: Any) -> Any:
            return super().cursor(Cursor)

    connection = sqlite3.connect(path, factory=Connection, check_same_thread=False)
    opened.append(connection)
    return connection


class Process:
    """A shop on one file, in a process that may die at any statement."""

    def __init__(self, path: Path, fuse: Fuse) -> None:
        self.opened: list[Any] = []
        self.perimeter = Perimeter(
            store=stores.sqlite3(lambda: connection_of(path, fuse, self.opened)),
            clock=lambda: NOW,
            deadline=None,
        )
        self.payments = self.perimeter.declare(boundary(inbox=INBOX))
        self.payments.on(
            "invoice.paid",
            confirm=lambda event: Invoice(event.object_id, "cus_1"),
            once=lambda invoice: invoice.id,
            link=lambda invoice, db: db.execute(
                "SELECT id FROM invoice WHERE id = ?", (invoice.id,)
            ).fetchone(),
            allow=lambda _invoice, _row: True,
        )(self._pay)

    @staticmethod
    def _pay(paid: Admitted[Event, Invoice, Any], db: Any) -> None:
        db.execute("UPDATE invoice SET effects = effects + 1 WHERE id = ?", (paid.confirmed.id,))

    def end(self) -> None:
        """Let the system take back what it had open, as at the end of a process."""
        for connection in self.opened:
            sqlite3.Connection.close(connection)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file with one invoice."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE invoice (id TEXT PRIMARY KEY, effects INT)")
    db.close()
    return path


def rows(path: Path, statement: str) -> list[Any]:
    """Ask past everybody."""
    db = sqlite3.connect(path)
    found = db.execute(statement).fetchall()
    db.commit()
    db.close()
    return found


def received(process: Process, event: str) -> bool:
    """Deliver; say whether the sender heard that it is kept."""
    try:
        process.perimeter.admit(process.payments, claim(event, invoice=event))
    except Refused as refused:
        return refused.status == 202
    except Killed:
        return False
    raise AssertionError("a receipt ends in its answer")


def lived(process: Process, fuse: Fuse, events: list[str]) -> list[str]:
    """Start, receive and work until the end or until it dies; return what heard 202."""
    heard: list[str] = []
    try:
        process.perimeter.start()
        heard += [event for event in events if received(process, event)]
        inbox = process.payments.sync_inbox()
        while (taken := inbox.take("payments", lease=INBOX.lease)) is not None:
            run(process.payments._working(taken), process.perimeter, process.payments, inbox)
        process.perimeter.close()
    except Killed:
        assert fuse.is_dead
    process.end()
    return heard


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_wherever_a_process_dies_each_delivery_is_done_once(path: Path, *, is_after: bool) -> None:
    """Every statement in turn: the next process finds what heard 202, and one effect of each."""
    deaths = 0
    for at in range(1, MOST_STEPS):
        rows(path, f"INSERT INTO invoice VALUES ('in_{at}', 0)")
        fuse = Fuse(at, is_after=is_after)
        heard = lived(Process(path, fuse), fuse, [f"in_{at}"])
        deaths += fuse.is_dead
        rows(path, "UPDATE pratique_inbox SET due_ms = 0") if _has_inbox(path) else None
        after = Fuse()
        again = Process(path, after)
        # Whoever heard nothing sends again; whoever heard 202 doesn't.
        lived(again, after, [] if heard else [f"in_{at}"])
        assert rows(path, "SELECT effects, count(*) FROM invoice GROUP BY effects") == [(1, at)]
        if not fuse.is_dead:
            break
    else:
        raise AssertionError("a life has more statements than that")
    assert deaths > 10


def _has_inbox(path: Path) -> bool:
    return bool(rows(path, "SELECT 1 FROM sqlite_master WHERE name = 'pratique_inbox'"))


def test_two_workers_of_one_delivery_have_one_effect(path: Path) -> None:
    """Each took it, the second when the first one's lease had ended; whoever comes first or last."""
    for number, order in enumerate([(0, 1), (1, 0)]):
        rows(path, f"INSERT INTO invoice VALUES ('in_{number}', 0)")
        process = Process(path, Fuse())
        process.perimeter.start()
        assert received(process, f"in_{number}")
        inbox = process.payments.sync_inbox()
        taken = [inbox.take("payments", lease=timedelta(0)) for _ in range(2)]
        ends = []
        for which in order:
            assert taken[which] is not None
            steps = process.payments._working(taken[which])
            ends.append(run(steps, process.perimeter, process.payments, inbox))
        # Whoever comes late finds that another one has it, or that there is nothing left to do.
        assert {each.code for each in ends} == ({"taken_over", ""}, {"replayed", ""})[number]
        process.perimeter.close()
        process.end()
    assert rows(path, "SELECT effects, count(*) FROM invoice GROUP BY effects") == [(1, 2)]
