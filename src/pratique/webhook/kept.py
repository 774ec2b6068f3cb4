"""What a webhook boundary with an inbox does with what it kept: `work`, `worker`, `sweep`."""

from abc import ABC, abstractmethod
from datetime import timedelta
from functools import partial
from typing import Any, Final

from pratique.core.callback import Callback
from pratique.core.crossing import Crossing
from pratique.core.inbox import (
    AsyncInbox,
    InboxStatus,
    SyncInbox,
    Taken,
    async_inbox_of,
    inbox_of,
)
from pratique.core.perimeter import Perimeter
from pratique.core.question import Flow
from pratique.core.refusal import BoundaryError
from pratique.core.store import Store
from pratique.core.threads import Pool

from .inbox import Inbox, told
from .worker import Worker
from .working import End, OnLoop, Worked, Working, arun, on_a_thread, run, working

SINCE: Final = timedelta(minutes=1)
SLICE: Final = 500


class Kept(ABC):
    """Gives a boundary its workers."""

    name: str
    inbox: Inbox | None
    is_disabled: bool
    perimeter: Perimeter | None
    _store: Store | None
    _is_transactional: bool
    _tell: Callback | None
    _threads: Pool
    _workers: list[Worker]

    @abstractmethod
    def started(self) -> Perimeter:
        """See `Boundary.started`."""

    @abstractmethod
    def flow_of_kept(self, crossing: Crossing, taken: Taken) -> Flow[Any]:
        """Return the flow of the whole crossing of a kept delivery."""

    def tell(self, call: Any) -> None:
        """Say who is told of each delivery, where the queue needs the boundary first.

        Args:
            call: See `Inbox`.

        Raises:
            BoundaryError: the boundary keeps no deliveries, has started, or tells somebody else.
        """
        self._declared()
        if self.perimeter is not None and self.perimeter.is_started:
            raise BoundaryError(f'Boundary "{self.name}": tell(…) comes after the start.')
        if self._tell is not None:
            raise BoundaryError(f'Boundary "{self.name}" tells {self._tell.where} already.')
        self._tell = told(call, self.name)

    def work(self, id: str) -> Worked:
        """Work one kept delivery on this thread, if it is there and nobody else has it.

        For the tasks of your own queue. Called twice, or at once by two, it works it once.

        Args:
            id: As `Inbox(tell=…)` was told.

        Raises:
            BoundaryError: no inbox, the perimeter hasn't started, or the store is asked on the
                event loop: `awork`.
            StoreError: the store doesn't answer: nothing was taken.
        """
        perimeter, inbox, mine = self.started(), self._declared(), self.sync_inbox()
        taken = mine.take(self.name, lease=inbox.lease, id=id)
        if taken is None:
            return Worked(id, End.NOT_TAKEN)
        return run(self._working(taken), perimeter, self, mine)

    async def awork(self, id: str) -> Worked:
        """Do the same on the event loop."""
        perimeter, inbox, mine = self.started(), self._declared(), self.async_inbox()
        taken = await mine.take(self.name, lease=inbox.lease, id=id)
        if taken is None:
            return Worked(id, End.NOT_TAKEN)
        return await arun(self._working(taken), perimeter, self, mine)

    async def atake(self) -> Taken | None:
        """Take what is due for longest; for `Worker`."""
        inbox = self._declared()
        return await self.async_inbox().take(self.name, lease=inbox.lease)

    async def awork_taken(self, taken: Taken) -> Worked:
        """Work what was taken; for `Worker`."""
        return await arun(self._working(taken), self.started(), self, self.async_inbox())

    def worker(self, *, tasks: int = 4, idle: timedelta = timedelta(seconds=1)) -> Worker:
        """Return a worker of this boundary. See `Worker`.

        Raises:
            BoundaryError: the boundary keeps no deliveries.
        """
        self._declared()
        made = Worker((self,), tasks=tasks, idle=idle)
        self.closes(made)
        return made

    def closes(self, worker: Worker) -> None:
        """Stop a worker when the perimeter closes, before its store does."""
        self._workers.append(worker)

    def inbox_status(self) -> InboxStatus:
        """Count what waits, and what nobody works any more.

        Raises:
            StoreError: the store doesn't answer.
        """
        return self.sync_inbox().status(self.name)

    async def ainbox_status(self) -> InboxStatus:
        """Do the same on the event loop."""
        return await self.async_inbox().status(self.name)

    def sweep(self, *, since: timedelta = SINCE, most: int = SLICE) -> int:
        """Tell the queue again of what it forgot, and delete old rows of what is done.

        Call it every minute or so: a queue loses jobs when it is emptied, when a worker is killed,
        and when it was down while a delivery came. A job too many does nothing.

        Args:
            since: How long a delivery has been due, at the least. A queue takes about as long.
            most: Deliveries that are told at once.

        Returns:
            How many were told; 0 where workers look by themselves.

        Raises:
            StoreError: the store doesn't answer.
            Exception: what telling the queue raises.
        """
        inbox, mine = self._declared(), self.sync_inbox()
        mine.forget(self.name, kept=inbox.kept, most=SLICE)
        if self._tell is None:
            return 0
        within = self._tell.call if self._tell.wants_session else None
        ids = mine.forgotten(self.name, since=since, most=most, within=within)
        if within is None:
            for each in ids:
                self._tell.call(each)
        return len(ids)

    async def asweep(self, *, since: timedelta = SINCE, most: int = SLICE) -> int:
        """Do the same on the event loop."""
        inbox, mine = self._declared(), self.async_inbox()
        await mine.forget(self.name, kept=inbox.kept, most=SLICE)
        if self._tell is None:
            return 0
        within = self._tell.call if self._tell.wants_session else None
        ids = await mine.forgotten(self.name, since=since, most=most, within=within)
        if within is None:
            for each in ids:
                await self._atell(self._tell, each)
        return len(ids)

    async def _atell(self, tell: Callback, id: str) -> None:
        if tell.is_async:
            await tell.call(id)
        else:
            await on_a_thread(self._threads, partial(tell.call, id))

    def _working(self, taken: Taken) -> Working:
        return working(
            taken,
            self._declared(),
            self.flow_of_kept,
            is_transactional=self._is_transactional,
        )

    def sync_inbox(self) -> SyncInbox:
        """Return the store's inbox for this thread.

        Raises:
            BoundaryError: there is none.
        """
        self._declared()
        found = inbox_of(self._known_store().sync)
        if found is None:
            message = (
                f'Boundary "{self.name}": the store is asked on the event loop: await awork(id), '
                "ainbox_status(), asweep()."
            )
            raise BoundaryError(message)
        return found

    def async_inbox(self) -> "AsyncInbox | OnLoop":
        """Return the store's inbox for the event loop."""
        self._declared()
        store = self._known_store()
        found = async_inbox_of(store.asynchronous)
        return found if found is not None else OnLoop(self.sync_inbox(), self._threads)

    def _known_store(self) -> Store:
        if self._store is None:
            raise BoundaryError(f'Boundary "{self.name}" hasn\'t started.')
        return self._store

    def _declared(self) -> Inbox:
        if self.inbox is None:
            raise BoundaryError(
                f'Boundary "{self.name}" keeps no deliveries: Webhook(…, inbox=Inbox()).'
            )
        return self.inbox
