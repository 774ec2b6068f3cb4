"""A store that forgets: for tests and demonstrations, in one process."""

import logging
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock
from time import monotonic
from typing import Any, Final

from pratique.core.event import Record
from pratique.core.forks import renew_after_fork
from pratique.core.refusal import StoreBusy
from pratique.core.roots import Root, RootKind
from pratique.core.store import (
    Busy,
    Conflict,
    Counted,
    Held,
    HoldAnswer,
    Kept,
    Settled,
    Stale,
    Swept,
)

from .memory_inbox import AsyncMemoryInbox, MemoryInbox

_log: Final = logging.getLogger("pratique")
KEPT_RECORDS: Final = 10_000
_NOTHING: Final = (b"", b"")


class _Hold:
    __slots__ = ("expires", "fingerprint", "token")

    def __init__(self, token: int, expires: float, fingerprint: bytes) -> None:
        self.token, self.expires, self.fingerprint = token, expires, fingerprint


class MemoryStore:
    """Single use and events in dictionaries.

    Also its own sync face; `asynchronous` is the same on the event loop.
    """

    name: str = "memory"
    transactional: bool = True
    has_session: bool = False

    def __init__(self) -> None:
        self.settled: dict[bytes, tuple[bytes, bytes]] = {}
        self.open_keys: set[bytes] = set()
        self.records: deque[Record] = deque(maxlen=KEPT_RECORDS)
        self.dead_letters: dict[tuple[str, bytes, str], bytes] = {}
        self._came_last: dict[tuple[str, bytes, str], float] = {}
        self._holds: dict[bytes, _Hold] = {}
        self._counts: dict[bytes, _Hold] = {}
        self._given = 0  # tokens, counted for all keys at once: a released one needs no mark
        self._settled_at: dict[bytes, float] = {}
        self._revoked: dict[bytes, tuple[datetime, float]] = {}
        self._lock = Lock()
        # What a thread of the parent had open stays open: nobody knows what came of it.
        renew_after_fork(self, _lock=Lock)
        self.inbox = MemoryInbox()
        self.sync = self
        self.asynchronous = _OnLoop(self)
        self.roots: tuple[Root, ...] = (Root(RootKind.STORE, "this process's memory"),)

    def start(self) -> None:
        """Say loudly what this store is."""
        _log.warning("stores.memory() keeps nothing: a restart forgets which events were handled")

    def close(self) -> None:
        """Keep what there is: a test may look at it."""

    def begin(self) -> "_MemoryTransaction":
        """Open a transaction."""
        return _MemoryTransaction(self)

    def look(self) -> "_MemoryTransaction":
        """See `SyncStore.look`."""
        return _MemoryTransaction(self)

    def count(self, key: bytes, window: timedelta) -> Counted:
        """See `SyncStore.count`."""
        now = monotonic()
        with self._lock:
            counted = self._counts.get(key)
            if counted is None or counted.expires <= now:
                counted = self._counts[key] = _Hold(0, now + window.total_seconds(), b"")
            counted.token += 1
            return Counted(counted.token, timedelta(seconds=counted.expires - now))

    def uncount(self, key: bytes, times: int) -> None:
        """See `SyncStore.uncount`."""
        with self._lock:
            counted = self._counts.get(key)
            if counted is not None:
                counted.token = max(0, counted.token - times)

    def first_use(self, keys: Sequence[bytes], crossing_id: str) -> bytes | None:
        """See `SyncStore.first_use`."""
        with self._lock:
            used = self._used(keys)
            if used is None:
                self._settle(dict.fromkeys(keys, _NOTHING))
        return used

    def _settle(self, keys: dict[bytes, tuple[bytes, bytes]]) -> None:
        self.settled.update(keys)
        self._settled_at.update(dict.fromkeys(keys, monotonic()))

    def _used(self, keys: Sequence[bytes]) -> bytes | None:
        settled, open_keys, holds = self.settled, self.open_keys, self._holds
        for key in keys:
            if key in settled:
                return key
            if key in open_keys or (key in holds and holds[key].expires > monotonic()):
                message = "another delivery of it is being handled"
                raise StoreBusy(message)
        return None

    def hold(
        self, key: bytes, *, lease: timedelta, fingerprint: bytes = b"", crossing_id: str = ""
    ) -> HoldAnswer:
        """See `SyncStore.hold`."""
        now = monotonic()
        with self._lock:
            done = self.settled.get(key)
            if done is not None:
                return Settled(done[1]) if done[0] == fingerprint else Conflict()
            if key in self.open_keys:
                return Busy(timedelta(seconds=1))
            held = self._holds.get(key)
            if held is not None and held.expires > now:
                same = held.fingerprint == fingerprint
                return Busy(timedelta(seconds=held.expires - now)) if same else Conflict()
            self._given += 1
            self._holds[key] = _Hold(self._given, now + lease.total_seconds(), fingerprint)
            return Held(self._given)

    def settle(
        self, key: bytes, token: int, result: bytes = b"", *, record: Record | None = None
    ) -> bool:
        """See `SyncStore.settle`."""
        with self._lock:
            held = self._holds.get(key)
            if held is None or held.token != token:
                return False
            del self._holds[key]
            self._settle({key: (held.fingerprint, result)})
        if record is not None:
            self.records.append(record)
        return True

    def release(self, key: bytes, token: int) -> bool:
        """See `SyncStore.release`."""
        with self._lock:
            held = self._holds.get(key)
            if held is None or held.token != token:
                return False
            del self._holds[key]
        return True

    def record_refusal(self, record: Record, key: bytes, content: bytes | None) -> None:
        """See `SyncStore.record_refusal`."""
        self.records.append(record)
        name = (record.boundary, key, record.code)
        with self._lock:
            if content is not None and (
                name in self.dead_letters or len(self.dead_letters) < KEPT_RECORDS
            ):
                self.dead_letters[name] = content
                self._came_last[name] = monotonic()

    def forget_contents(self, *, kept: timedelta, after: bytes, most: int) -> Swept:
        """See `Forgetting.forget_contents`. All at once: nothing in it waits."""
        _ = after, most
        end = monotonic() - kept.total_seconds()
        with self._lock:
            old = [name for name, at in self._came_last.items() if at <= end]
            for name in old:
                del self.dead_letters[name], self._came_last[name]
        return Swept(len(old), b"")

    def find(self, crossing_id: str) -> Record | None:
        """See `SyncStore.find`."""
        return next((r for r in reversed(self.records) if r.crossing_id == crossing_id), None)

    def revoke(self, key: bytes, *, until: datetime, kept: timedelta) -> None:
        """See `SyncStore.revoke`. It has no clock of the day: *kept* counts from now."""
        end = monotonic() + kept.total_seconds()
        with self._lock:
            known, known_end = self._revoked.get(key, (until, end))
            self._revoked[key] = (max(known, until), max(known_end, end))

    def revoked(self, keys: Sequence[bytes]) -> dict[bytes, datetime]:
        """See `SyncStore.revoked`."""
        with self._lock:
            return {key: self._revoked[key][0] for key in keys if key in self._revoked}

    def sweep(self, what: Stale, *, after: bytes, most: int) -> Swept:
        """See `SyncStore.sweep`. All at once: nothing in it waits."""
        _ = after, most
        now, prefix = monotonic(), what.prefix
        with self._lock:
            if what.kept is None:
                counted = [k for k, held in self._counts.items() if held.expires <= now]
                marks = [k for k, (_, end) in self._revoked.items() if end <= now]
                places: tuple[dict[bytes, Any], ...] = (self._counts, self._revoked)
                over = [key for key in (*counted, *marks) if key.startswith(prefix)]
            else:
                oldest = now - what.kept.total_seconds()
                places = (self.settled, self._settled_at)
                over = [k for k, at in self._settled_at.items() if at <= oldest]
                over = [key for key in over if key.startswith(prefix)]
            for key in over:
                for place in places:
                    place.pop(key, None)
        return Swept(len(over), b"")

    def take(self, keys: Sequence[bytes]) -> bytes | None:
        """Open the keys for a transaction; StoreBusy where another one has them open."""
        with self._lock:
            used = self._used(keys)
            if used is None:
                self.open_keys.update(keys)
        return used

    def settle_open(
        self, keys: Sequence[bytes], record: Record | None, answers: dict[bytes, Kept]
    ) -> None:
        """Close the keys of a transaction: they are used."""
        with self._lock:
            self.open_keys.difference_update(keys)
            for key in keys:
                kept = answers.get(key)
                told = _NOTHING if kept is None else (kept.fingerprint, kept.result)
                self._settle({key: told})
            if record is not None:
                self.records.append(record)

    def give_back(self, keys: Sequence[bytes]) -> None:
        """Close the keys of a transaction: they are free again."""
        with self._lock:
            self.open_keys.difference_update(keys)


class _MemoryTransaction:
    __slots__ = ("_answers", "_finished", "_keys", "_record", "_store", "session")

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._answers: dict[bytes, Kept] = {}
        self._keys: Sequence[bytes] = ()
        self._record: Record | None = None
        self._finished: tuple[str, int] | None = None
        self.session = None

    def first_use(self, keys: Sequence[bytes], record: Record) -> bytes | None:
        used = self._store.take(keys)
        if used is None:
            self._keys = keys
            self._record = record
        return used

    def keep(self, key: bytes, kept: Kept) -> None:
        self._answers[key] = kept

    def kept(self, key: bytes) -> Kept | None:
        found = self._store.settled.get(key)
        return None if found is None else Kept(*found)

    def lock(self, linked: object) -> None:
        """Lock nothing: there is no session."""

    def finish(self, id: str, token: int) -> bool:
        if not self._store.inbox.pin(id, token):
            return False
        self._finished = (id, token)
        return True

    def commit(self) -> None:
        self._store.settle_open(self._keys, self._record, self._answers)
        if self._finished is not None:
            self._store.inbox.done(*self._finished)
            self._finished = None
        self._keys = ()

    def rollback(self) -> None:
        self._store.give_back(self._keys)
        self._keys = ()
        if self._finished is not None:
            self._store.inbox.unpin(self._finished[0])
            self._finished = None


class _OnLoop:
    """The same store on the event loop; nothing in it waits."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.inbox = AsyncMemoryInbox(store.inbox)

    async def start(self) -> None:
        self._store.start()

    async def close(self) -> None:
        self._store.close()

    async def begin(self) -> "_AsyncMemoryTransaction":
        return _AsyncMemoryTransaction(self._store)

    async def look(self) -> "_AsyncMemoryTransaction":
        return _AsyncMemoryTransaction(self._store)

    async def count(self, key: bytes, window: timedelta) -> Counted:
        return self._store.count(key, window)

    async def uncount(self, key: bytes, times: int) -> None:
        self._store.uncount(key, times)

    async def first_use(self, keys: Sequence[bytes], crossing_id: str) -> bytes | None:
        return self._store.first_use(keys, crossing_id)

    async def hold(
        self, key: bytes, *, lease: timedelta, fingerprint: bytes = b"", crossing_id: str = ""
    ) -> HoldAnswer:
        return self._store.hold(key, lease=lease, fingerprint=fingerprint, crossing_id=crossing_id)

    async def settle(
        self, key: bytes, token: int, result: bytes = b"", *, record: Record | None = None
    ) -> bool:
        return self._store.settle(key, token, result, record=record)

    async def release(self, key: bytes, token: int) -> bool:
        return self._store.release(key, token)

    async def record_refusal(self, record: Record, key: bytes, content: bytes | None) -> None:
        self._store.record_refusal(record, key, content)

    async def find(self, crossing_id: str) -> Record | None:
        return self._store.find(crossing_id)

    async def revoke(self, key: bytes, *, until: datetime, kept: timedelta) -> None:
        self._store.revoke(key, until=until, kept=kept)

    async def revoked(self, keys: Sequence[bytes]) -> dict[bytes, datetime]:
        return self._store.revoked(keys)

    async def sweep(self, what: Stale, *, after: bytes, most: int) -> Swept:
        return self._store.sweep(what, after=after, most=most)

    async def forget_contents(self, *, kept: timedelta, after: bytes, most: int) -> Swept:
        return self._store.forget_contents(kept=kept, after=after, most=most)


class _AsyncMemoryTransaction:
    __slots__ = ("_inner", "session")

    def __init__(self, store: MemoryStore) -> None:
        self._inner = _MemoryTransaction(store)
        self.session = None

    async def first_use(self, keys: Sequence[bytes], record: Record) -> bytes | None:
        return self._inner.first_use(keys, record)

    async def keep(self, key: bytes, kept: Kept) -> None:
        self._inner.keep(key, kept)

    async def kept(self, key: bytes) -> Kept | None:
        return self._inner.kept(key)

    async def lock(self, linked: object) -> None:
        """Lock nothing: there is no session."""

    async def finish(self, id: str, token: int) -> bool:
        return self._inner.finish(id, token)

    async def commit(self) -> None:
        self._inner.commit()

    async def rollback(self) -> None:
        self._inner.rollback()
