"""The store's own worker: takes what is due, a few at a time, until it is stopped."""

import asyncio
import logging
import threading
from collections.abc import Iterable, Sequence
from datetime import timedelta
from types import NoneType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from pratique.core.forks import renew_after_fork
from pratique.core.inbox import Taken
from pratique.core.perimeter import Perimeter
from pratique.core.recorder import Recorder
from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.watcher import Sample

if TYPE_CHECKING:
    from .kept import Kept

_log: Final = logging.getLogger("pratique")
STOP_SECONDS: Final = 30.0
"""How long a stop waits for what is in hand: then its lease ends, and another worker takes it."""


class Worker:
    """Works the deliveries that a boundary keeps: of one or of several.

        with payments.worker():          # on a thread of its own
        async with payments.worker():    # on this event loop
        payments.worker().run()          # here, until somebody calls stop(): a process of its own
        perimeter.attach(payments.worker())   # from the start of the perimeter to its close

    One that hangs or is slow keeps its own place and no other.

    Args:
        boundaries: Whose deliveries; each has an inbox.
        tasks: Deliveries that are worked at once, 1 or more.
        idle: How long it waits before it looks again, where nothing is due.

    Raises:
        BoundaryError: no boundary, or a figure that isn't above zero.
    """

    def __init__(
        self,
        boundaries: "Sequence[Kept]",
        *,
        tasks: int = 4,
        idle: timedelta = timedelta(seconds=1),
    ) -> None:
        if not boundaries or tasks < 1 or idle <= timedelta(0):
            message = (
                f"Worker of {len(boundaries)} boundaries, tasks={tasks}, idle={idle}: each is "
                "above zero."
            )
            raise BoundaryError(message)
        self._boundaries = tuple(boundaries)
        self._tasks, self._idle = tasks, idle.total_seconds()
        self._in_hand: set[str] = set()
        self._stopping: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False
        # No thread of the parent's works in a child, which may begin one of its own.
        renew_after_fork(self, _thread=NoneType, _in_hand=set, _loop=NoneType, _stopping=NoneType)

    @classmethod
    def of(
        cls, perimeter: Perimeter, *, tasks: int = 4, idle: timedelta = timedelta(seconds=1)
    ) -> Self:
        """Return a worker of every boundary of a perimeter that keeps deliveries.

        Raises:
            BoundaryError: none does.
        """
        every: list[Any] = [
            each for each in perimeter.boundaries if getattr(each, "inbox", None) is not None
        ]
        made = cls(every, tasks=tasks, idle=idle)
        for boundary in every:
            boundary.closes(made)
        return made

    def run(self) -> None:
        """Work on this thread until `stop`. The perimeter has started.

        Raises:
            BoundaryError: it hasn't.
        """
        asyncio.run(self.arun())

    async def arun(self) -> None:
        """Work on this event loop until `stop`, then finish what is in hand."""
        self._begin()
        await self._work(is_draining=False)

    async def adrain(self) -> int:
        """Work what is due now, and return how much that was: for tests, and for a timer of yours.

        Raises:
            StoreError: the store doesn't answer.
        """
        self._begin()
        return await self._work(is_draining=True)

    def drain(self) -> int:
        """Do the same on this thread, where no event loop runs."""
        return asyncio.run(self.adrain())

    def stop(self) -> None:
        """Let it take nothing more. From any thread."""
        self._is_stopped = True
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None and not loop.is_closed():
            loop.call_soon_threadsafe(stopping.set)

    def start(self) -> None:
        """Work on a thread of its own.

        Raises:
            BoundaryError: the perimeter hasn't started.
        """
        for boundary in self._boundaries:
            boundary.started()
        self._is_stopped = False
        self._thread = threading.Thread(target=self.run, name="pratique-worker", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait for what is in hand."""
        self.stop()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(STOP_SECONDS)

    async def aclose(self) -> None:
        """Stop, and wait for what is in hand, on the event loop."""
        self.stop()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait((task,), timeout=STOP_SECONDS)
        if self._thread is not None:
            await asyncio.to_thread(self.close)

    def started(self, recorder: Recorder) -> None:
        """See `Watcher.started`: on the loop that runs, else on a thread of its own."""
        _ = recorder
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.start()
        else:
            self._is_stopped = False
            self._task = loop.create_task(self.arun())

    def closed(self, recorder: Recorder) -> None:
        """See `Watcher.closed`."""
        _ = recorder
        self.stop()

    def samples(self) -> Iterable[Sample]:
        """See `Watcher.samples`: the inbox's own figures are `Webhook.inbox_status`."""
        return ()

    def __enter__(self) -> Self:
        """Work on a thread of its own."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.close()

    async def __aenter__(self) -> Self:
        """Work on this event loop."""
        for boundary in self._boundaries:
            boundary.started()
        self._is_stopped = False
        self._task = asyncio.get_running_loop().create_task(self.arun())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.aclose()

    def _begin(self) -> None:
        for boundary in self._boundaries:
            boundary.started()
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        if self._is_stopped:
            self._stopping.set()

    async def _work(self, *, is_draining: bool) -> int:
        places, running = asyncio.Semaphore(self._tasks), set[asyncio.Task[None]]()
        count, failed = 0, False
        while not self._has_stopped():
            await places.acquire()
            try:
                found = None if self._has_stopped() else await self._take()
                failed = False
            except StoreError as error:
                if is_draining:
                    raise
                if not failed:  # once, however long it lasts
                    _log.warning("the inbox can't be looked at: %s", error)
                found, failed = None, True
            if found is None:
                places.release()
                if is_draining:
                    if not running:
                        break
                    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    continue
                await self._pause()
                continue
            count += 1
            task = asyncio.ensure_future(self._one(*found))
            running.add(task)
            task.add_done_callback(running.discard)
            task.add_done_callback(lambda _: places.release())
        if running:  # what hangs then is taken over by another worker, once its lease has ended
            await asyncio.wait(running, timeout=STOP_SECONDS)
        return count

    async def _take(self) -> "tuple[Kept, Taken] | None":
        for boundary in self._boundaries:
            if boundary.is_disabled:
                continue
            taken = await boundary.atake()
            if taken is None:
                continue
            if taken.delivery.id in self._in_hand:
                # Its lease ended while it hangs here. It keeps its place; to work it twice in one
                # process would only cost a second one.
                continue
            # The next look begins with the others: one that is flooded holds up no other.
            rest = [each for each in self._boundaries if each is not boundary]
            self._boundaries = (*rest, boundary)
            return boundary, taken
        return None

    async def _one(self, boundary: "Kept", taken: Taken) -> None:
        name = taken.delivery.id
        self._in_hand.add(name)
        try:
            await boundary.awork_taken(taken)
        except Exception:  # noqa: BLE001  logged whole
            # Nothing of a delivery ends here; what does is a defect of ours, and stops no other.
            _log.exception("the kept delivery %s could not be worked", name)
        finally:
            self._in_hand.discard(name)

    def _has_stopped(self) -> bool:
        return self._stopping is None or self._stopping.is_set()

    async def _pause(self) -> None:
        if self._stopping is None:
            return
        try:
            async with asyncio.timeout(self._idle):
                await self._stopping.wait()
        except TimeoutError:
            return
