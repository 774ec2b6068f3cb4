"""The newest records in a SQLite file, to be asked for one crossing at a time."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pratique.core.event import Record, decode_record, encode_record
from pratique.core.forks import generation, rest_before_fork

from .gap import gap_record
from .writer import DELAY, MAX_WAITING_BYTES, MAX_WAITING_LINES, Writer, check_bounds

MAX_AGE: Final = timedelta(days=14)
MAX_ROWS: Final = 1_000_000
"""About 0.5 GB. What is older goes to a file of JSON lines and on to whoever keeps it."""
BUSY: Final = 5.0
"""Seconds that a batch waits for another process's."""
MAGIC: Final = b"SQLite format 3\x00"
"""Source: SQLite, "Database File Format", section 1.3."""
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_SCHEMA: Final = """\
CREATE TABLE IF NOT EXISTS pratique_event (
    serial INTEGER PRIMARY KEY, crossing_id TEXT NOT NULL, at INTEGER NOT NULL, record BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS pratique_event_crossing ON pratique_event (crossing_id);
CREATE INDEX IF NOT EXISTS pratique_event_at ON pratique_event (at);
"""
_INSERT: Final = "INSERT INTO pratique_event (crossing_id, at, record) VALUES (?, ?, ?)"
_TOO_OLD: Final = "DELETE FROM pratique_event WHERE at < ?"
_TOO_MANY: Final = (
    "DELETE FROM pratique_event WHERE serial <= (SELECT max(serial) FROM pratique_event) - ?"
)
_FIND: Final = (
    "SELECT record FROM pratique_event WHERE crossing_id = ? ORDER BY serial DESC LIMIT 1"
)
_abandoned: Final[list[Any]] = []
"""Connections of a parent process: a forked child neither uses nor closes them."""


class SqliteEvents:
    """A sink that keeps a window of the newest records, by their crossing ids.

    A record costs the request a place in a queue; a thread writes batches, a transaction each
    (WAL, synchronous=NORMAL: a power cut can take the last of them, never the file). Several
    processes write one file. What a kill -9 takes and what is counted as `dropped`: see
    `JsonLines`.

    Args:
        path: Of the file, made with mode 0600 where it is absent.
        max_age: Of the oldest record, counted back from the newest.
        max_rows: That are kept.
        max_records: That wait for the disk.
        max_bytes: Of records that wait for the disk.
        delay: Longest time between two batches; `AT_ONCE`: the request itself writes.

    Raises:
        BoundaryError: there is no path, a bound isn't above zero, or the delay is below it.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        max_age: timedelta = MAX_AGE,
        max_rows: int = MAX_ROWS,
        max_records: int = MAX_WAITING_LINES,
        max_bytes: int = MAX_WAITING_BYTES,
        delay: timedelta = DELAY,
    ) -> None:
        age = max_age // _MILLISECOND
        check_bounds("SqliteEvents", path, age, max_rows, max_records, max_bytes, delay=delay)
        self._path = Path(path)
        self._max_age, self._max_rows = age, max_rows
        self._at = _EPOCH
        self._connection: Any = None
        self._process = -1
        self._writer = Writer(
            self._keep,
            name=f"SqliteEvents({self._path.name})",
            most=max_records,
            most_bytes=max_bytes,
            delay=delay,
            gap=self._gap,
            ended=self._close_file,
        )
        rest_before_fork(self, SqliteEvents._rest)

    def emit(self, record: Record) -> None:
        """Let one record wait to be kept; never block."""
        self._at = record.at
        self._writer.put(encode_record(record))

    @property
    def dropped(self) -> int:
        """Return how many records were never written: the queue was full, or the disk refused."""
        return self._writer.dropped

    def debts(self) -> list[str]:
        """Return nothing: a file that can't be written is counted, and stops no start."""
        return []

    def flush(self) -> bool:
        """Keep what waits; say whether all of it was. For a reader of the file."""
        return self._writer.drain()

    def find(self, crossing_id: str) -> Record | None:
        """Return the record of that crossing, the newest first; None where the file has none."""
        self.flush()
        if not self._path.exists():
            return None
        import sqlite3

        with suppress(sqlite3.Error, ValueError), closing(_reading(self._path)) as db:
            row = db.execute(_FIND, (crossing_id,)).fetchone()
            return decode_record(row[0]) if row is not None else None
        return None

    def close(self) -> None:
        """Keep what waits and close the file; the next record opens it again."""
        self._writer.close()

    def _keep(self, lines: list[bytes]) -> int:
        rows = [(each.crossing_id, _milliseconds(each.at), line) for each, line in _decoded(lines)]
        db = self._opened()
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(_INSERT, rows)
            db.execute(_TOO_OLD, (max(at for _, at, _ in rows) - self._max_age,))
            db.execute(_TOO_MANY, (self._max_rows,))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return len(lines)

    def _opened(self) -> Any:
        if self._connection is not None and self._process != generation():
            _abandoned.append(self._connection)
            self._connection = None
        if self._connection is None:
            import sqlite3

            # Closed by hand, a file that is open already would lose this process's locks on it.
            if not self._path.exists():
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            db = sqlite3.connect(
                self._path, timeout=BUSY, isolation_level=None, check_same_thread=False
            )
            try:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")
                db.executescript(_SCHEMA)
            except BaseException:
                db.close()
                raise
            self._connection, self._process = db, generation()
        return self._connection

    def _close_file(self) -> None:
        if self._connection is not None and self._process == generation():
            self._connection.close()
            self._connection = None

    def _rest(self) -> Callable[[], object]:
        # SQLite's locks are the process's: a child must not inherit an open file.
        return self._writer.rest(self._close_file)

    def _gap(self, lost: int) -> bytes:
        return encode_record(gap_record(lost, at=self._at))


def is_sqlite(path: Path) -> bool:
    """Say whether a file is one of SQLite's, by its first bytes.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def rows_of(path: Path) -> Iterator[bytes]:
    """Yield every record of a file, as JSON, the oldest first.

    Raises:
        OSError: it can't be read.
    """
    import sqlite3

    try:
        with closing(_reading(path)) as db:
            for (record,) in db.execute("SELECT record FROM pratique_event ORDER BY serial"):
                yield bytes(record)
    except sqlite3.Error as error:
        raise OSError(0, str(error), str(path)) from None


def _reading(path: Path) -> Any:
    import sqlite3

    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY)


def _decoded(lines: list[bytes]) -> Iterator[tuple[Record, bytes]]:
    return ((decode_record(line), line) for line in lines)


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MILLISECOND
