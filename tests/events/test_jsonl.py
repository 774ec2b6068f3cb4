"""The JSONL sink: one line a record, whatever stands in it, and a full disk is counted, not raised."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pratique.core.event import Outcome, Record, decode_record
from pratique.core.recorder import Recorder
from pratique.core.refusal import BoundaryError
from pratique.events import JsonLines

RECORD = Record(
    "c-1",
    datetime(2026, 11, 24, tzinfo=UTC),
    "payments",
    "webhook",
    Outcome.PROVEN,
    detail="a\r\nb\x1b[31m",
)


def test_writes_one_line_a_record_whatever_it_holds(tmp_path: Path) -> None:
    """EV-03, CWE-117: line breaks and terminal escapes in a name are escaped."""
    sink = JsonLines(tmp_path / "events.jsonl")
    sink.emit(RECORD)
    sink.emit(RECORD)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    assert len(lines) == 2
    assert b"\x1b" not in lines[0]
    assert decode_record(lines[0]) == RECORD


def test_finds_a_crossing_by_its_id_and_no_other(tmp_path: Path) -> None:
    """What was written can be told; what wasn't, can't."""
    sink = JsonLines(tmp_path / "events.jsonl")
    assert sink.find("c-1") is None
    sink.emit(RECORD)
    assert sink.find("c-1") == RECORD
    assert sink.find("c-2") is None
    sink.close()
    sink.emit(RECORD)
    assert sink.find("c-1") == RECORD


def test_a_disk_that_refuses_is_counted_and_never_raised(tmp_path: Path) -> None:
    """A sink that fails must not turn a proven claim into an error; the twin keeps its record."""
    counted: list[object] = []
    recorder = Recorder([JsonLines(tmp_path / "absent" / "events.jsonl")], count=counted.append)
    recorder.emit(RECORD, sample=False)
    assert recorder.dropped == {"JsonLines": 1}
    kept = Recorder([JsonLines(tmp_path / "events.jsonl")], count=counted.append)
    kept.emit(RECORD, sample=False)
    assert (kept.dropped, len(counted)) == ({}, 2)


def test_an_empty_path_is_refused() -> None:
    """Empty is never unset."""
    with pytest.raises(BoundaryError):
        JsonLines("")
