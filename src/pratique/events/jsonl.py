"""One JSON object a line in a file that several processes append to."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pratique.core.event import Record, decode_record, encode_record

from .chain import Chain
from .gap import gap_record
from .writer import DELAY, MAX_WAITING_BYTES, MAX_WAITING_LINES, Writer, check_bounds

MAX_SEARCH_BYTES: Final = 256 << 20
"""`find` reads so much of the end of the file."""
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class JsonLines:
    """A sink that appends: a record costs the request a place in a queue, a thread writes them.

    A batch is one write of whole lines (O_APPEND), so that those of two workers never mix. Control
    characters and terminal escapes are escaped by JSON: a record is one line whatever a name holds
    (CWE-117). A file that was moved away, by logrotate for one, is made anew at its path.

    What the process keeps is lost with it: a kill -9 takes what came since the last batch (50 ms),
    a power cut what the kernel hadn't written. The refusals and effects that a store keeps are in
    its own transaction. What doesn't fit into the queue is counted as `dropped`, and a record in
    the file says how many (code "events_dropped").

    Args:
        path: Of the file, made with mode 0600 where it is absent.
        max_records: That wait for the disk.
        max_bytes: Of lines that wait for the disk.
        delay: Longest time between two batches. `AT_ONCE`: the request itself writes its record,
            which costs it a write of the disk's, and a kill -9 takes none.
        chain: Links the lines of each process, for `pratique events verify`.

    Raises:
        BoundaryError: there is no path, nothing may wait, the delay is below zero, or the chain is
            another sink's.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        max_records: int = MAX_WAITING_LINES,
        max_bytes: int = MAX_WAITING_BYTES,
        delay: timedelta = DELAY,
        chain: Chain | None = None,
    ) -> None:
        check_bounds("JsonLines", path, max_records, max_bytes, delay=delay)
        self._path = Path(path)
        self._file: int | None = None
        self._is_torn = False
        self._chain = chain.take() if chain is not None else None
        self._at = _EPOCH
        self._writer = Writer(
            self._append,
            name=f"JsonLines({self._path.name})",
            most=max_records,
            most_bytes=max_bytes,
            delay=delay,
            gap=self._gap,
            ended=self._end,
        )

    def emit(self, record: Record) -> None:
        """Let one record wait to be appended; never block."""
        self._at = record.at
        self._writer.put(encode_record(record) + b"\n")

    @property
    def dropped(self) -> int:
        """Return how many records were never written: the queue was full, or the disk refused."""
        return self._writer.dropped

    def debts(self) -> list[str]:
        """Return what its chain lacks. A disk that refuses is counted, and stops no start."""
        return self._chain.debts() if self._chain is not None else []

    def flush(self) -> bool:
        """Append what waits; say whether all of it was. For a reader of the file."""
        return self._writer.drain()

    def find(self, crossing_id: str) -> Record | None:
        """Return the record of that crossing, the newest first."""
        self.flush()
        needle = crossing_id.encode()
        for line in reversed(self._lines()):
            if needle in line:
                record = _decoded(line)
                if record is not None and record.crossing_id == crossing_id:
                    return record
        return None

    def close(self) -> None:
        """Append what waits and close the file; the next record opens it again."""
        self._writer.close()

    def _append(self, lines: list[bytes]) -> int:
        chain = self._chain
        if chain is None:
            return self._write(lines)
        kept = self._write(chain.bind(lines))
        chain.kept(kept)
        return kept

    def _write(self, lines: list[bytes]) -> int:
        file = self._descriptor()
        content = b"".join([b"\n", *lines] if self._is_torn else lines)
        before = int(self._is_torn)
        taken = os.write(file, content)
        if taken == len(content):
            self._is_torn = False
            return len(lines)
        if taken:  # a full disk takes a part: whole lines count, the next write ends a torn one
            self._is_torn = content[taken - 1 : taken] != b"\n"
        return max(0, content.count(b"\n", 0, taken) - before)

    def _descriptor(self) -> int:
        if self._file is not None and not self._is_in_place(self._file):
            self._close_file()
        if self._file is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(self._path, flags, 0o600)
            self._is_torn = self._ends_torn(os.fstat(self._file))
        return self._file

    def _ends_torn(self, found: os.stat_result) -> bool:
        """Say whether a process that was killed has left a part of a line."""
        if not stat.S_ISREG(found.st_mode) or not found.st_size:
            return False  # a pipe, as /dev/stdout may be one, isn't read
        try:
            with self._path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read(1) != b"\n"
        except OSError:
            return False  # it may be written and not read

    def _is_in_place(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False

    def _end(self) -> None:
        self._close_file()
        if self._chain is not None:
            self._chain.close()

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = None
        self._is_torn = False

    def _gap(self, lost: int) -> bytes:
        return encode_record(gap_record(lost, at=self._at)) + b"\n"

    def _lines(self) -> list[bytes]:
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - MAX_SEARCH_BYTES))
                return file.read().splitlines()
        except FileNotFoundError:
            return []


def _decoded(line: bytes) -> Record | None:
    try:
        return decode_record(line)
    except ValueError:
        return None  # the first line of a search can be cut
