"""The statements of what has an end: what was taken back, and the sweep of what is over."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pratique.core.store import Stale, Swept

from .statements import Dialect, Steps

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def revoke(dialect: Dialect, key: bytes, until: datetime, kept: timedelta) -> Steps[None]:
    """Keep that something was taken back up to a moment; the later of two moments stays."""
    moment, now = "CAST(:moment AS BIGINT)", dialect.now
    end = f"CASE WHEN {moment} > {now} THEN {moment} ELSE {now} END + :kept"
    yield (
        (
            "INSERT INTO pratique_key (key, state, token, expires_ms, fingerprint, result, "
            f"crossing_id, at_ms) VALUES (:key, 2, {moment}, {end}, :empty, :empty, '', {now}) "
            f"ON CONFLICT (key) DO UPDATE SET token = {_later('token')}, "
            f"expires_ms = {_later('expires_ms')}, at_ms = excluded.at_ms"
        ),
        {
            "key": key,
            "moment": int(until.timestamp() * 1000),
            "kept": int(kept.total_seconds() * 1000),
            "empty": b"",
        },
    )


def _later(column: str) -> str:
    ours, theirs = f"pratique_key.{column}", f"excluded.{column}"
    return f"CASE WHEN {theirs} > {ours} THEN {theirs} ELSE {ours} END"


def revoked(keys: Sequence[bytes]) -> Steps[dict[bytes, datetime]]:
    """Return up to when each of the keys was taken back."""
    given = {f"key{n}": key for n, key in enumerate(keys)}
    names = ", ".join(f":{name}" for name in given)
    found = yield (
        f"SELECT key, token FROM pratique_key WHERE key IN ({names}) AND state = 2",
        given,
    )
    return {bytes(key): _EPOCH + timedelta(milliseconds=int(ms)) for key, ms in found.rows}


def sweep(dialect: Dialect, what: Stale, after: bytes, most: int) -> Steps[Swept]:
    """Delete what is over among the next keys of one beginning."""
    # By the primary key, so that a slice costs the same however much is kept.
    place = {"after": max(after, what.prefix)}
    found = yield (
        "SELECT key FROM pratique_key WHERE key > :after AND key < :end ORDER BY key LIMIT :most",
        {**place, "end": end_of(what.prefix), "most": most},
    )
    if not found.rows:
        return Swept(0, b"")
    last = bytes(found.rows[-1][0])
    if what.kept is None:
        is_over, more = f"state IN (0, 2) AND expires_ms <= {dialect.now}", dict[str, Any]()
    else:
        is_over = f"state = 1 AND record IS NULL AND at_ms <= {dialect.now} - :kept"
        more = {"kept": int(what.kept.total_seconds() * 1000)}
    done = yield (
        f"DELETE FROM pratique_key WHERE key > :after AND key <= :last AND {is_over}",
        {**place, "last": last, **more},
    )
    return Swept(done.written, last if len(found.rows) == most else b"")


def end_of(prefix: bytes) -> bytes:
    """Return the first key after all that begin with a prefix."""
    return prefix[:-1] + bytes((prefix[-1] + 1,))


def forget_contents(dialect: Dialect, kept: timedelta, most: int) -> Steps[Swept]:
    """Forget the contents of dead letters that are old; the refusal and its count stay."""
    done = yield (
        (
            "UPDATE pratique_refusal SET content = NULL WHERE (boundary, key, code) IN ("
            "SELECT boundary, key, code FROM pratique_refusal "
            f"WHERE content IS NOT NULL AND last_ms <= (SELECT {dialect.now}) - :kept "
            "ORDER BY last_ms LIMIT :most)"
        ),
        {"kept": int(kept.total_seconds() * 1000), "most": most},
    )
    return Swept(done.written, b"more" if done.written == most else b"")
