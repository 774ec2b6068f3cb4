"""`pratique why` tells one crossing, and says plainly what it can't tell."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from pratique.core.event import Outcome, Record
from pratique.events import JsonLines


def why(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "pratique", "why", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_tells_what_came_what_was_owed_and_what_to_do(tmp_path: Path) -> None:
    """From a file of JSON lines; the twin, an unknown id, exits with 1."""
    path = tmp_path / "events.jsonl"
    at = datetime(2026, 11, 24, tzinfo=UTC)
    record = Record(
        "c-1",
        at,
        "payments",
        "webhook",
        Outcome.REFUSED,
        obligation="fresh",
        code="stale",
        hint="compare clocks",
        within="c-0",
    )
    sink = JsonLines(path)
    sink.emit(record)
    sink.close()
    told = why("c-1", "--events", str(path))
    assert told.returncode == 0
    assert all(
        word in told.stdout
        for word in ("payments", "refused", "fresh", "stale", "compare clocks", "within      c-0")
    )
    unknown = why("c-2", "--events", str(path))
    assert (unknown.returncode, "not recorded" in unknown.stderr) == (1, True)
