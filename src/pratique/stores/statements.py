"""Every statement of the SQL stores, once; the tables are in schema.py.

Generators that yield statements and are sent rows.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeVar

from pratique.core.event import Record, decode_record, encode_record
from pratique.core.refusal import StoreBusy, StoreError
from pratique.core.store import Busy, Conflict, Counted, Held, HoldAnswer, Kept, Settled

T = TypeVar("T")
Statement = tuple[str, dict[str, Any]]


class Result(NamedTuple):
    """What a statement did: the rows that it returned, the number that it wrote."""

    rows: Sequence[Sequence[Any]]
    written: int


Steps = Generator[Statement, Result, T]
Make = Callable[[], Steps[Any]]
"""Makes the steps anew: a transaction that failed among others is tried again alone."""
ENDED: Final = "the handler ended the transaction that its effect and its single use share"
PROBE: Final = b"pratique start-up probe"


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where the databases differ.

    Args:
        name: "sqlite", "postgresql".
        now: The store's own clock in milliseconds since 1970: leases are judged by it, never by a worker's clock.
        blob: The type of bytes.
        alone: The statements after which this transaction alone changes the tables: one process makes or upgrades them.
        present: The statement that names those of {names} that are there.
    """

    name: str
    now: str
    blob: str
    present: str
    alone: tuple[str, ...] = ()


SQLITE: Final = Dialect(
    "sqlite",
    "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "BLOB",
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ({names})",
    # A driver that begins by itself begins before a change of rows, not before CREATE TABLE: this one takes the write lock.
    (
        "CREATE TABLE IF NOT EXISTS pratique_store (identity TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL)",
        "UPDATE pratique_store SET version = version",
    ),
)
POSTGRESQL: Final = Dialect(
    "postgresql",
    "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
    "BYTEA",
    # Not by to_regclass: within a transaction that asked before, it doesn't see what another one has made since.
    "SELECT CAST(relname AS text) FROM pg_catalog.pg_class WHERE relname IN ({names}) "
    "AND relkind IN ('r', 'p') AND pg_catalog.pg_table_is_visible(oid)",
    # CREATE TABLE IF NOT EXISTS fails with a unique violation where two run at once. The number is
    # "pratique" in hex. An upgrade that waits for one long transaction lets nobody else wait behind it for longer.
    (
        "SELECT pg_advisory_xact_lock(8102093121126167909)",
        "SET LOCAL lock_timeout = '5s'",
    ),
)
DIALECTS: Final = {dialect.name: dialect for dialect in (SQLITE, POSTGRESQL)}


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
