"""The inbox of the store that forgets."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from time import monotonic

from pratique.core.forks import renew_after_fork
from pratique.core.inbox import (
    AsyncWithin,
    Delivery,
    InboxStatus,
    Listed,
    State,
    Taken,
    Within,
)

from .sql_inbox import no_session

_PENDING = (State.WAITING, State.TAKEN)


class _Row:
    __slots__ = (
        "attempts",
        "changed",
        "code",
        "delivery",
        "due",
        "is_pinned",
        "last_id",
        "state",
        "token",
    )

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.state = State.WAITING
        self.token = self.attempts = 0
        self.due = self.changed = monotonic()
        self.code = self.last_id = ""
        self.is_pinned = False


class MemoryInbox:
    """See `SyncInbox`."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._lock = Lock()
        renew_after_fork(self, _lock=Lock)

    def put(self, delivery: Delivery, within: Within | None = None) -> bool:
        """See `SyncInbox.put`."""
        no_session(within)
        with self._lock:
            if delivery.id in self._rows:
                return False
            self._rows[delivery.id] = _Row(delivery)
        return True

    def take(self, boundary: str, *, lease: timedelta, id: str = "") -> Taken | None:
        """See `SyncInbox.take`."""
        now = monotonic()
        with self._lock:
            if id:
                rows = [row for row in (self._rows.get(id),) if row is not None]
                may = [r for r in rows if r.state is State.WAITING or _is_due(r, now)]
            else:
                may = [row for row in self._rows.values() if _is_due(row, now)]
            may = [row for row in may if row.delivery.boundary == boundary]
            if not may:
                return None
            row = min(may, key=lambda each: each.due)
            row.state, row.due, row.changed = State.TAKEN, now + lease.total_seconds(), now
            row.token += 1
            row.attempts += 1
            return Taken(row.delivery, row.token, row.attempts)

    def done(self, id: str, token: int) -> bool:
        """See `SyncInbox.done`."""
        with self._lock:
            row = self._held(id, token)
            if row is None:
                return False
            row.state, row.changed = State.DONE, monotonic()
            old = row.delivery
            row.delivery = Delivery(
                old.id,
                old.boundary,
                old.key,
                b"",
                type(old.fields)(),
                old.received_at,
                type(old.via)(),
                old.crossing_id,
            )
            return True

    def pin(self, id: str, token: int) -> bool:
        """Let nobody take a delivery over while a transaction ends it; False as for `done`."""
        with self._lock:
            row = self._held(id, token)
            if row is not None:
                row.is_pinned = True
            return row is not None

    def unpin(self, id: str) -> None:
        """Undo `pin`."""
        with self._lock:
            row = self._rows.get(id)
            if row is not None:
                row.is_pinned = False

    def later(
        self, id: str, token: int, *, pause: timedelta, code: str, crossing_id: str = ""
    ) -> bool:
        """See `SyncInbox.later`."""
        return self._ended(id, token, State.WAITING, code, crossing_id, pause)

    def dead(self, id: str, token: int, *, code: str, crossing_id: str = "") -> bool:
        """See `SyncInbox.dead`."""
        return self._ended(id, token, State.DEAD, code, crossing_id)

    def _ended(
        self,
        id: str,
        token: int,
        state: State,
        code: str,
        crossing_id: str,
        pause: timedelta = timedelta(0),
    ) -> bool:
        with self._lock:
            row = self._held(id, token)
            if row is None:
                return False
            row.state, row.code, row.last_id = state, code, crossing_id
            row.changed = monotonic()
            row.due = row.changed + pause.total_seconds()
            return True

    def _held(self, id: str, token: int) -> _Row | None:
        row = self._rows.get(id)
        is_held = row is not None and row.state is State.TAKEN and row.token == token
        return row if is_held else None

    def move(self, id: str, to: State) -> bool:
        """See `SyncInbox.move`."""
        now = monotonic()
        with self._lock:
            row = self._rows.get(id)
            if row is None:
                return False
            may = {State.WAITING, State.DEAD}
            if to is State.WAITING:
                may.add(State.PARKED)
            if row.state not in may and not (to is State.PARKED and _is_due(row, now)):
                return False
            row.state, row.due, row.changed = to, now, now
            row.token += 1
            row.attempts = 0 if to is State.WAITING else row.attempts
            return True

    def listed(
        self, boundary: str = "", *, state: State | None = None, after: str = "", most: int = 100
    ) -> Sequence[Listed]:
        """See `SyncInbox.listed`."""
        with self._lock:
            rows = [self._rows[name] for name in sorted(self._rows) if name > after]
            found = [
                row
                for row in rows
                if boundary in ("", row.delivery.boundary) and state in (None, row.state)
            ]
            return [_listed(row) for row in found[:most]]

    def show(self, id: str) -> tuple[Listed, Delivery | None] | None:
        """See `SyncInbox.show`."""
        with self._lock:
            row = self._rows.get(id)
            return None if row is None else (_listed(row), row.delivery)

    def status(self, boundary: str) -> InboxStatus:
        """See `SyncInbox.status`."""
        now = datetime.now(UTC)
        with self._lock:
            rows = [row for row in self._rows.values() if row.delivery.boundary == boundary]
            pending = [now - row.delivery.received_at for row in rows if row.state in _PENDING]
            dead = sum(row.state is State.DEAD for row in rows)
            parked = sum(row.state is State.PARKED for row in rows)
        oldest = max(pending, default=timedelta(0))
        return InboxStatus(len(pending), max(oldest, timedelta(0)), dead, parked)

    def forgotten(
        self, boundary: str, *, since: timedelta, most: int, within: Within | None = None
    ) -> Sequence[str]:
        """See `SyncInbox.forgotten`."""
        no_session(within)
        end = monotonic() - since.total_seconds()
        with self._lock:
            rows = [row for row in self._rows.values() if _is_due(row, end)]
            rows = [r for r in rows if r.delivery.boundary == boundary and r.changed <= end]
            rows.sort(key=lambda each: each.due)
            for row in rows[:most]:
                row.changed = monotonic()
            return [row.delivery.id for row in rows[:most]]

    def forget(self, boundary: str, *, kept: timedelta, most: int) -> int:
        """See `SyncInbox.forget`."""
        end = monotonic() - kept.total_seconds()
        with self._lock:
            over = [
                name
                for name, row in self._rows.items()
                if row.state is State.DONE
                and row.changed <= end
                and row.delivery.boundary == boundary
            ][:most]
            for name in over:
                del self._rows[name]
            return len(over)


def _is_due(row: _Row, now: float) -> bool:
    return row.state in _PENDING and row.due <= now and not row.is_pinned


def _listed(row: _Row) -> Listed:
    delivery = row.delivery
    return Listed(
        delivery.id,
        delivery.boundary,
        row.state,
        row.attempts,
        delivery.received_at,
        len(delivery.content),
        timedelta(seconds=row.due - monotonic()),
        row.code,
        delivery.crossing_id,
        row.last_id,
    )


class AsyncMemoryInbox:
    """See `AsyncInbox`; nothing in it waits."""

    def __init__(self, inbox: MemoryInbox) -> None:
        self._inbox = inbox

    async def put(self, delivery: Delivery, within: AsyncWithin | None = None) -> bool:
        """See `SyncInbox.put`."""
        no_session(within)
        return self._inbox.put(delivery)

    async def take(self, boundary: str, *, lease: timedelta, id: str = "") -> Taken | None:
        """See `SyncInbox.take`."""
        return self._inbox.take(boundary, lease=lease, id=id)

    async def done(self, id: str, token: int) -> bool:
        """See `SyncInbox.done`."""
        return self._inbox.done(id, token)

    async def later(
        self, id: str, token: int, *, pause: timedelta, code: str, crossing_id: str = ""
    ) -> bool:
        """See `SyncInbox.later`."""
        return self._inbox.later(id, token, pause=pause, code=code, crossing_id=crossing_id)

    async def dead(self, id: str, token: int, *, code: str, crossing_id: str = "") -> bool:
        """See `SyncInbox.dead`."""
        return self._inbox.dead(id, token, code=code, crossing_id=crossing_id)

    async def move(self, id: str, to: State) -> bool:
        """See `SyncInbox.move`."""
        return self._inbox.move(id, to)

    async def listed(
        self, boundary: str = "", *, state: State | None = None, after: str = "", most: int = 100
    ) -> Sequence[Listed]:
        """See `SyncInbox.listed`."""
        return self._inbox.listed(boundary, state=state, after=after, most=most)

    async def show(self, id: str) -> tuple[Listed, Delivery | None] | None:
        """See `SyncInbox.show`."""
        return self._inbox.show(id)

    async def status(self, boundary: str) -> InboxStatus:
        """See `SyncInbox.status`."""
        return self._inbox.status(boundary)

    async def forgotten(
        self, boundary: str, *, since: timedelta, most: int, within: AsyncWithin | None = None
    ) -> Sequence[str]:
        """See `SyncInbox.forgotten`."""
        no_session(within)
        return self._inbox.forgotten(boundary, since=since, most=most)

    async def forget(self, boundary: str, *, kept: timedelta, most: int) -> int:
        """See `SyncInbox.forget`."""
        return self._inbox.forget(boundary, kept=kept, most=most)
