"""The JSONL sink: one line a record, whatever stands in it, written behind the request's back and counted where it isn't."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique.core.event import Outcome, Record, decode_record
from pratique.core.recorder import Recorder
from pratique.core.refusal import BoundaryError
from pratique.events import AT_ONCE, JsonLines, writer

AT = datetime(2026, 11, 24, tzinfo=UTC)


def record(number: int = 1, **more: Any) -> Record:
    """Return the record of one crossing."""
    return Record(f"c-{number}", AT, "payments", "webhook", Outcome.PROVEN, **more)


RECORD = record(detail="a\r\nb\x1b[31m")


class Disk:
    """A disk that can hang, refuse, or take a part of what it is given."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.write = os.write
        self.takes: list[int] = []
        self.is_full = False
        self.let = threading.Event()
        self.let.set()
        self.entered = threading.Event()
        patch.setattr(os, "write", self._write)

    def _write(self, file: int, content: bytes) -> int:
        self.entered.set()
        self.let.wait(20)
        if self.is_full:
            raise OSError(28, "No space left on device")
        return self.write(file, content[: self.takes.pop(0)] if self.takes else content)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Give the disk; at the end nothing hangs on it."""
    made = Disk(monkeypatch)
    yield made
    made.let.set()


def ids(path: Path) -> list[str]:
    """Return the ids of the records in a file, in order."""
    return [decode_record(line).crossing_id for line in path.read_bytes().splitlines()]


def test_writes_one_line_a_record_whatever_it_holds(tmp_path: Path) -> None:
    """EV-03, CWE-117: line breaks and terminal escapes in a name are escaped."""
    sink = JsonLines(tmp_path / "events.jsonl")
    sink.emit(RECORD)
    sink.emit(RECORD)
    sink.close()
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    assert len(lines) == 2
    assert b"\x1b" not in lines[0]
    assert decode_record(lines[0]) == RECORD


def test_finds_a_crossing_by_its_id_and_no_other(tmp_path: Path) -> None:
    """What was emitted can be told at once; what wasn't, can't."""
    sink = JsonLines(tmp_path / "events.jsonl")
    assert sink.find("c-1") is None
    sink.emit(RECORD)
    assert sink.find("c-1") == RECORD
    assert sink.find("c-2") is None
    sink.close()
    sink.emit(RECORD)
    assert sink.find("c-1") == RECORD
    sink.close()


def test_a_request_waits_for_no_disk(tmp_path: Path, disk: Disk) -> None:
    """While a write hangs, records are taken, and they are written in order when it goes on."""
    sink = JsonLines(tmp_path / "events.jsonl")
    disk.let.clear()
    sink.emit(record(0))
    assert disk.entered.wait(10)
    for number in range(1, 500):
        sink.emit(record(number))
    assert not (tmp_path / "events.jsonl").read_bytes()
    disk.let.set()
    sink.close()
    assert ids(tmp_path / "events.jsonl") == [f"c-{n}" for n in range(500)]
    assert sink.dropped == 0


@pytest.mark.parametrize("bound", [{"max_records": 10}, {"max_bytes": 1000}])
def test_what_does_not_fit_is_counted_and_told(
    tmp_path: Path, disk: Disk, bound: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    """CWE-770: records or bytes, more than the bound don't wait; count, log and file say how many are missing."""
    sink = JsonLines(tmp_path / "events.jsonl", **bound)
    recorder = Recorder([sink], count=lambda label: None)
    disk.let.clear()
    recorder.emit(record(0), sample=False)
    assert disk.entered.wait(10)
    for number in range(1, 50):
        recorder.emit(record(number), sample=False)
    disk.let.set()
    recorder.close()
    *kept, gap = [
        decode_record(line) for line in (tmp_path / "events.jsonl").read_bytes().splitlines()
    ]
    assert [each.crossing_id for each in kept] == [f"c-{n}" for n in range(len(kept))]
    assert 1 < len(kept) <= 10
    assert recorder.dropped == {"JsonLines": 50 - len(kept)}
    assert (gap.outcome, gap.code) == (Outcome.WARNED, "events_dropped")
    assert gap.detail.startswith(f"{50 - len(kept)} records were dropped")
    told = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(told) == 1


def test_a_full_disk_loses_nothing_that_fits_into_the_queue(tmp_path: Path, disk: Disk) -> None:
    """What could not be written waits and is written later, once and whole; counted only where it never was."""
    path = tmp_path / "events.jsonl"
    sink = JsonLines(path)
    disk.is_full = True
    for number in range(5):
        sink.emit(record(number))
    assert not sink.flush()
    disk.is_full = False
    disk.takes = [250]  # two lines and a half of them
    assert not sink.flush()
    assert sink.flush()
    sink.close()
    whole = [line for line in path.read_bytes().splitlines() if line.endswith(b"}")]
    assert [decode_record(line).crossing_id for line in whole] == [f"c-{n}" for n in range(5)]
    assert len(path.read_bytes().splitlines()) == 6
    assert sink.dropped == 0


def test_a_disk_that_refuses_is_counted_and_never_raised(tmp_path: Path) -> None:
    """A sink that fails must not turn a proven claim into an error; the twin keeps its record."""
    counted: list[object] = []
    recorder = Recorder([JsonLines(tmp_path / "absent" / "events.jsonl")], count=counted.append)
    recorder.emit(RECORD, sample=False)
    recorder.close()
    assert recorder.dropped == {"JsonLines": 1}
    kept = Recorder([JsonLines(tmp_path / "events.jsonl")], count=counted.append)
    kept.emit(RECORD, sample=False)
    kept.close()
    assert (kept.dropped, len(counted)) == ({}, 2)


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    """As logrotate does: what comes later stands at the path, what came before in the other file."""
    path = tmp_path / "events.jsonl"
    sink = JsonLines(path)
    sink.emit(record(1))
    assert sink.flush()
    path.rename(tmp_path / "events.jsonl.1")
    sink.emit(record(2))
    sink.close()
    assert (ids(tmp_path / "events.jsonl.1"), ids(path)) == (["c-1"], ["c-2"])


def test_a_part_that_a_killed_process_left_is_ended(tmp_path: Path) -> None:
    """The next record is a line of its own; a file that ends with a line gets no empty one."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"crossing_id": "c-to')
    for number in (1, 2):
        sink = JsonLines(path)
        sink.emit(record(number))
        sink.close()
    torn, *whole = path.read_bytes().splitlines()
    assert torn == b'{"crossing_id": "c-to'
    assert [decode_record(line).crossing_id for line in whole] == ["c-1", "c-2"]


def test_a_pipe_takes_records_too(tmp_path: Path) -> None:
    """As the standard output of a container is one: it is written, and never read."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = JsonLines(path)
    sink.emit(record(1))
    sink.close()
    assert decode_record(os.read(reader, 4096)) == record(1)
    os.close(reader)


def test_at_once_a_record_is_in_the_file_before_its_request_goes_on(tmp_path: Path) -> None:
    """Without a queue there is no thread, and nothing that a kill could take."""
    sink = JsonLines(tmp_path / "events.jsonl", delay=AT_ONCE)
    before = threading.active_count()
    sink.emit(RECORD)
    assert (ids(tmp_path / "events.jsonl"), threading.active_count()) == (["c-1"], before)
    sink.close()


def test_records_of_many_threads_are_each_one_line(tmp_path: Path) -> None:
    """Eight threads, and two sinks on one file as two workers have them."""
    path = tmp_path / "events.jsonl"
    sinks = [JsonLines(path), JsonLines(path)]

    def emit(begin: int) -> None:
        for number in range(begin, begin + 250):
            sinks[begin % 2].emit(record(number))

    threads = [threading.Thread(target=emit, args=(n * 1001,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sink in sinks:
        sink.close()
    assert sorted(ids(path)) == sorted(f"c-{n * 1001 + m}" for n in range(8) for m in range(250))


def test_a_forked_child_writes_its_own_records_and_not_its_parents(
    tmp_path: Path, disk: Disk
) -> None:
    """The writer's thread isn't in the child: it begins its own; what waited is the parent's to write."""
    path = tmp_path / "events.jsonl"
    sink = JsonLines(path)
    disk.let.clear()
    sink.emit(record(1))
    assert disk.entered.wait(10)  # the thread holds the lock of writing while the process forks
    sink.emit(record(2))
    child = os.fork()
    if child == 0:
        disk.let.set()
        sink.emit(record(3))
        os._exit(0 if sink.flush() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert ids(path) == ["c-3"]
    disk.let.set()
    sink.close()
    assert ids(path) == ["c-3", "c-1", "c-2"]


EXIT = """
import sys
from tests.events.test_jsonl import record
from pratique.events import JsonLines
sink = JsonLines(sys.argv[1])
for number in range(int(sys.argv[2])):
    sink.emit(record(number))
"""


def test_the_end_of_the_process_writes_what_waits(tmp_path: Path) -> None:
    """Nobody closed the sink, and nothing is lost."""
    path = tmp_path / "events.jsonl"
    subprocess.run([sys.executable, "-c", EXIT, str(path), "500"], check=True)
    assert ids(path) == [f"c-{n}" for n in range(500)]


KILLED = """
import os, signal, sys
from tests.events.test_jsonl import record
from pratique.events import JsonLines
sink = JsonLines(sys.argv[1])
for number in range(2000):
    sink.emit(record(number))
    if number == 1500:
        sink.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_takes_no_more_than_what_waits(tmp_path: Path) -> None:
    """By -9 too, what was written before stays whole and in order; the queue is lost, as the page says."""
    path = tmp_path / "events.jsonl"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -9
    found = ids(path)
    assert found == [f"c-{n}" for n in range(len(found))]
    assert len(found) > 1500
    print(f"{2000 - len(found)} of 2000 records were lost to kill -9")


@pytest.mark.parametrize(
    "wrong", [{"max_records": 0}, {"max_bytes": 0}, {"delay": timedelta(seconds=-1)}]
)
def test_a_bound_that_lets_nothing_wait_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """Empty is never unset."""
    with pytest.raises(BoundaryError):
        JsonLines(tmp_path / "events.jsonl", **wrong)


def test_an_empty_path_is_refused() -> None:
    """Empty is never unset."""
    with pytest.raises(BoundaryError):
        JsonLines("")


def test_the_end_waits_for_no_dead_disk(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A close gives up after its time and counts what is lost."""
    monkeypatch.setattr(writer, "AT_END", 0.05)
    sink = JsonLines(tmp_path / "events.jsonl")
    disk.let.clear()
    sink.emit(RECORD)
    assert disk.entered.wait(10)
    sink.close()
    assert sink.dropped == 1
