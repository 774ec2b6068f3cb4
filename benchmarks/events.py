"""What an event costs the request: `JsonLines` beside a queue, a write of each, and logging.

Run it: `python -m benchmarks.events`. All of one run, the least of interleaved rounds; the writer's
thread works meanwhile on the same interpreter, as it does beside requests.
"""

import json
import logging
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.timing import least, row
from pratique.core.event import Outcome, Record, encode_record
from pratique.core.recorder import Recorder
from pratique.core.threads import Tally
from pratique.events import Chain, JsonLines, SqliteEvents

LOOPS = 2_000
BURST = 15_000
PROVEN = ("authentic", "fresh", "unique", "confirmed", "linked", "allowed", "valid")


def record() -> Record:
    """Return the record of a webhook that crossed, 297 bytes as a line."""
    return Record(
        "8f0c2d9be3a14f77-1a2b",
        datetime.now(UTC),
        "payments",
        "webhook",
        Outcome.PROVEN,
        "invoice.paid",
        key="a" * 32,
        secret="main",
        proofs=PROVEN,
    )


def logger_of(path: Path) -> logging.Logger:
    """Return the standard library's logger with a file behind it, one JSON object a line."""

    class Json(logging.Formatter):
        def format(self, line: logging.LogRecord) -> str:
            return json.dumps({"at": line.created, "level": line.levelname, **line.args})  # type: ignore[dict-item]

    logger = logging.getLogger("pratique.bench")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = logging.FileHandler(path)
    handler.setFormatter(Json())
    logger.addHandler(handler)
    return logger


def contestants(folder: Path) -> tuple[dict[str, Callable[[], object]], JsonLines]:
    """Return what is measured."""
    one, queue = record(), deque[bytes](maxlen=BURST)
    plain = os.open(folder / "plain.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    logger, told = logger_of(folder / "logged.jsonl"), msgspec.structs.asdict(one)
    told = {name: str(value) for name, value in told.items()}
    sink = JsonLines(folder / "events.jsonl")
    rows = SqliteEvents(folder / "rows.db")
    recorder = Recorder([JsonLines(folder / "recorded.jsonl")], count=Tally().add)
    return {
        "deque.append": lambda: queue.append(b""),
        "encode + deque.append": lambda: queue.append(encode_record(one)),
        "JsonLines.emit": lambda: sink.emit(one),
        "SqliteEvents.emit": lambda: rows.emit(one),
        "Recorder.emit with it": lambda: recorder.emit(one, sample=False),
        "encode + one O_APPEND write": lambda: os.write(plain, encode_record(one) + b"\n"),
        "logging, JSON, FileHandler": lambda: logger.info("%(crossing_id)s", told),
    }, sink


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        calls, sink = contestants(Path(name))
        best = least(calls, loops=dict.fromkeys(calls, LOOPS), rounds=15)
        for what, spent in best.items():
            print(f"{what:<66} {spent:>9.2f} µs")
        emit, whole = best["JsonLines.emit"], best["Recorder.emit with it"]
        row("an event on the request's path, JsonLines alone, µs", emit, "<= 3", ok=emit <= 3)
        row("the same with counting and the last 256 kept, µs", whole, "<= 3", ok=whole <= 3)
        ratio = best["encode + one O_APPEND write"] / emit
        row("a write of each record, × of JsonLines", ratio, ">= 2", ok=ratio >= 2)
        _tail(sink)
        _burst(sink, "as it is")
        _burst(SqliteEvents(Path(name) / "events.db"), "of SQLite")
        chained = Chain("k3y-of-the-chain-9f2c71d0", lambda head: head)
        _burst(JsonLines(Path(name) / "chained.jsonl", chain=chained), "chained")


def _tail(sink: JsonLines) -> None:
    """Print how long single calls take, with the thread's turns among them."""
    one, spent = record(), []
    for _ in range(BURST):
        begin = time.perf_counter_ns()
        sink.emit(one)
        spent.append(time.perf_counter_ns() - begin)
    spent.sort()
    shown = ", ".join(f"p{p} {spent[int(BURST * p / 100)] / 1e3:.2f}" for p in (50, 99, 99.9))
    print(f"single calls, µs: {shown}, most {spent[-1] / 1e3:.0f}")


def _burst(sink: JsonLines | SqliteEvents, how: str) -> None:
    """Print what one record costs this process in all, from emit to the file."""
    one = record()
    sink.flush()
    begin = time.perf_counter()
    for _ in range(BURST):
        sink.emit(one)
    kept = sink.flush()
    spent = time.perf_counter() - begin
    assert kept, "the disk refuses"
    assert sink.dropped == 0
    sink.close()
    print(f"from emit to the file {how}, {BURST} at once: {spent / BURST * 1e6:.2f} µs each")


if __name__ == "__main__":
    main()
