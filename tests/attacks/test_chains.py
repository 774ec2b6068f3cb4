"""EV-06: who deletes the records of a whole process is found out, whichever door they came by."""

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pratique.cli.commands import app
from pratique.events import Chain, FileWitness, JsonLines
from tests.attacks import attempts
from tests.attacks.attempts import FRAMEWORKS, opened

KEY = "k3y-of-the-chain-9f2c71d0"
WORKERS = ("one", "two")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_worker_whose_records_are_deleted_is_missed(
    tmp_path: Path, framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EV-06: two workers write one file; without the lines of one verification fails, with them it doesn't (CWE-354)."""
    monkeypatch.setenv("EVENTS_KEY", KEY)
    path, heads = tmp_path / "events.jsonl", tmp_path / "heads.jsonl"
    for worker in WORKERS:
        (tmp_path / worker).mkdir()
        sink = JsonLines(path, chain=Chain(KEY, FileWitness(heads)))
        with opened(tmp_path / worker, framework, sink) as rooms:
            for attempt in [*attempts.attacks()[:4], *attempts.honest()]:
                rooms[attempt.room].send(attempt)
            sink.close()
    command = ["events", "verify", str(path), "--heads", str(heads), "--key", "EVENTS_KEY"]
    assert CliRunner().invoke(app, command).exit_code == 0
    lines = path.read_bytes().splitlines(keepends=True)
    by_writer = Counter(json.loads(line)["chain"][0] for line in lines)
    assert len(by_writer) == len(WORKERS)
    for writer in by_writer:
        path.write_bytes(b"".join(line for line in lines if writer.encode() not in line))
        done = CliRunner().invoke(app, command)
        assert (done.exit_code, f"missing: writer {writer}" in done.stdout) == (5, True)
    path.write_bytes(b"".join(lines))
    assert CliRunner().invoke(app, command).exit_code == 0
