"""The tables and every statement of the SQL stores, once.

Generators that yield statements and are sent rows.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeVar

from pratique.core.event import Record, decode_record, encode_record
from pratique.core.refusal import BoundaryError, StoreBusy, StoreError
from pratique.core.store import Busy, Conflict, Counted, Held, HoldAnswer, Kept, Settled

T = TypeVar("T")
Statement = tuple[str, dict[str, Any]]


class Result(NamedTuple):
    """What a statement did: the rows that it returned, the number that it wrote."""

    rows: Sequence[Sequence[Any]]
    written: int


Steps = Generator[Statement, Result, T]
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


TABLE_NAMES: Final = ("pratique_store", "pratique_key", "pratique_refusal")
_QUOTED_NAMES: Final = ", ".join(f"'{name}'" for name in TABLE_NAMES)
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
    # state 0 held, 1 settled, 2 taken back. token grows with each takeover and is never given twice; of what was taken back it is the
    # moment in milliseconds. A settled key stays for good, unless its kind is one that core/sweep.py lets go. A key that is counted is held
    # till its window ends, token says how often. record: the event of the crossing, beside the last of its keys: that one outlives the others.
    "CREATE TABLE IF NOT EXISTS pratique_key (key BYTES PRIMARY KEY, state SMALLINT NOT NULL, token BIGINT NOT NULL, "
    "expires_ms BIGINT, fingerprint BYTES NOT NULL, result BYTES NOT NULL, crossing_id TEXT NOT NULL, at_ms BIGINT NOT NULL, "
    "record TEXT)",
    "CREATE INDEX IF NOT EXISTS pratique_key_event ON pratique_key (crossing_id) WHERE record IS NOT NULL",
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
    if (yield dialect.present, {}).rows[0][0] < len(TABLE_NAMES):
        for statement in (*dialect.alone, *dialect.tables()):
            yield statement, {}
    found = yield "SELECT version FROM pratique_store", {}
    if not found.rows:
        yield (
            "INSERT INTO pratique_store (identity, version) VALUES (:identity, :version) ON CONFLICT (identity) DO NOTHING",
            {"identity": identity, "version": SCHEMA_VERSION},
        )
    elif found.rows[0][0] > SCHEMA_VERSION:
        message = f"the store's tables have version {found.rows[0][0]}, this pratique knows {SCHEMA_VERSION}. Upgrade pratique."
        raise BoundaryError(message)


def first_use(
    dialect: Dialect, keys: Sequence[bytes], crossing_id: str, record: Record | None = None
) -> Steps[bytes | None]:
    """Write the keys as settled, the last with the record of the crossing.

    A hold that has ended is taken over. Return the first key that is settled already, and leave
    the undoing to the transaction.

    Raises:
        StoreBusy: somebody else holds one of them.
    """
    keys = tuple(dict.fromkeys(keys))
    if not keys:
        raise StoreError("the first use of no key was asked for")
    names = [f":key{n}" for n in range(len(keys))]
    given = {f"key{n}": key for n, key in enumerate(keys)}
    rest = f"1, 0, NULL, :empty, :empty, :crossing, {dialect.now}"
    values = ", ".join(
        f"({name}, {rest}, {':record' if name == names[-1] else 'NULL'})" for name in names
    )
    # Counted, not RETURNING: to fetch rows is one more wait for a driver that works on a thread.
    done = yield (
        "INSERT INTO pratique_key (key, state, token, expires_ms, fingerprint, result, crossing_id, at_ms, record) "
        f"VALUES {values} ON CONFLICT (key) DO UPDATE SET state = 1, token = pratique_key.token + 1, expires_ms = NULL, "
        "fingerprint = excluded.fingerprint, crossing_id = excluded.crossing_id, at_ms = excluded.at_ms, record = excluded.record "
        f"WHERE pratique_key.state = 0 AND pratique_key.expires_ms <= {dialect.now}",
        {
            **given,
            "empty": b"",
            "crossing": crossing_id,
            "record": encode_record(record).decode() if record is not None else None,
        },
    )
    if done.written == len(keys):
        return None
    used = yield from used_before(dialect, keys, crossing_id)
    if used is None:
        raise StoreBusy("another delivery of it was being handled a moment ago")
    return used


def used_before(dialect: Dialect, keys: Sequence[bytes], crossing_id: str) -> Steps[bytes | None]:
    """Return the first key that another crossing settled; None where all are free.

    Raises:
        StoreBusy: none is settled, and somebody else holds one.
    """
    given = {f"key{n}": key for n, key in enumerate(keys)}
    found = yield (
        f"SELECT key, state FROM pratique_key WHERE key IN ({', '.join(f':{name}' for name in given)}) "
        f"AND crossing_id <> :crossing AND (state = 1 OR expires_ms > {dialect.now})",
        {**given, "crossing": crossing_id},
    )
    states = {bytes(row[0]): row[1] for row in found.rows}
    used = next((key for key in keys if states.get(key)), None)
    if used is None and states:
        raise StoreBusy("another delivery of it is being handled")
    return used


def is_there(key: bytes) -> Steps[bool]:
    """Say whether the key has a row."""
    return bool((yield "SELECT 1 FROM pratique_key WHERE key = :key", {"key": key}).rows)


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
    held = yield (
        "INSERT INTO pratique_key (key, state, token, expires_ms, fingerprint, result, crossing_id, at_ms) "
        f"VALUES (:key, 0, 1, {dialect.now} + :lease, :fingerprint, :empty, :crossing, {dialect.now}) "
        "ON CONFLICT (key) DO NOTHING RETURNING token",
        given,
    )
    if not held.rows:
        del given["empty"]
        held = yield (
            f"UPDATE pratique_key SET token = token + 1, expires_ms = {dialect.now} + :lease, fingerprint = :fingerprint, "
            f"crossing_id = :crossing WHERE key = :key AND state = 0 AND expires_ms <= {dialect.now} RETURNING token",
            given,
        )
    if held.rows:
        return Held(int(held.rows[0][0]))
    found = yield (
        f"SELECT state, fingerprint, result, expires_ms - {dialect.now} FROM pratique_key WHERE key = :key",
        {"key": key},
    )
    if not found.rows:
        return Busy(timedelta(seconds=1))
    state, known, result, left = found.rows[0]
    if bytes(known) != fingerprint:
        return Conflict()
    return Settled(bytes(result)) if state else Busy(timedelta(milliseconds=max(1, int(left))))


def settle(key: bytes, token: int, result: bytes, record: Record | None) -> Steps[bool]:
    """Make our hold final; nothing is written where its token is no longer in force."""
    text = encode_record(record).decode() if record is not None else None
    done = yield (
        "UPDATE pratique_key SET state = 1, result = :result, expires_ms = NULL, record = :record "
        "WHERE key = :key AND state = 0 AND token = :token AND expires_ms > 0",
        {"key": key, "token": token, "result": result, "record": text},
    )
    return done.written == 1


def release(key: bytes, token: int) -> Steps[bool]:
    """End our lease now. The row stays, so that its token is never given again."""
    done = yield (
        "UPDATE pratique_key SET expires_ms = 0 WHERE key = :key AND state = 0 AND token = :token AND expires_ms > 0",
        {"key": key, "token": token},
    )
    return done.written == 1


def keep(key: bytes, kept: Kept) -> Steps[None]:
    """Lay an answer beside a key that this transaction has settled."""
    yield (
        "UPDATE pratique_key SET fingerprint = :fingerprint, result = :result WHERE key = :key",
        {"key": key, "fingerprint": kept.fingerprint, "result": kept.result},
    )


def kept(key: bytes) -> Steps[Kept | None]:
    """Return what lies beside a settled key."""
    found = yield (
        "SELECT fingerprint, result FROM pratique_key WHERE key = :key AND state = 1",
        {"key": key},
    )
    return Kept(*map(bytes, found.rows[0])) if found.rows else None


def count(dialect: Dialect, key: bytes, window: timedelta) -> Steps[Counted]:
    """Count a key once more in its present window, or as the first of a new one."""
    is_over = f"pratique_key.expires_ms <= {dialect.now}"
    found = yield (
        "INSERT INTO pratique_key (key, state, token, expires_ms, fingerprint, result, crossing_id, at_ms) "
        f"VALUES (:key, 0, 1, {dialect.now} + :window, :empty, :empty, '', {dialect.now}) "
        f"ON CONFLICT (key) DO UPDATE SET token = CASE WHEN {is_over} THEN 1 ELSE pratique_key.token + 1 END, "
        f"expires_ms = CASE WHEN {is_over} THEN excluded.expires_ms ELSE pratique_key.expires_ms END "
        f"RETURNING token, expires_ms - {dialect.now}",
        {"key": key, "window": int(window.total_seconds() * 1000), "empty": b""},
    )
    times, left = found.rows[0]
    return Counted(int(times), timedelta(milliseconds=max(1, int(left))))


def uncount(key: bytes, times: int) -> Steps[None]:
    """Take counts back."""
    yield (
        "UPDATE pratique_key SET token = CASE WHEN token > :times THEN token - :times ELSE 0 END "
        "WHERE key = :key AND state = 0",
        {"key": key, "times": times},
    )


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
    found = yield (
        "SELECT record FROM pratique_key WHERE crossing_id = :crossing AND record IS NOT NULL "
        "UNION ALL SELECT record FROM pratique_refusal WHERE crossing_id = :crossing",
        {"crossing": crossing_id},
    )
    return decode_record(found.rows[0][0]) if found.rows else None


def _ms(record: Record) -> int:
    return int(record.at.timestamp() * 1000)
