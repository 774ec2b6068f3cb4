"""The window of the newest records: found by crossing id, bounded by age and rows, written behind the request's back."""

import os
import re
import sqlite3
import stat
import threading
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pratique.cli.commands import app
from pratique.core.event import Outcome, Record
from pratique.core.recorder import Recorder
from pratique.core.refusal import BoundaryError
from pratique.events import AT_ONCE, SqliteEvents
from pratique.events.sqlite import rows_of
from tests.events.test_jsonl import AT, record


def count(path: Path) -> int:
    """Return how many rows there are."""
    return sum(1 for _ in rows_of(path))


def open_files() -> list[str]:
    """Return the files that this process has open."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(each.readlink()))
    return found


def at(moment: datetime, number: int = 1) -> Record:
    """Return a record of a moment."""
    return Record(f"c-{number}", moment, "payments", "webhook", Outcome.PROVEN)


def test_finds_a_crossing_by_its_id_and_no_other(tmp_path: Path) -> None:
    """What was emitted can be told at once, and by another process later; what wasn't, can't."""
    path = tmp_path / "events.db"
    sink = SqliteEvents(path)
    assert sink.find("c-1") is None
    assert not path.exists()
    sink.emit(record(1, detail="a\r\nb\x1b[31m"))
    assert sink.find("c-1") == record(1, detail="a\r\nb\x1b[31m")
    assert sink.find("c-2") is None
    sink.close()
    assert SqliteEvents(path).find("c-1") is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_newest_record_of_an_id_is_told(tmp_path: Path) -> None:
    """An id that came twice: what was said last."""
    sink = SqliteEvents(tmp_path / "events.db")
    sink.emit(record(1))
    sink.emit(record(1, detail="later"))
    assert sink.find("c-1") == record(1, detail="later")
    sink.close()


def test_rows_are_bounded(tmp_path: Path) -> None:
    """CWE-770: beyond the bound the oldest go; the file doesn't grow with what went through it."""
    path = tmp_path / "events.db"
    sink = SqliteEvents(path, max_rows=100)
    sizes = []
    for begin in range(0, 2000, 50):
        for number in range(begin, begin + 50):
            sink.emit(record(number))
        assert sink.flush()
        sizes.append(path.stat().st_size)
    assert sink.find("c-1899") is None
    assert sink.find("c-1900") is not None
    sink.close()
    assert count(path) == 100
    assert path.stat().st_size < 100 << 10


def test_age_is_bounded(tmp_path: Path) -> None:
    """Counted back from the newest: what is older goes, what isn't stays."""
    sink = SqliteEvents(tmp_path / "events.db", max_age=timedelta(days=2))
    for number, days in enumerate((0, 1, 3)):
        sink.emit(at(AT + timedelta(days=days), number))
        assert sink.flush()
    assert [sink.find(f"c-{n}") is not None for n in range(3)] == [False, True, True]
    sink.close()


def test_a_file_that_another_process_holds_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request waits: records stay in the queue until the lock is gone, then all are there."""
    monkeypatch.setattr("pratique.events.sqlite.BUSY", 0.05)
    path = tmp_path / "events.db"
    sink = SqliteEvents(path)
    sink.emit(record(0))
    assert sink.flush()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(1, 20):
            sink.emit(record(number))
        assert not sink.flush()
        other.execute("ROLLBACK")
    assert sink.flush()
    sink.close()
    assert (count(path), sink.dropped) == (20, 0)


def test_what_does_not_fit_is_counted_and_told(tmp_path: Path) -> None:
    """A full queue drops, and the file says how many are missing; so does a folder that isn't there."""
    path = tmp_path / "events.db"
    sink = SqliteEvents(path, max_records=5)
    recorder = Recorder([sink], count=lambda label: None)
    sink.emit(record(0))
    assert sink.flush()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(1, 20):
            recorder.emit(record(number), sample=False)
        other.execute("ROLLBACK")
    recorder.close()
    assert recorder.dropped == {"SqliteEvents": 14}
    told = re.findall(rb"(\d+) records were dropped", b"".join(rows_of(path)))
    assert sum(map(int, told)) == 14
    absent = SqliteEvents(tmp_path / "absent" / "events.db")
    absent.emit(record(1))
    absent.close()
    assert absent.dropped == 1


def test_a_forked_child_uses_a_connection_of_its_own(tmp_path: Path) -> None:
    """SQLite's files don't survive a fork: the parent closes its own before, and both open one."""
    path = tmp_path / "events.db"
    sink = SqliteEvents(path)
    sink.emit(record(1))
    assert sink.flush()
    assert [name for name in open_files() if name.startswith(str(path))]
    child = os.fork()
    if child == 0:
        if [name for name in open_files() if name.startswith(str(path))]:
            os._exit(2)
        sink.emit(record(2))
        os._exit(0 if sink.flush() else 1)
    assert os.waitpid(child, 0)[1] == 0
    sink.emit(record(3))
    sink.close()
    assert [SqliteEvents(path).find(f"c-{n}") is not None for n in (1, 2, 3)] == [True] * 3


def test_at_once_there_is_no_thread(tmp_path: Path) -> None:
    """Written before the request goes on; from any thread."""
    path, before = tmp_path / "events.db", threading.active_count()
    sink = SqliteEvents(path, delay=AT_ONCE)
    sink.emit(record(1))
    thread = threading.Thread(target=sink.emit, args=(record(2),))
    thread.start()
    thread.join()
    assert (count(path), threading.active_count()) == (2, before)
    sink.close()


def test_why_and_export_read_it(tmp_path: Path) -> None:
    """A file of either kind is known by its first bytes; one that is neither has no record."""
    path = tmp_path / "events.db"
    sink = SqliteEvents(path)
    sink.emit(record(1, detail="compare clocks"))
    sink.close()
    told = CliRunner().invoke(app, ["why", "c-1", "--events", str(path)])
    assert (told.exit_code, "compare clocks" in told.stdout) == (0, True)
    assert CliRunner().invoke(app, ["why", "c-2", "--events", str(path)]).exit_code == 1
    done = CliRunner().invoke(app, ["events", "export", str(path)])
    assert (done.exit_code, done.stdout.count("\n")) == (0, 1)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE x (y)")
    assert CliRunner().invoke(app, ["why", "c-1", "--events", str(other)]).exit_code == 1
    assert CliRunner().invoke(app, ["events", "export", str(other)]).exit_code == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_rows": 0},
        {"max_age": timedelta(0)},
        {"max_records": 0},
        {"max_bytes": 0},
        {"delay": timedelta(seconds=-1)},
    ],
)
def test_a_bound_that_keeps_nothing_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """Empty is never unset."""
    with pytest.raises(BoundaryError):
        SqliteEvents(tmp_path / "events.db", **wrong)
    with pytest.raises(BoundaryError):
        SqliteEvents("")
