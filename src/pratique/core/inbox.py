"""What a store owes an inbox: deliveries that were taken in now and are worked later."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Protocol

import msgspec

from .claim import Fields, Via


class State(IntEnum):
    """How far a kept delivery is."""

    WAITING = 0
    TAKEN = 1
    """A worker has it, until its lease ends."""
    DONE = 2
    """Nothing is left to do; its content is gone."""
    DEAD = 3
    """No worker takes it any more, until somebody replays it."""
    PARKED = 4
    """An operator has laid it aside."""
    UNKNOWN = -1
    """Read, never written: a later version wrote the row, or it was altered. Nobody works it."""


def state_of(written: object) -> State:
    """Return the state that a row says, or UNKNOWN."""
    try:
        return State(int(str(written)))
    except ValueError:
        return State.UNKNOWN


class Delivery(msgspec.Struct, frozen=True):
    """A delivery as it came, with what its proof needs. Nothing in it is believed any further."""

    id: str
    """32 hexadecimal digits that follow from its single-use key, as in its events; and from what of
    it is unsigned, where the sender leaves a type or content so."""
    boundary: str
    key: bytes
    content: bytes
    fields: Fields
    """The lines that the sender's scheme looked at, no other: no cookie, no token of anybody."""
    received_at: datetime
    """UTC, to the microsecond."""
    via: Via
    crossing_id: str
    """Of the receipt."""


class Taken(msgspec.Struct, frozen=True):
    """A delivery that is ours until the lease ends. `token` grows with each taking (fencing)."""

    delivery: Delivery
    token: int
    attempts: int
    """How often it was taken, this time included."""


class Listed(msgspec.Struct, frozen=True):
    """One kept delivery without its content. Nothing but `received_at` and ids came from outside.

    A row that was altered is listed too, with what can be read of it: escape what you print.

    Attributes:
        received_at: UTC; None where the row can't say.
        content_bytes: Its size; 0 once it is done.
        due_in: When a worker may take it; below zero where that is past. By the store's clock.
        code: Why the last attempt didn't end it, a refusal's code; "" before the first.
        last_id: The crossing of the last attempt.
    """

    id: str
    boundary: str
    state: State
    attempts: int
    received_at: datetime | None
    content_bytes: int
    due_in: timedelta
    code: str
    crossing_id: str
    last_id: str


class InboxStatus(msgspec.Struct, frozen=True):
    """How an inbox stands, for metrics.

    Attributes:
        pending: Deliveries that wait or are worked: `pratique_inbox_pending`.
        oldest: Since when the oldest of them is here: `pratique_inbox_oldest_seconds`; zero where
            none is pending.
        dead: Dead letters: `pratique_dead_letters`.
        parked: Deliveries that an operator has laid aside.
    """

    pending: int
    oldest: timedelta
    dead: int
    parked: int


Within = Callable[[str, object], object]
"""(id, session): does something more in the transaction that keeps a delivery."""
AsyncWithin = Callable[[str, object], Awaitable[object]]


class SyncInbox(Protocol):
    """The inbox of a store's sync face.

    Every method raises StoreError and, `put` with its *within* excepted, nothing else. Leases and
    pauses run by the store's clock; every write that ends a lease is conditional on its token.
    """

    def put(self, delivery: Delivery, within: Within | None = None) -> bool:
        """Keep a delivery, durably. False where it is there already: nothing was written.

        Args:
            delivery: To be worked at once.
            within: Is called before the commit, where the delivery is new: a job of a queue that
                lives in the same database. What it raises undoes the delivery too.
        """
        ...

    def take(self, boundary: str, *, lease: timedelta, id: str = "") -> Taken | None:
        """Take the delivery that is due for longest, with a higher token; None where none is.

        Args:
            boundary: Whose.
            lease: How long it is ours.
            id: This one, also before it is due again; never one whose lease runs.
        """
        ...

    def done(self, id: str, token: int) -> bool:
        """Say that nothing is left to do, and let its content go. False: the token has passed."""
        ...

    def later(
        self, id: str, token: int, *, pause: timedelta, code: str, crossing_id: str = ""
    ) -> bool:
        """Let it wait. False where the token is no longer in force: somebody took over."""
        ...

    def dead(self, id: str, token: int, *, code: str, crossing_id: str = "") -> bool:
        """Make it a dead letter. False where the token is no longer in force."""
        ...

    def move(self, id: str, to: State) -> bool:
        """Let an operator replay (WAITING, all attempts given back) or park (PARKED) a delivery.

        False where it isn't there, is done, or a worker has it.
        """
        ...

    def listed(
        self, boundary: str = "", *, state: State | None = None, after: str = "", most: int = 100
    ) -> Sequence[Listed]:
        """Return kept deliveries in the order of their ids, from the first after *after*."""
        ...

    def show(self, id: str) -> tuple[Listed, Delivery | None] | None:
        """Return one delivery whole; None where it isn't there.

        The delivery alone is None where its row can't be read any more.
        """
        ...

    def status(self, boundary: str) -> InboxStatus:
        """Count. Costs as much as there are deliveries that aren't done."""
        ...

    def forgotten(
        self, boundary: str, *, since: timedelta, most: int, within: Within | None = None
    ) -> Sequence[str]:
        """Return the ids of what has been due for longer than *since*, each once in that time.

        With *within* each is told in the transaction that found them.
        """
        ...

    def forget(self, boundary: str, *, kept: timedelta, most: int) -> int:
        """Delete at most *most* rows of what was done longer than *kept* ago; say how many."""
        ...


class AsyncInbox(Protocol):
    """`SyncInbox` on the event loop."""

    async def put(self, delivery: Delivery, within: AsyncWithin | None = None) -> bool:
        """See `SyncInbox.put`."""
        ...

    async def take(self, boundary: str, *, lease: timedelta, id: str = "") -> Taken | None:
        """See `SyncInbox.take`."""
        ...

    async def done(self, id: str, token: int) -> bool:
        """See `SyncInbox.done`."""
        ...

    async def later(
        self, id: str, token: int, *, pause: timedelta, code: str, crossing_id: str = ""
    ) -> bool:
        """See `SyncInbox.later`."""
        ...

    async def dead(self, id: str, token: int, *, code: str, crossing_id: str = "") -> bool:
        """See `SyncInbox.dead`."""
        ...

    async def move(self, id: str, to: State) -> bool:
        """See `SyncInbox.move`."""
        ...

    async def listed(
        self, boundary: str = "", *, state: State | None = None, after: str = "", most: int = 100
    ) -> Sequence[Listed]:
        """See `SyncInbox.listed`."""
        ...

    async def show(self, id: str) -> tuple[Listed, Delivery | None] | None:
        """See `SyncInbox.show`."""
        ...

    async def status(self, boundary: str) -> InboxStatus:
        """See `SyncInbox.status`."""
        ...

    async def forgotten(
        self, boundary: str, *, since: timedelta, most: int, within: AsyncWithin | None = None
    ) -> Sequence[str]:
        """See `SyncInbox.forgotten`."""
        ...

    async def forget(self, boundary: str, *, kept: timedelta, most: int) -> int:
        """See `SyncInbox.forget`."""
        ...


class Finishing(Protocol):
    """What the transaction of a store with an inbox can do besides."""

    def finish(self, id: str, token: int) -> bool:
        """Say in this transaction that nothing is left to do of a delivery. See `SyncInbox.done`.

        From here to the commit no other worker can take it over.
        """
        ...


class AsyncFinishing(Protocol):
    """`Finishing` on the event loop."""

    async def finish(self, id: str, token: int) -> bool:
        """See `Finishing.finish`."""
        ...


def inbox_of(face: object) -> SyncInbox | None:
    """Return the inbox of a store's sync face; None where it keeps none."""
    return getattr(face, "inbox", None)


def async_inbox_of(face: object) -> AsyncInbox | None:
    """Return the inbox of a store's face on the event loop; None where it keeps none."""
    return getattr(face, "inbox", None)
