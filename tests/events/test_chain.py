"""A chain tells what was changed in a file, and a witness what was cut off; each mutation beside its untouched twin."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from pratique import Perimeter, Secret
from pratique.cli.commands import app
from pratique.core.event import Outcome, Record, decode_record
from pratique.core.refusal import BoundaryError
from pratique.events import AT_ONCE, Chain, FileWitness, Head, JsonLines
from pratique.events.head import link_of, sealed
from pratique.events.verify import Finding, Verification, heads_in
from pratique.forwarded import Forwarded, ProxyPolicy
from tests.events.test_jsonl import Disk, disk, record

__all__ = ["disk"]
KEY = "k3y-of-the-chain-9f2c71d0"
OTHER = "another-k3y-41b7e9a2c6d8"
Lines = list[bytes]


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the key's variable, and that of another."""
    monkeypatch.setenv("EVENTS_KEY", KEY)
    monkeypatch.setenv("OTHER_KEY", OTHER)


class Log:
    """A file that two processes have written, six lines each by turns, and its witness."""

    def __init__(self, folder: Path) -> None:
        self.path, self.heads = folder / "events.jsonl", folder / "heads.jsonl"

    def written(self, count: int = 6) -> "Log":
        """Let two writers write."""
        sinks = [self.sink(), self.sink()]
        for number in range(count):
            for place, sink in enumerate(sinks):
                sink.emit(record(number * 2 + place))
                assert sink.flush()
        for sink in sinks:
            sink.close()
        return self

    def sink(self, **more: Any) -> JsonLines:
        """Return a sink of one process."""
        made = {"key": Secret.env("EVENTS_KEY"), "witness": FileWitness(self.heads), **more}
        return JsonLines(self.path, chain=Chain(**made))

    def verify(self, *more: str, files: tuple[Path, ...] = ()) -> Result:
        """Run the command."""
        named = [str(path) for path in files or (self.path,)]
        told = ["--heads", str(self.heads), "--key", "EVENTS_KEY", *more]
        return CliRunner().invoke(app, ["events", "verify", *named, *told])

    def change(self, mutation: Callable[[Lines], Lines]) -> None:
        """Change the lines, as who may write the file can."""
        self.path.write_bytes(b"".join(mutation(self.path.read_bytes().splitlines(keepends=True))))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Give a log that nobody has changed."""
    return Log(tmp_path).written()


def writer_of(line: bytes) -> str:
    """Return whose line it is."""
    return str(json.loads(line)["chain"][0])


def resigned(line: bytes, key: str) -> bytes:
    """Return a line with a link of a thief's own, as if it stood first."""
    said = msgspec.json.encode(decode_record(line))
    writer = writer_of(line)
    link = link_of(key.encode(), "0" * 32, writer, 1, said)
    return said[:-1] + f',"chain":["{writer}",1,"{link}"]}}\n'.encode()


def moved(lines: Lines) -> Lines:
    """Let a line say that it is the other writer's."""
    first, second = writer_of(lines[0]), writer_of(lines[1])
    return [*lines[:-2], lines[-2].replace(first.encode(), second.encode()), lines[-1]]


BREAKS: dict[str, Callable[[Lines], Lines]] = {
    "a letter": lambda lines: [*lines[:4], lines[4].replace(b"payments", b"paymentS"), *lines[5:]],
    "an outcome": lambda lines: [*lines[:4], lines[4].replace(b"proven", b"ignored"), *lines[5:]],
    "the last line": lambda lines: [*lines[:-1], lines[-1].replace(b"payments", b"x")],
    "a number": lambda lines: [*lines[:4], lines[4].replace(b'",3,"', b'",4,"'), *lines[5:]],
    "a link": lambda lines: [*lines[:4], lines[4][:-6] + b'0"]}\n', *lines[5:]],
    "two of one writer swapped": lambda lines: [*lines[:2], lines[4], lines[3], lines[2], *lines[5:]],
    "one taken out": lambda lines: [*lines[:4], *lines[5:]],
    "the first taken out": lambda lines: lines[2:],
    "one twice": lambda lines: [*lines[:5], lines[4], *lines[5:]],
    "one put in": lambda lines: [*lines[:4], msgspec.json.encode(record(99)) + b"\n", *lines[4:]],
    "one without its link": lambda lines: [msgspec.json.encode(decode_record(lines[0])) + b"\n", *lines[1:]],
    "one of another key": lambda lines: [resigned(lines[0], OTHER), *lines[1:]],
    "one of the other writer": moved,
}  # fmt: skip


@pytest.mark.parametrize("what", BREAKS)
def test_what_was_changed_is_broken(log: Log, what: str) -> None:
    """Edited, reordered, put in or taken out: 3. Untouched it is whole: 0."""
    assert log.verify().exit_code == 0
    log.change(BREAKS[what])
    done = log.verify()
    assert (done.exit_code, done.stdout.startswith("broken: ")) == (3, True), done.stdout


def test_one_flipped_bit_anywhere_is_found(tmp_path: Path) -> None:
    """Law 4: each bit of a file of two writers, one after the other; unflipped nothing is found."""
    log = Log(tmp_path).written(2)
    content, heads = log.path.read_bytes(), heads_in(log.heads.read_bytes())

    def found(changed: bytes) -> list[Finding]:
        checked = Verification([KEY.encode()], heads)
        lines = BytesIO(changed).readlines()
        return [*checked.read(lines, name="x"), *checked.end()]

    assert found(content) == []
    passed = 0
    for place in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            passed += not found(bytes(flipped))
    assert passed == 0
    print(f"flipped {len(content) * 8} bits")


def test_what_was_written_is_whole(log: Log) -> None:
    """Twelve lines of two writers, none of them beyond what the witness has seen; a reader sees the records."""
    told = "12 lines of 2 writers are as they were written, 0 came after the newest head"
    assert told in log.verify().stdout
    found = JsonLines(log.path).find("c-3")
    assert found == record(3)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_tail_that_is_cut_off_is_truncated(log: Log, count: int) -> None:
    """A chain alone doesn't miss its end: the witness does."""
    mine = writer_of(log.path.read_bytes().splitlines()[-1])

    def cut(lines: Lines) -> Lines:
        own = [line for line in lines if writer_of(line) == mine]
        return [line for line in lines if line not in own[-count:]]

    log.change(cut)
    done = log.verify()
    assert done.exit_code == 4, done.stdout
    told = f"truncated: writer {mine} ends with line {6 - count} of its own, and the witness has seen 6"
    assert told in done.stdout


def test_a_writer_of_whom_nothing_is_left_is_missing(log: Log) -> None:
    """All lines of one process are gone, or the whole file is."""
    mine = writer_of(log.path.read_bytes().splitlines()[0])
    log.change(lambda lines: [line for line in lines if writer_of(line) != mine])
    done = log.verify()
    assert (done.exit_code, f"missing: writer {mine}" in done.stdout) == (5, True)
    log.path.write_bytes(b"")
    assert log.verify().exit_code == 5


def test_who_knows_the_key_cannot_change_what_was_witnessed(log: Log) -> None:
    """A whole chain written anew with the right key isn't the one that the witness has seen."""
    mine = writer_of(log.path.read_bytes().splitlines()[0])

    def anew(lines: Lines) -> Lines:
        before, made = "0" * 32, []
        for line in lines:
            if writer_of(line) != mine:
                made.append(line)
                continue
            sequence = json.loads(line)["chain"][1]
            said = msgspec.json.encode(decode_record(line)).replace(b"proven", b"ignored")
            before = link_of(KEY.encode(), before, mine, sequence, said)
            made.append(said[:-1] + f',"chain":["{mine}",{sequence},"{before}"]}}\n'.encode())
        return made

    log.change(anew)
    done = log.verify()
    assert (done.exit_code, "the one that the witness has seen" in done.stdout) == (3, True)


def test_a_head_of_nobodys_is_broken(log: Log) -> None:
    """A seal of another key, or a changed number, is told; a part of a head at the end is none."""
    with log.heads.open("ab") as file:
        file.write(b'{"writer": "')
    assert log.verify().exit_code == 0
    log.heads.write_bytes(log.heads.read_bytes().rsplit(b"\n", 1)[0] + b"\n")
    forged = sealed(Head("0" * 16, 3, "0" * 32, datetime.now(UTC)), OTHER.encode())
    FileWitness(log.heads)(forged)
    done = log.verify()
    assert (done.exit_code, "1 heads of the witness" in done.stdout) == (3, True)
    assert log.verify("--key", "OTHER_KEY").exit_code == 5


@pytest.mark.parametrize("heads", [b"", b"no head\n", b'{"writer": "x"}\n'])
def test_a_witness_that_says_nothing_is_refused(log: Log, heads: bytes) -> None:
    """Empty is never unset: without a head nothing could be missing."""
    log.heads.write_bytes(heads)
    assert log.verify().exit_code == 2


def test_a_slip_is_told(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that isn't there, a variable that isn't set, a key of another chain."""
    assert log.verify(files=(log.path, log.path.with_name("absent"))).exit_code == 2
    done = log.verify("--key", "NO_SUCH_KEY")
    assert (done.exit_code, "NO_SUCH_KEY isn't set" in " ".join(done.output.split())) == (2, True)
    assert "optional" not in done.output
    monkeypatch.setenv("EVENTS_KEY", OTHER)
    assert log.verify().exit_code == 3


def test_files_that_were_rotated_are_read_one_after_the_other(tmp_path: Path) -> None:
    """A chain goes on over files; where the first is deleted on purpose, --since says so."""
    log, old = Log(tmp_path), tmp_path / "events.jsonl.1"
    sink = log.sink()
    for number in range(3):
        sink.emit(record(number))
    assert sink.flush()
    log.path.rename(old)
    sink.emit(record(3))
    sink.emit(record(4))
    sink.close()
    assert log.verify(files=(old, log.path)).exit_code == 0
    assert log.verify().exit_code == 3
    assert log.verify("--since", "2026-01-01").exit_code == 6
    assert log.verify("--since", "9999-01-01").exit_code == 0
    log.path.write_bytes(b"")
    assert log.verify("--since", "2026-01-01").exit_code == 5
    assert log.verify("--since", "9999-01-01").exit_code == 0


class Dated:
    """One writer's chain with a head after each line, a day apart each.

    Args:
        folder: For its files.
        heads: After which lines the witness was told.
    """

    def __init__(self, folder: Path, heads: tuple[int, ...]) -> None:
        self.log = Log(folder)
        self.writer, link, witness = "0" * 16, "0" * 32, FileWitness(self.log.heads)
        self.lines: Lines = []
        for number in range(1, 7):
            said = msgspec.json.encode(record(number))
            link = link_of(KEY.encode(), link, self.writer, number, said)
            self.lines.append(
                said[:-1] + f',"chain":["{self.writer}",{number},"{link}"]}}\n'.encode()
            )
            if number in heads:
                head = Head(self.writer, number, link, datetime(2026, 1, number, tzinfo=UTC))
                witness(sealed(head, KEY.encode()))

    def verify(self, since: int, lines: Lines) -> Result:
        """Verify some lines; what is older than a day of January was deleted on purpose."""
        self.log.path.write_bytes(b"".join(lines))
        return self.log.verify("--since", f"2026-01-{since:02}")


@pytest.mark.parametrize("heads", [(1, 2, 3, 4, 5, 6), (1, 4, 6)])
def test_a_beginning_that_is_younger_than_since_was_cut_off(
    tmp_path: Path, heads: tuple[int, ...]
) -> None:
    """The witness says when it had seen a line: one that is missing and was written later fails.

    The twin: what it had seen by that day may be gone.
    """
    made = Dated(tmp_path, heads)
    done = made.verify(2, made.lines[3:])
    assert done.exit_code == 6, done.stdout
    assert f"beheaded: events.jsonl:1: writer {made.writer} begins with line 4" in done.stdout
    assert made.verify(4, made.lines[3:]).exit_code == 0
    assert made.verify(6, made.lines).exit_code == 0
    assert made.verify(2, made.lines).exit_code == 0


def test_the_first_line_is_proven_where_the_witness_has_seen_the_one_before(tmp_path: Path) -> None:
    """A text that is changed there is broken; without such a head it is said to be unproven."""
    made = Dated(tmp_path, (1, 3, 6))
    done = made.verify(3, made.lines[3:])
    assert (done.exit_code, "begins in its middle" in done.stdout) == (0, False), done.stdout
    changed = [made.lines[3].replace(b"proven", b"ignored"), *made.lines[4:]]
    assert changed[0] != made.lines[3]
    assert made.verify(3, changed).exit_code == 3
    done = made.verify(6, made.lines[4:])
    assert (done.exit_code, "1 chain begins in its middle" in done.stdout) == (0, True)
    last = made.lines[5]
    assert made.verify(6, [last]).exit_code == 0
    link = json.loads(last)["chain"][2].encode()
    assert made.verify(6, [last.replace(link, b"1" * 32)]).exit_code == 3


def test_a_witness_that_fails_is_told_again_and_holds_no_line_up(tmp_path: Path) -> None:
    """Lines are written meanwhile; the last head comes with the end."""
    told: list[Head] = []
    is_down = [True]

    def witness(head: Head) -> None:
        if is_down[0]:
            raise ConnectionError
        told.append(head)

    sink = Log(tmp_path).sink(witness=witness)
    for number in range(4):
        sink.emit(record(number))
        assert sink.flush()
    assert not told
    is_down[0] = False
    sink.close()
    assert told[-1].sequence == 4
    assert sink.dropped == 0


def test_a_head_goes_out_after_so_many_lines(tmp_path: Path) -> None:
    """The first with the first line, then every so many, without waiting for the time."""
    told: list[int] = []
    is_there = threading.Event()

    def witness(head: Head) -> None:
        told.append(head.sequence)
        is_there.set()

    sink = Log(tmp_path).sink(witness=witness, every=5, within=timedelta(hours=1))
    for number in range(11):
        if number in (1, 6):
            assert is_there.wait(10)
            is_there.clear()
        sink.emit(record(number))
        assert sink.flush()
    assert is_there.wait(10)
    sink.close()
    assert told[:2] == [1, 6] or told[:2] == [1, 5]
    assert told[-1] == 11


def test_a_forked_child_has_a_chain_of_its_own(tmp_path: Path) -> None:
    """Two processes never continue one chain."""
    log = Log(tmp_path)
    sink = log.sink()
    sink.emit(record(1))
    assert sink.flush()
    child = os.fork()
    if child == 0:
        sink.emit(record(2))
        sink.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    sink.emit(record(3))
    sink.close()
    done = log.verify()
    assert (done.exit_code, "3 lines of 2 writers" in done.stdout) == (0, True), done.stdout


def test_a_disk_that_takes_a_part_breaks_no_chain(tmp_path: Path, disk: Disk) -> None:
    """The torn line is a fragment; the record stands whole behind it, under its own number."""
    log = Log(tmp_path)
    sink = log.sink(witness=lambda head: log.heads.write_bytes(msgspec.json.encode(head) + b"\n"))
    disk.is_full = True
    for number in range(5):
        sink.emit(record(number))
    assert not sink.flush()
    disk.is_full, disk.takes = False, [400]
    assert not sink.flush()
    sink.close()
    done = log.verify()
    assert (done.exit_code, "5 lines of 1 writer " in done.stdout) == (0, True), done.stdout
    assert "1 line is a part of one" in done.stdout


KILLED = """
import os, signal, sys
from io import BytesIO
from pathlib import Path
from tests.events.test_chain import Log, record
sink = Log(Path(sys.argv[1])).sink()
for number in range(900):
    sink.emit(record(number))
    if number == 500:
        sink.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_was_killed_leaves_a_whole_chain(tmp_path: Path) -> None:
    """What the witness hasn't seen is told as such; the next process begins its own, on a line of its own."""
    log = Log(tmp_path)
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    with log.path.open("ab") as file:
        file.write(b'{"crossing_id": "c-torn')
    sink = log.sink()
    sink.emit(record(1000))
    sink.close()
    done = log.verify()
    assert done.exit_code == 0, done.stdout
    assert "of 2 writers" in done.stdout
    assert "1 line is a part of one" in done.stdout


@pytest.mark.parametrize("key", ["", "short", "changeme-changeme", Secret.env("NO_SUCH_KEY")])
def test_a_chain_without_a_key_does_not_start(tmp_path: Path, key: Any) -> None:
    """The start says so, before anything crosses; with a key it starts."""
    log = Log(tmp_path)
    proxy = ProxyPolicy(trusted=("10.0.0.0/8",), header="x-forwarded-for", hosts=("api.example",))
    keyless = Perimeter(events=log.sink(key=key))
    keyless.declare(Forwarded("edge", proxy))
    with pytest.raises(BoundaryError, match="no key"):
        keyless.start()
    perimeter = Perimeter(events=log.sink())
    perimeter.declare(Forwarded("edge", proxy))
    with perimeter:
        perimeter.recorder.tell(record(1))
    assert log.verify().exit_code == 0


@pytest.mark.parametrize("wrong", [{"every": 0}, {"within": timedelta(0)}])
def test_a_head_that_never_goes_out_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """Empty is never unset; and one chain has one sink."""
    with pytest.raises(BoundaryError):
        Log(tmp_path).sink(**wrong)
    with pytest.raises(BoundaryError):
        FileWitness("")
    chain = Chain(KEY, FileWitness(tmp_path / "heads.jsonl"))
    JsonLines(tmp_path / "a.jsonl", chain=chain)
    with pytest.raises(BoundaryError, match="two sinks"):
        JsonLines(tmp_path / "b.jsonl", chain=chain)


def test_a_text_that_looks_like_a_link_is_none(tmp_path: Path) -> None:
    """JSON escapes its quotation marks: a detail can't pass for the end of a line."""
    log = Log(tmp_path)
    sink = JsonLines(log.path, delay=AT_ONCE, chain=Chain(KEY, FileWitness(log.heads)))
    looks = f',"chain":["{"0" * 16}",1,"{"0" * 32}"]}}'
    sink.emit(Record("c-1", datetime.now(UTC), "b", "webhook", Outcome.REFUSED, detail=looks))
    sink.close()
    assert log.verify().exit_code == 0


def test_a_line_that_is_nested_without_end_stops_no_verification(tmp_path: Path) -> None:
    """CWE-674: who can write to the file puts one in; what is behind it is read, and is found."""
    lines = Log(tmp_path).written().path.read_bytes().splitlines(keepends=True)
    deep = b'{"x":' + b"[" * 100_000 + b"\n"
    whole, cut = (Verification([KEY.encode()], []) for _ in range(2))
    assert list(whole.read([deep, *lines], name="events")) == []
    assert (whole.lines, whole.fragments) == (len(lines), 1)
    assert [each.problem for each in cut.read([deep, *lines[2:]], name="events")] != []
