"""The tables and every statement of the SQL stores, once.

Generators that yield statements and are sent rows.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

from pratique.core.event import Record, decode_record, encode_record
from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.store import Busy, Conflict, Held, HoldAnswer, Settled

T = TypeVar("T")
Rows = Sequence[Sequence[Any]]
Statement = tuple[str, dict[str, Any]]
Steps = Generator[Statement, Rows, T]
SCHEMA_VERSION: Final = 1
ENDED: Final = "the handler ended the transaction that its effect and its single use share"
PROBE: Final = b"pratique start-up probe"


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where the databases differ.

    Args:
        name: "sqlite", "postgresql".
        now: The store's own clock in milliseconds since 1970: leases are judged by it, never by a worker's clock.
        blob: The type of bytes.
        alone: The statements that let one process at a time make the tables, where the transaction doesn't see to it.
        present: The statement that counts which of the tables are there.
    """

    name: str
    now: str
    blob: str
    present: str
    alone: tuple[str, ...] = ()

    def tables(self) -> tuple[str, ...]:
        """Return the statements that make the tables where they are absent."""
        return tuple(statement.replace("BYTES", self.blob) for statement in _TABLES)


_NAMES: Final = ("pratique_store", "pratique_key", "pratique_event", "pratique_refusal")
_QUOTED_NAMES: Final = ", ".join(f"'{name}'" for name in _NAMES)
SQLITE: Final = Dialect(
    "sqlite",
    "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "BLOB",
    f"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ({_QUOTED_NAMES})",
)
POSTGRESQL: Final = Dialect(
    "postgresql",
    "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
    "BYTEA",
    f"SELECT count(to_regclass(name)) FROM unnest(ARRAY[{_QUOTED_NAMES}]) AS wanted(name)",
    # CREATE TABLE IF NOT EXISTS fails with a unique violation where two run at once. The number is
    # "pratique" in hex.
    ("SELECT pg_advisory_xact_lock(8102093121126167909)",),
)
DIALECTS: Final = {dialect.name: dialect for dialect in (SQLITE, POSTGRESQL)}

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS pratique_store (identity TEXT PRIMARY KEY, version INTEGER NOT NULL)",
    # state 0 held, 1 settled. token grows with each takeover and is never given twice. A settled
    # key stays for good.
    "CREATE TABLE IF NOT EXISTS pratique_key (key BYTES PRIMARY KEY, state SMALLINT NOT NULL, token BIGINT NOT NULL, "
    "expires_ms BIGINT, fingerprint BYTES NOT NULL, result BYTES NOT NULL, crossing_id TEXT NOT NULL, at_ms BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS pratique_event (crossing_id TEXT PRIMARY KEY, at_ms BIGINT NOT NULL, "
    "boundary TEXT NOT NULL, outcome TEXT NOT NULL, record TEXT NOT NULL)",
    # One row a (boundary, key, code): a delivery replayed for ever fills no disk. content: it is a
    # dead letter.
    "CREATE TABLE IF NOT EXISTS pratique_refusal (boundary TEXT NOT NULL, key BYTES NOT NULL, code TEXT NOT NULL, "
    "first_ms BIGINT NOT NULL, last_ms BIGINT NOT NULL, times BIGINT NOT NULL, crossing_id TEXT NOT NULL, "
    "record TEXT NOT NULL, content BYTES, PRIMARY KEY (boundary, key, code))",
    "CREATE INDEX IF NOT EXISTS pratique_refusal_crossing ON pratique_refusal (crossing_id)",
)


def make_tables(dialect: Dialect, identity: str) -> Steps[None]:
    """Make what is absent; refuse tables of a later version."""
    # CREATE TABLE IF NOT EXISTS asks for the right to create, also where there is nothing to do.
    if (yield dialect.present, {})[0][0] < len(_NAMES):
        for statement in (*dialect.alone, *dialect.tables()):
            yield statement, {}
    found = yield "SELECT version FROM pratique_store", {}
    if not found:
        yield (
            "INSERT INTO pratique_store (identity, version) VALUES (:identity, :version) ON CONFLICT (identity) DO NOTHING",
            {"identity": identity, "version": SCHEMA_VERSION},
        )
    elif found[0][0] > SCHEMA_VERSION:
        message = f"the store's tables have version {found[0][0]}, this pratique knows {SCHEMA_VERSION}. Upgrade pratique."
        raise BoundaryError(message)


def first_use(dialect: Dialect, keys: Sequence[bytes], crossing_id: str) -> Steps[bytes | None]:
    """Write the keys as settled.

    Return the first that was there, and leave the undoing to the transaction.
    """
    keys = tuple(dict.fromkeys(keys))
    if not keys:
        raise StoreError("the first use of no key was asked for")
    values = ", ".join(
        f"(:key{n}, 1, 0, NULL, :empty, :empty, :crossing, {dialect.now})" for n in range(len(keys))
    )
    rows = yield (
        "INSERT INTO pratique_key (key, state, token, expires_ms, fingerprint, result, crossing_id, at_ms) "
        f"VALUES {values} ON CONFLICT (key) DO NOTHING RETURNING key",
        {"empty": b"", "crossing": crossing_id, **{f"key{n}": key for n, key in enumerate(keys)}},
    )
    if len(rows) == len(keys):
        return None
    new = {bytes(row[0]) for row in rows}
    return next(key for key in keys if key not in new)


def is_there(key: bytes) -> Steps[bool]:
    """Say whether the key has a row."""
    return bool((yield "SELECT 1 FROM pratique_key WHERE key = :key", {"key": key}))


def forget(key: bytes) -> Steps[None]:
    """Delete a key: the start-up probe's alone."""
    yield "DELETE FROM pratique_key WHERE key = :key", {"key": key}


def hold(
    dialect: Dialect, key: bytes, *, lease: timedelta, fingerprint: bytes, crossing_id: str
) -> Steps[HoldAnswer]:
    """Take the key, or take over an expired hold with a higher token, or say why not."""
    given = {
        "key": key,
        "lease": int(lease.total_seconds() * 1000),
        "fingerprint": fingerprint,
        "empty": b"",
        "crossing": crossing_id,
    }
    rows = yield (
        "INSERT INTO pratique_key (key, state, token, expires_ms, fingerprint, result, crossing_id, at_ms) "
        f"VALUES (:key, 0, 1, {dialect.now} + :lease, :fingerprint, :empty, :crossing, {dialect.now}) "
        "ON CONFLICT (key) DO NOTHING RETURNING token",
        given,
    )
    if not rows:
        del given["empty"]
        rows = yield (
            f"UPDATE pratique_key SET token = token + 1, expires_ms = {dialect.now} + :lease, fingerprint = :fingerprint, "
            f"crossing_id = :crossing WHERE key = :key AND state = 0 AND expires_ms <= {dialect.now} RETURNING token",
            given,
        )
    if rows:
        return Held(int(rows[0][0]))
    found = yield (
        f"SELECT state, fingerprint, result, expires_ms - {dialect.now} FROM pratique_key WHERE key = :key",
        {"key": key},
    )
    if not found:
        return Busy(timedelta(seconds=1))
    state, known, result, left = found[0]
    if bytes(known) != fingerprint:
        return Conflict()
    return Settled(bytes(result)) if state else Busy(timedelta(milliseconds=max(1, int(left))))


def settle(key: bytes, token: int, result: bytes, record: Record | None) -> Steps[bool]:
    """Make our hold final; nothing is written where its token is no longer in force."""
    rows = yield (
        "UPDATE pratique_key SET state = 1, result = :result, expires_ms = NULL "
        "WHERE key = :key AND state = 0 AND token = :token AND expires_ms > 0 RETURNING key",
        {"key": key, "token": token, "result": result},
    )
    if rows and record is not None:
        yield event(record)
    return bool(rows)


def release(key: bytes, token: int) -> Steps[bool]:
    """End our lease now. The row stays, so that its token is never given again."""
    rows = yield (
        "UPDATE pratique_key SET expires_ms = 0 WHERE key = :key AND state = 0 AND token = :token AND expires_ms > 0 RETURNING key",
        {"key": key, "token": token},
    )
    return bool(rows)


def event(record: Record) -> Statement:
    """Return the statement that keeps the record of a state change."""
    return (
        "INSERT INTO pratique_event (crossing_id, at_ms, boundary, outcome, record) "
        "VALUES (:crossing, :at, :boundary, :outcome, :record)",
        {
            "crossing": record.crossing_id,
            "at": _ms(record),
            "boundary": record.boundary,
            "outcome": record.outcome.value,
            "record": encode_record(record).decode(),
        },
    )


def event_beside(record: Record, key: bytes) -> Steps[bool]:
    """Keep the record of a state change where its key is still in the transaction; else return False.

    SQLite ends a transaction by itself on INSERT OR ROLLBACK: what comes after it has no key.
    """
    _, given = event(record)
    rows = yield (
        "INSERT INTO pratique_event (crossing_id, at_ms, boundary, outcome, record) "
        "SELECT CAST(:crossing AS TEXT), CAST(:at AS BIGINT), CAST(:boundary AS TEXT), CAST(:outcome AS TEXT), "
        "CAST(:record AS TEXT) WHERE EXISTS (SELECT 1 FROM pratique_key WHERE key = :key) RETURNING crossing_id",
        {**given, "key": key},
    )
    return bool(rows)


def refusal(record: Record, key: bytes, content: bytes | None) -> Statement:
    """Return the statement that keeps a refusal, or counts it again."""
    return (
        "INSERT INTO pratique_refusal (boundary, key, code, first_ms, last_ms, times, crossing_id, record, content) "
        "VALUES (:boundary, :key, :code, :at, :at, 1, :crossing, :record, :content) "
        "ON CONFLICT (boundary, key, code) DO UPDATE SET last_ms = excluded.last_ms, "
        "times = pratique_refusal.times + 1, crossing_id = excluded.crossing_id, record = excluded.record",
        {
            "boundary": record.boundary,
            "key": key,
            "code": record.code or record.outcome.value,
            "at": _ms(record),
            "crossing": record.crossing_id,
            "record": encode_record(record).decode(),
            "content": content,
        },
    )


def one(statement: Statement) -> Steps[None]:
    """Turn a single statement into steps."""
    yield statement


def find(crossing_id: str) -> Steps[Record | None]:
    """Return the record of a crossing."""
    rows = yield (
        "SELECT record FROM pratique_event WHERE crossing_id = :crossing "
        "UNION ALL SELECT record FROM pratique_refusal WHERE crossing_id = :crossing",
        {"crossing": crossing_id},
    )
    return decode_record(rows[0][0]) if rows else None


def _ms(record: Record) -> int:
    return int(record.at.timestamp() * 1000)
