"""One JSON object a line in a file that several processes append to."""

import os
from pathlib import Path
from typing import Final

from pratique.core.event import Record, decode_record, encode_record
from pratique.core.refusal import BoundaryError

MAX_SEARCH_BYTES: Final = 256 << 20
"""`find` reads so much of the end of the file."""


class JsonLines:
    """A sink that appends: one write a record, so that lines of two workers never mix (O_APPEND).

    Control characters and terminal escapes are escaped by JSON: a record is one line whatever a
    name holds (CWE-117).

    Args:
        path: Of the file, made with mode 0600 where it is absent.
    """

    def __init__(self, path: str | Path) -> None:
        if not str(path):
            message = "JsonLines('') names no file."
            raise BoundaryError(message)
        self._path = Path(path)
        self._file: int | None = None
        self._pid = 0

    def emit(self, record: Record) -> None:
        """Append one record. OSError where the disk refuses: the recorder counts it as dropped."""
        line = encode_record(record) + b"\n"
        if os.write(self._descriptor(), line) != len(line):
            message = "the disk took a part of the line"
            raise OSError(message)

    def find(self, crossing_id: str) -> Record | None:
        """Return the record of that crossing, the newest first."""
        needle = crossing_id.encode()
        for line in reversed(self._lines()):
            if needle in line:
                record = _decoded(line)
                if record is not None and record.crossing_id == crossing_id:
                    return record
        return None

    def close(self) -> None:
        """Close the file; the next record opens it again."""
        if self._file is not None and self._pid == os.getpid():
            os.close(self._file)
        self._file = None

    def _descriptor(self) -> int:
        if self._file is None:
            self._file = os.open(
                self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            self._pid = os.getpid()
        return self._file

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
