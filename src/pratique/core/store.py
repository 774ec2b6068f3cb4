"""What a store owes the drivers.

One transaction for an effect, or a hold with a lease and a fencing token.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from .event import Record
from .roots import Root


class Held(msgspec.Struct, frozen=True):
    """The key is ours until the lease ends. `token` grows with each takeover (fencing)."""

    token: int


class Settled(msgspec.Struct, frozen=True):
    """The key was used before; `result` is what was kept with it."""

    result: bytes


class Busy(msgspec.Struct, frozen=True):
    """Somebody else holds the key; the lease ends in `retry_after` by the store's clock."""

    retry_after: timedelta


class Conflict(msgspec.Struct, frozen=True):
    """The key was used, or is held, for a request with another fingerprint."""


class Kept(msgspec.Struct, frozen=True):
    """What lies beside a settled key: the answer, and for what request it was given."""

    fingerprint: bytes
    result: bytes


class Counted(msgspec.Struct, frozen=True):
    """How often a key was counted in its present window, this time included."""

    times: int
    ends_in: timedelta
    """By the store's clock."""


class Stale(msgspec.Struct, frozen=True):
    """What can be forgotten of the keys that begin alike.

    Args:
        prefix: Their beginning. Nothing that begins otherwise is looked at.
        kept: How long one stays after it was used; never one that has a crossing's record beside
            it. None: it stays until its own end, which a counter and a revocation have.
    """

    prefix: bytes
    kept: timedelta | None = None


class Swept(msgspec.Struct, frozen=True):
    """What one slice of a sweep did."""

    deleted: int
    last: bytes
    """The last key that was looked at; b"" where there is no more."""


HoldAnswer = Held | Settled | Busy | Conflict


class Forgetting(Protocol):
    """A store that keeps contents of dead letters, and lets go of the old ones.

    On the event loop it is awaited.
    """

    def forget_contents(self, *, kept: timedelta, after: bytes, most: int) -> Swept:
        """Forget contents of dead letters that came last *kept* ago, a slice at a time.

        That they came, how often and why stays. `deleted` is how many went, `last` where the next
        slice begins.

        Args:
            kept: How long one stays after it came last, by the store's clock.
            after: Where to go on; b"" from the beginning.
            most: How many go, or are looked at.
        """
        ...


class Transaction(Protocol):
    """One open transaction in the user's own database.

    Every method raises StoreError and, `commit` excepted, nothing else.
    """

    @property
    def session(self) -> object:
        """What the user's callables get as their last argument."""
        ...

    def first_use(self, keys: Sequence[bytes], record: Record) -> bytes | None:
        """Write the keys as settled, the last with the record of the crossing.

        Return None where all are new, else the first that was used before. From here to `commit`,
        a commit by anybody else on this session raises BoundaryError.

        The first statement of the transaction: the unique constraint makes concurrent deliveries
        wait for each other.
        """
        ...

    def keep(self, key: bytes, kept: Kept) -> None:
        """Lay an answer beside one of our keys, in this transaction."""
        ...

    def kept(self, key: bytes) -> Kept | None:
        """Return what another transaction laid beside a settled key; None where it is gone."""
        ...

    def lock(self, linked: object) -> None:
        """Make sure that no other transaction changes the row *linked* before this one ends."""
        ...

    def commit(self) -> None:
        """Send what the handler changed, then commit all of it, durably.

        Raises:
            StoreError: the database didn't commit.
            BoundaryError: somebody else ended the transaction.
            Exception: what the handler changed can't be written; its own error, as it is.
        """
        ...

    def rollback(self) -> None:
        """Undo all of it and give the session back.

        Never raises; a session that can't roll back is thrown away.
        """
        ...


class SyncStore(Protocol):
    """The face of a store for sync doors and pools.

    Every method raises StoreError (BoundaryError at start) and nothing else.
    """

    def start(self) -> None:
        """Make the tables where they are absent.

        Prove that a probe write rolls back; refuse what isn't durable.

        Raises:
            BoundaryError: autocommit, two binds, a read replica, settings under which a commit can
                be lost, another identity.
            StoreError: it doesn't answer.
        """
        ...

    def close(self) -> None:
        """Let go of every connection."""
        ...

    def begin(self) -> Transaction:
        """Open a transaction. Only where `Store.sessions` is not "none"."""
        ...

    def look(self) -> Transaction:
        """Open a session to read with; `rollback` gives it back. Takes no lock on what is read."""
        ...

    def count(self, key: bytes, window: timedelta) -> Counted:
        """Count the key once more, durably. A window begins with the first count after the last."""
        ...

    def uncount(self, key: bytes, times: int) -> None:
        """Take counts back, none below zero."""
        ...

    def first_use(self, keys: Sequence[bytes], crossing_id: str) -> bytes | None:
        """Settle the keys at once, all or none, durably.

        Return None where all are new, else the first used before.
        """
        ...

    def hold(
        self, key: bytes, *, lease: timedelta, fingerprint: bytes = b"", crossing_id: str = ""
    ) -> HoldAnswer:
        """Take the key for *lease* by the store's clock.

        An expired hold is taken over with a higher token.
        """
        ...

    def settle(
        self, key: bytes, token: int, result: bytes = b"", *, record: Record | None = None
    ) -> bool:
        """Make our hold final, and write its record with it.

        False where the token is no longer in force: somebody took over.
        """
        ...

    def release(self, key: bytes, token: int) -> bool:
        """Give our hold back at once. False where the token is no longer in force."""
        ...

    def record_refusal(self, record: Record, key: bytes, content: bytes | None) -> None:
        """Keep a refusal that came after `authentic`, with its content where it is a dead letter.

        One row for each (boundary, key, code), with a count: a replayed delivery can't fill the
        disk.
        """
        ...

    def find(self, crossing_id: str) -> Record | None:
        """Return the record of that crossing, or None."""
        ...

    def revoke(self, key: bytes, *, until: datetime, kept: timedelta) -> None:
        """Keep, durably, that what the key names was taken back up to a moment.

        A later moment replaces an earlier one, never the other way round.

        Args:
            key: Of one token, or of whose tokens.
            until: The moment. UTC, to the millisecond.
            kept: How long it is kept: from then, or from now by the store's clock where that is
                later.
        """
        ...

    def revoked(self, keys: Sequence[bytes]) -> Mapping[bytes, datetime]:
        """Return up to when what the keys name was taken back; a key without a moment isn't in it.

        What was committed anywhere before this call is seen.
        """
        ...

    def sweep(self, what: Stale, *, after: bytes, most: int) -> Swept:
        """Delete what is over, by the store's own clock, in one short transaction.

        Args:
            what: Which keys, and when they are over.
            after: Look from the first key after it; b"" from the beginning.
            most: How many keys are looked at.
        """
        ...


class AsyncTransaction(Protocol):
    """`Transaction` on the event loop."""

    @property
    def session(self) -> object:
        """What the user's callables get as their last argument."""
        ...

    async def first_use(self, keys: Sequence[bytes], record: Record) -> bytes | None:
        """See `Transaction.first_use`."""
        ...

    async def keep(self, key: bytes, kept: Kept) -> None:
        """See `Transaction.keep`."""
        ...

    async def kept(self, key: bytes) -> Kept | None:
        """See `Transaction.kept`."""
        ...

    async def lock(self, linked: object) -> None:
        """See `Transaction.lock`."""
        ...

    async def commit(self) -> None:
        """See `Transaction.commit`."""
        ...

    async def rollback(self) -> None:
        """See `Transaction.rollback`; also survives a session whose call was cancelled."""
        ...


class AsyncStore(Protocol):
    """`SyncStore` on the event loop."""

    async def start(self) -> None:
        """See `SyncStore.start`."""
        ...

    async def close(self) -> None:
        """See `SyncStore.close`."""
        ...

    async def begin(self) -> AsyncTransaction:
        """See `SyncStore.begin`."""
        ...

    async def look(self) -> AsyncTransaction:
        """See `SyncStore.look`."""
        ...

    async def count(self, key: bytes, window: timedelta) -> Counted:
        """See `SyncStore.count`."""
        ...

    async def uncount(self, key: bytes, times: int) -> None:
        """See `SyncStore.uncount`."""
        ...

    async def first_use(self, keys: Sequence[bytes], crossing_id: str) -> bytes | None:
        """See `SyncStore.first_use`."""
        ...

    async def hold(
        self, key: bytes, *, lease: timedelta, fingerprint: bytes = b"", crossing_id: str = ""
    ) -> HoldAnswer:
        """See `SyncStore.hold`."""
        ...

    async def settle(
        self, key: bytes, token: int, result: bytes = b"", *, record: Record | None = None
    ) -> bool:
        """See `SyncStore.settle`."""
        ...

    async def release(self, key: bytes, token: int) -> bool:
        """See `SyncStore.release`."""
        ...

    async def record_refusal(self, record: Record, key: bytes, content: bytes | None) -> None:
        """See `SyncStore.record_refusal`."""
        ...

    async def find(self, crossing_id: str) -> Record | None:
        """See `SyncStore.find`."""
        ...

    async def revoke(self, key: bytes, *, until: datetime, kept: timedelta) -> None:
        """See `SyncStore.revoke`."""
        ...

    async def revoked(self, keys: Sequence[bytes]) -> Mapping[bytes, datetime]:
        """See `SyncStore.revoked`."""
        ...

    async def sweep(self, what: Stale, *, after: bytes, most: int) -> Swept:
        """See `SyncStore.sweep`."""
        ...


class Store(Protocol):
    """A store as it is declared.

    It has its name, its roots of trust, and the face that each kind of door uses.
    """

    @property
    def name(self) -> str:
        """Name it for events and reports: "sqlite", "postgresql"."""
        ...

    @property
    def roots(self) -> tuple[Root, ...]:
        """Say on whom single use rests."""
        ...

    @property
    def transactional(self) -> bool:
        """Whether an effect and its single use are one commit (`begin`).

        If not, they are a hold with a lease around the effect (`hold`).
        """
        ...

    @property
    def has_session(self) -> bool:
        """Whether the user's callables get a session of the user's database as last argument."""
        ...

    @property
    def sync(self) -> SyncStore | None:
        """The face for sync doors; None where there is none."""
        ...

    @property
    def asynchronous(self) -> AsyncStore | None:
        """The face for asyncio doors; None where sync calls go to a pool."""
        ...
