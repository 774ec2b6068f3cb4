"""All boundaries of one application: started together, closed together, crossed by its drivers."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from .adrive import adrive
from .boundary import Boundary
from .claim import Claim, Fields
from .crossing import Crossing
from .drive import drive
from .drive_here import drive_here
from .event import Outcome, Record, Sink
from .fingerprint import Fingerprints
from .forks import WITHOUT_HOOKS, renew_after_fork, untold_forks
from .measures import Measures
from .question import Flow, Question
from .recorder import LoggerSink, Recorder, outcome_of
from .refusal import BoundaryError, Refused
from .register import Register
from .reminder import Reminder, endings
from .store import Store
from .store_span import aclose_store, astart_store, close_store, start_store
from .threads import Tally
from .watcher import Inspector, Watcher
from .world import LEASE, World

B = TypeVar("B", bound=Boundary)
T = TypeVar("T")
W = TypeVar("W", bound=Watcher)
_NO_FIELDS: Final = Fields()
DEADLINE: Final = timedelta(seconds=10)
"""Senders wait 5 s (Shopify, Paddle) to 30 s; uvicorn and gunicorn end a worker at 30 s."""


class Perimeter:
    """Every declared boundary of one application.

    Args:
        store: Where single use and events are kept, see `pratique.stores`. None while no boundary
            needs one.
        events: Where the record of each crossing goes as well; the stdlib logger "pratique" by
            default.
        deadline: For all proofs of one crossing together. The effect's transaction is never
            abandoned.
        lease: How long a key is held around an effect that is outside a transaction.
        clock: Tells the time in UTC; tests hand in their own.
        answers: Answers for questions that rooms add, by type.
        fingerprints: Marks of addresses and subjects in the records, by a key; none by default.

    Raises:
        BoundaryError: `deadline` or `lease` is zero or less, `events` is empty.
    """

    def __init__(
        self,
        store: Store | None = None,
        events: Sink | Sequence[Sink] | None = None,
        *,
        deadline: timedelta | None = DEADLINE,
        lease: timedelta = LEASE,
        clock: Callable[[], datetime] | None = None,
        answers: dict[type[Question], Callable[[Any], Any]] | None = None,
        fingerprints: Fingerprints | None = None,
    ) -> None:
        for name, span in (("deadline", deadline), ("lease", lease)):
            if span is not None and span <= timedelta(0):
                message = f"Perimeter({name}={span}) is not above zero."
                raise BoundaryError(message)
        self.store = store
        self.fingerprints = fingerprints
        self.clock: Callable[[], datetime] = clock or utc_now
        self.tally: Final = Tally()
        self.measures: Final = Measures(new_lock=Lock)
        self.recorder = Recorder(_sinks(events), count=self.tally.add, measures=self.measures)
        self._world = World(
            store,
            self.recorder,
            deadline=deadline.total_seconds() if deadline is not None else None,
            lease=lease,
            answers=answers,
        )
        self._register = Register()
        self._watchers: list[Watcher] = []
        self._lock = Lock()
        self._is_started, self._untold = False, 0
        renew_after_fork(self, _lock=Lock)

    def declare(self, boundary: B) -> B:
        """Add a boundary to the perimeter; it is given back, typed.

        Raises:
            BoundaryError: the perimeter has started, or has a boundary of that name.
        """
        if self._is_started:
            raise BoundaryError(
                f'Boundary "{boundary.name}" is declared after the start. '
                "Declare it where the module is imported."
            )
        self._register.add(boundary, self)
        boundary.fingerprints = self.fingerprints
        return boundary

    def narrow(self, *, deadline: timedelta) -> None:
        """Shorten the deadline. BoundaryError: it is zero or less, or longer than before."""
        self._world.narrow(deadline.total_seconds())

    def attach(self, watcher: W) -> W:
        """Let a watcher tell through this perimeter what it sees; it is given back, typed.

        What it saw before the start is told at the start: `naked.watch()` is one. What an
        `Inspector` finds is a debt of the start.

        Raises:
            BoundaryError: the perimeter has started, and it is an inspector: it would not be asked.
        """
        if not any(watcher is known for known in self._watchers):
            if self._is_started and isinstance(watcher, Inspector):
                message = (
                    f"{type(watcher).__name__} is attached after the start, which it inspects. "
                    "Attach it where the module is imported."
                )
                raise BoundaryError(message)
            self._watchers.append(watcher)
            if self._is_started:
                watcher.started(self.recorder)
        return watcher

    @property
    def deadline(self) -> timedelta | None:
        """Return the time for all proofs of one crossing together; None where there is no limit."""
        seconds = self._world.deadline
        return None if seconds is None else timedelta(seconds=seconds)

    @property
    def watchers(self) -> tuple[Watcher, ...]:
        """Return every watcher: their samples stand beside the tally of crossings."""
        return tuple(self._watchers)

    @property
    def boundaries(self) -> tuple[Boundary, ...]:
        """Return every declared boundary, in order."""
        return self._register.boundaries

    @property
    def is_started(self) -> bool:
        """Say whether every debt was settled and the store answered, in this process."""
        return self._is_started and self._untold == untold_forks()

    def debts(self) -> list[str]:
        """Return every debt of every boundary and sink, one sentence each with its mend.

        Reads secrets; touches no store.
        """
        found = [*self._register.debts(self.store, self.clock()), *self.recorder.debts()]
        return [*found, *(self.fingerprints.debts() if self.fingerprints is not None else ())]

    def warnings(self) -> list[str]:
        """Return what isn't proven and ends soon or is an alarm, one sentence each."""
        now = self.clock()
        return [said for each in endings(self.boundaries) if (said := each.warning(now))]

    def start(self) -> None:
        """Start: every boundary, then the store. Nothing crosses before.

        Raises:
            BoundaryError: with every debt at once.
            StoreError: the store doesn't answer.
        """
        self._require_told()
        with self._lock:
            if self._is_started:
                return
            self._settle_debts(*[each.debts() for each in self._inspectors()])
            if self.store is not None:
                start_store(self.store)
            self._opened()

    async def astart(self) -> None:
        """Start on the event loop. See `start`."""
        self._require_told()
        if self._is_started:
            return
        self._settle_debts(*[await each.adebts() for each in self._inspectors()])
        if self.store is not None:
            await astart_store(self.store, self._world.pools)
        self._opened()

    def close(self) -> None:
        """Let go of the store and the sinks. What crosses later must start it again."""
        if self._is_its_parents:
            return
        for boundary in self.boundaries:
            boundary.close()
        if self.store is not None:
            close_store(self.store)
        self._closed()

    async def aclose(self) -> None:
        """Let go of the store and the sinks, on the event loop."""
        if self._is_its_parents:
            return
        for boundary in self.boundaries:
            closing = boundary.aclose()
            if closing is not None:
                await closing
        if self.store is not None:
            await aclose_store(self.store, self._world.pools)
        self._closed()

    def admit(self, boundary: Boundary, claim: Claim) -> Any:
        """Let a claim cross, on this thread.

        Raises:
            Refused: it doesn't cross.
            BoundaryError: the perimeter hasn't started.
        """
        crossing = self.cross(boundary, claim)
        return drive(boundary.flow(crossing), crossing, self._world)

    async def aadmit(self, boundary: Boundary, claim: Claim) -> Any:
        """Let a claim cross, on the event loop. See `admit`."""
        crossing = self.cross(boundary, claim)
        return await adrive(boundary.flow(crossing), crossing, self._world)

    def carry(self, boundary: Boundary, claim: Claim, flow_of: Callable[[Crossing], Flow[T]]) -> T:
        """Let a claim cross by one of a boundary's flows; what is done then is up to the caller.

        Args:
            boundary: Declared here.
            claim: What came.
            flow_of: (crossing) -> the flow, which mints.

        Raises:
            Refused: it doesn't cross.
            BoundaryError: the perimeter hasn't started.
        """
        crossing = self.cross(boundary, claim)
        found = drive(flow_of(crossing), crossing, self._world)
        self.recorder.emit(crossing.record(Outcome.PROVEN), sample=False)
        return found

    def carry_here(
        self, boundary: Boundary, claim: Claim, flow_of: Callable[[Crossing], Flow[T]]
    ) -> T:
        """Do the same on this very thread, where a connection belongs to it. See `drive_here`."""
        crossing = self.cross(boundary, claim)
        found = drive_here(flow_of(crossing), crossing, self._world)
        self.recorder.emit(crossing.record(Outcome.PROVEN), sample=False)
        return found

    def acarry(
        self, boundary: Boundary, claim: Claim, flow_of: Callable[[Crossing], Flow[T]]
    ) -> Awaitable[T]:
        """Do the same on the event loop."""
        crossing = self.cross(boundary, claim)
        return self.aprove(crossing, flow_of(crossing))

    def aprove(self, crossing: Crossing, flow: Flow[T]) -> Awaitable[T]:
        """Do the same with a crossing that `cross` has begun, by its flow."""
        return adrive(flow, crossing, self._world, records=True)

    def perform(
        self, boundary: Boundary, claim: Claim, flow_of: Callable[[Crossing], Flow[T]]
    ) -> T:
        """Let a claim cross by one of a boundary's flows that does its effect, and records it.

        Raises:
            Refused: it doesn't cross.
            BoundaryError: the perimeter hasn't started.
        """
        crossing = self.cross(boundary, claim)
        return drive(flow_of(crossing), crossing, self._world)

    async def aperform(
        self, boundary: Boundary, claim: Claim, flow_of: Callable[[Crossing], Flow[T]]
    ) -> T:
        """Do the same on the event loop."""
        crossing = self.cross(boundary, claim)
        return await adrive(flow_of(crossing), crossing, self._world)

    def refuse(self, boundary: Boundary, refused: Refused, *, known: object = None) -> Refused:
        """Record a refusal of the door itself, and return it: there was no claim yet (a size).

        Or all of it was proven, for *known*: it counts as that principal's, not as a stranger's.
        """
        crossing = Crossing(boundary, Claim(b"", _NO_FIELDS, self.clock()))
        crossing.owns(refused)
        record = crossing.record(outcome_of(refused, observing=crossing.observing), refused)
        self.recorder.emit(record, sample=known is None, principal=known)
        return refused

    def find(self, crossing_id: str) -> Record | None:
        """Return the record of a crossing, from memory, the sinks or the store."""
        found = self.recorder.find(crossing_id)
        if found is None and self.store is not None and self.store.sync is not None:
            found = self.store.sync.find(crossing_id)
        return found

    async def afind(self, crossing_id: str) -> Record | None:
        """Return the record of a crossing, on the event loop."""
        found = self.recorder.find(crossing_id)
        if found is None and self.store is not None and self.store.asynchronous is not None:
            return await self.store.asynchronous.find(crossing_id)
        return found if found is not None else self.find(crossing_id)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    async def __aenter__(self) -> Self:
        """Start on the event loop."""
        await self.astart()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close on the event loop."""
        await self.aclose()

    def cross(self, boundary: Boundary, claim: Claim) -> Crossing:
        """Begin a crossing, which a driver is then handed.

        Raises:
            BoundaryError: the perimeter hasn't started, or doesn't declare the boundary.
        """
        if not self.is_started:
            self._require_told()
            raise BoundaryError(
                "the perimeter hasn't started: nothing crosses. "
                "Call perimeter.start(), or guard(app, perimeter)."
            )
        self._register.require(boundary)
        return Crossing(boundary, claim)

    def _inspectors(self) -> list[Inspector]:
        return [each for each in self._watchers if isinstance(each, Inspector)]

    def _settle_debts(self, *inspected: list[str]) -> None:
        debts = [*self.debts(), *(debt for found in inspected for debt in found)]
        if debts:
            raise BoundaryError(*debts)

    def _require_told(self) -> None:
        if self._is_its_parents:
            raise BoundaryError(WITHOUT_HOOKS)

    @property
    def _is_its_parents(self) -> bool:
        return self._is_started and self._untold != untold_forks()

    def _opened(self) -> None:
        self._is_started, self._untold = True, untold_forks()
        reminder = Reminder(endings(self.boundaries), self.recorder.tell, new_lock=Lock)
        self.recorder.ring = reminder.ring if reminder.has_any else None
        reminder.ring(self.clock())
        for watcher in self._watchers:
            watcher.started(self.recorder)

    def _closed(self) -> None:
        for watcher in self._watchers:
            watcher.closed(self.recorder)
        self.recorder.close()
        self._world.pools.close()
        self._is_started = False


utc_now: Final[Callable[[], datetime]] = partial(datetime.now, UTC)
"""() -> the time, UTC."""


def _sinks(events: Sink | Sequence[Sink] | None) -> tuple[Sink, ...]:
    if events is None:
        return (LoggerSink(),)
    sinks = tuple(events) if isinstance(events, Sequence) else (events,)
    if not sinks:
        message = "Perimeter(events=[]) would log no crossing. Leave it out for the stdlib logger."
        raise BoundaryError(message)
    return sinks
