"""The table and every statement of the inbox, once: generators, as in `statements`."""

from datetime import timedelta
from typing import Any, Final

from pratique.core.inbox import Delivery, InboxStatus, Listed, State, Taken

from .delivery_form import (
    MOST_UNREADABLE,
    UNREADABLE,
    UNREADABLE_ROW,
    brought,
    delivery_of,
    listed_of,
    readable,
    received_us,
)
from .statements import Dialect, Steps

_MILLISECOND: Final = timedelta(milliseconds=1)
_PENDING: Final = f"state IN ({State.WAITING:d}, {State.TAKEN:d})"
_KNOWN: Final = ", ".join(f"{state:d}" for state in State if state is not State.UNKNOWN)
_LISTED: Final = (
    "id, boundary, state, attempts, received_us, length(content), due_ms - {now}, code, "
    "crossing_id, last_id"
)
_WHOLE: Final = "id, boundary, key, content, brought, received_us, crossing_id"


def put(dialect: Dialect, delivery: Delivery) -> Steps[bool]:
    """Keep a delivery. False where its row is there."""
    done = yield (
        "INSERT INTO pratique_inbox (id, boundary, key, state, token, attempts, due_ms, "
        "changed_ms, received_us, content, brought, code, crossing_id, last_id) "
        f"VALUES (:id, :boundary, :key, 0, 0, 0, {dialect.now}, {dialect.now}, :received, "
        ":content, :brought, '', :crossing, '') ON CONFLICT (id) DO NOTHING",
        {
            "id": delivery.id,
            "boundary": delivery.boundary,
            "key": delivery.key,
            "received": received_us(delivery),
            "content": delivery.content,
            "brought": brought(delivery),
            "crossing": delivery.crossing_id,
        },
    )
    return done.written == 1


def take(dialect: Dialect, boundary: str, lease: timedelta, id: str) -> Steps[Taken | None]:
    """Take the one that is due for longest, or this one.

    A row that nobody can read any more is a dead letter: it is due for longest at each look, and
    would hold up all others.
    """
    for _ in range(MOST_UNREADABLE):
        row = yield from _taken(dialect, boundary, lease, id)
        if row is None:
            return None
        token, attempts, *whole = row
        try:
            return Taken(delivery_of(whole), int(token), int(attempts))
        except UNREADABLE:
            yield from dead(dialect, whole[0], int(token), UNREADABLE_ROW, "")
    return None


def _taken(dialect: Dialect, boundary: str, lease: timedelta, id: str) -> Steps[Any]:
    # As a subquery the clock is asked once, and the index can be used.
    is_over = f"due_ms <= (SELECT {dialect.now})"
    given: dict[str, Any] = {"boundary": boundary, "lease": _ms(lease)}
    if id:
        given["id"] = id
        which = f"id = :id AND boundary = :boundary AND (state = 0 OR (state = 1 AND {is_over}))"
    else:
        chosen = (
            f"SELECT id FROM pratique_inbox WHERE boundary = :boundary AND {_PENDING} "
            f"AND {is_over} ORDER BY due_ms LIMIT 1"
        )
        # PostgreSQL: nobody waits for a row that somebody else takes; ARRAY(…) runs once.
        skipping = f"id = ANY(ARRAY({chosen} FOR UPDATE SKIP LOCKED))"
        which = skipping if dialect.name == "postgresql" else f"id = ({chosen})"
        which += f" AND {_PENDING} AND {is_over}"
    found = yield (
        "UPDATE pratique_inbox SET state = 1, token = token + 1, attempts = attempts + 1, "
        f"due_ms = {dialect.now} + :lease, changed_ms = {dialect.now} WHERE {which} "
        f"RETURNING token, attempts, {_WHOLE}",
        given,
    )
    return found.rows[0] if found.rows else None


def done(dialect: Dialect, id: str, token: int) -> Steps[bool]:
    """Say that nothing is left to do. Content and fields go with the same write."""
    written = yield (
        "UPDATE pratique_inbox SET state = 2, content = :empty, brought = :empty, "
        f"changed_ms = {dialect.now} WHERE id = :id AND token = :token AND state = 1",
        {"id": id, "token": token, "empty": b""},
    )
    return written.written == 1


def later(
    dialect: Dialect, id: str, token: int, pause: timedelta, code: str, crossing_id: str
) -> Steps[bool]:
    """Let it wait."""
    written = yield (
        f"UPDATE pratique_inbox SET state = 0, due_ms = {dialect.now} + :pause, code = :code, "
        f"last_id = :crossing, changed_ms = {dialect.now} "
        "WHERE id = :id AND token = :token AND state = 1",
        {"id": id, "token": token, "pause": _ms(pause), "code": code, "crossing": crossing_id},
    )
    return written.written == 1


def dead(dialect: Dialect, id: str, token: int, code: str, crossing_id: str) -> Steps[bool]:
    """Make it a dead letter."""
    written = yield (
        "UPDATE pratique_inbox SET state = 3, code = :code, last_id = :crossing, "
        f"changed_ms = {dialect.now} WHERE id = :id AND token = :token AND state = 1",
        {"id": id, "token": token, "code": code, "crossing": crossing_id},
    )
    return written.written == 1


def move(dialect: Dialect, id: str, to: State) -> Steps[bool]:
    """Let an operator replay or park; never what a worker has, never what is done."""
    from_, again = ("3, 4", ", attempts = 0") if to is State.WAITING else ("0, 3", "")
    is_over = f"(state = 1 AND due_ms <= {dialect.now})" if to is State.PARKED else "state = 0"
    # The token grows: whoever had it before and comes late writes nothing.
    written = yield (
        f"UPDATE pratique_inbox SET state = :to, token = token + 1, due_ms = {dialect.now}, "
        f"changed_ms = {dialect.now}{again} WHERE id = :id AND (state IN ({from_}) OR {is_over})",
        {"id": id, "to": int(to)},
    )
    return written.written == 1


def listed(
    dialect: Dialect, boundary: str, state: State | None, after: str, most: int
) -> Steps[list[Listed]]:
    """Return rows without their content."""
    given: dict[str, Any] = {"after": after, "most": most}
    where = "id > :after"
    if boundary:
        where, given["boundary"] = f"{where} AND boundary = :boundary", boundary
    if state is State.UNKNOWN:
        where = f"{where} AND state NOT IN ({_KNOWN})"
    elif state is not None:
        where, given["state"] = f"{where} AND state = :state", int(state)
    found = yield (
        f"SELECT {_LISTED.format(now=dialect.now)} FROM pratique_inbox "
        f"WHERE {where} ORDER BY id LIMIT :most",
        given,
    )
    return [listed_of(row) for row in found.rows]


def show(dialect: Dialect, id: str) -> Steps[tuple[Listed, Delivery | None] | None]:
    """Return one row whole."""
    facts = _LISTED.format(now=dialect.now)
    found = yield (
        f"SELECT {facts}, {_WHOLE} FROM pratique_inbox WHERE id = :id",
        {"id": id},
    )
    if not found.rows:
        return None
    count = len(Listed.__struct_fields__)
    row = found.rows[0]
    return listed_of(row[:count]), readable(row[count:])


def status(dialect: Dialect, boundary: str) -> Steps[InboxStatus]:
    """Count what isn't done."""
    found = yield (
        f"SELECT state, count(*), {dialect.now} - min(received_us) / 1000 FROM pratique_inbox "
        "WHERE boundary = :boundary AND state IN (0, 1) GROUP BY state UNION ALL "
        "SELECT state, count(*), 0 FROM pratique_inbox "
        "WHERE boundary = :boundary AND state IN (3, 4) GROUP BY state",
        {"boundary": boundary},
    )
    counts = {State(row[0]): int(row[1]) for row in found.rows}
    oldest = max((int(row[2]) for row in found.rows), default=0)
    return InboxStatus(
        counts.get(State.WAITING, 0) + counts.get(State.TAKEN, 0),
        timedelta(milliseconds=max(0, oldest)),
        counts.get(State.DEAD, 0),
        counts.get(State.PARKED, 0),
    )


def forgotten(dialect: Dialect, boundary: str, since: timedelta, most: int) -> Steps[list[str]]:
    """Return what has been due for long and wasn't told of for as long; note that it is now."""
    chosen = (
        f"SELECT id FROM pratique_inbox WHERE boundary = :boundary AND {_PENDING} "
        f"AND due_ms <= (SELECT {dialect.now} - :since) "
        f"AND changed_ms <= (SELECT {dialect.now} - :since) ORDER BY due_ms LIMIT :most"
    )
    locked = f"id = ANY(ARRAY({chosen} FOR UPDATE SKIP LOCKED))"
    which = locked if dialect.name == "postgresql" else f"id IN ({chosen})"
    found = yield (
        f"UPDATE pratique_inbox SET changed_ms = {dialect.now} WHERE {which} RETURNING id",
        {"boundary": boundary, "since": _ms(since), "most": most},
    )
    return [str(row[0]) for row in found.rows]


def forget(dialect: Dialect, boundary: str, kept: timedelta, most: int) -> Steps[int]:
    """Delete rows of what was done long ago."""
    written = yield (
        "DELETE FROM pratique_inbox WHERE id IN (SELECT id FROM pratique_inbox "
        "WHERE boundary = :boundary AND state = 2 "
        f"AND changed_ms <= (SELECT {dialect.now} - :kept) ORDER BY changed_ms LIMIT :most)",
        {"boundary": boundary, "kept": _ms(kept), "most": most},
    )
    return written.written


def _ms(span: timedelta) -> int:
    return span // _MILLISECOND
