"""One timer for all crossings of an event loop, and only for those that wait.

They share one deadline, so whichever began first ends first: a queue and its head's timer do.
`asyncio.timeout` arms and disarms a timer for each, which costs as much as a third of a crossing;
one of which no answer has to be waited for can't be late, and needs none.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from threading import local
from time import monotonic
from types import TracebackType, coroutine
from typing import Any, Self


class Limit:
    """The deadline of one crossing, as a context; TimeoutError where it passed inside.

    It cancels the task and takes that back like `asyncio.Timeout`, so that a cancellation by
    somebody else stays one.
    """

    __slots__ = ("_cancelling", "_task", "ends_at", "is_over")

    def __init__(self, task: "asyncio.Task[object]", ends_at: float) -> None:
        self._task: asyncio.Task[object] | None = task
        self._cancelling = task.cancelling()
        self.ends_at = ends_at
        self.is_over = False

    @property
    def is_waiting(self) -> bool:
        """Say whether the deadline can still end something."""
        return self._task is not None and not self.is_over

    def lift(self) -> None:
        """Let the rest take as long as it takes."""
        if not self.is_over:
            self._task = None

    def end(self) -> None:
        """Cancel what still runs."""
        if self._task is not None:
            self.is_over = True
            self._task.cancel()

    def leave(self) -> bool:
        """Let go of the task; say whether it was the deadline, and nobody else, that ended it."""
        task, self._task = self._task, None
        return self.is_over and task is not None and task.uncancel() <= self._cancelling

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self.leave() and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error


class _Queue:
    """The limits of one event loop, in the order in which they end."""

    __slots__ = ("_is_armed", "_limits", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._limits: deque[Limit] = deque()
        self._is_armed = False

    def add(self, limit: Limit) -> None:
        self._limits.append(limit)
        if not self._is_armed:
            self._is_armed = True
            self.loop.call_at(limit.ends_at, self._fire)

    def _fire(self) -> None:
        limits, now = self._limits, self.loop.time()
        while limits:
            head = limits[0]
            if head.is_waiting and head.ends_at > now:
                self.loop.call_at(head.ends_at, self._fire)
                return
            limits.popleft()
            head.end()
        self._is_armed = False


class Deadlines:
    """The queues of the loops that a perimeter serves, one a thread.

    Args:
        seconds: From the begin of a crossing; the same for all of them.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._mine = local()

    def begin(self, began_at: float | None = None) -> Limit:
        """Begin the deadline of the task that runs now.

        Args:
            began_at: When the crossing began, by `time.monotonic`; now, where it is left out. A
                thread of a loop does one thing at a time: what begins before another one and waits
                for the first time after it is none of ours.

        Raises:
            RuntimeError: no task of asyncio runs.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            message = "a crossing with a deadline runs inside a task of asyncio"
            raise RuntimeError(message)
        queue: _Queue | None = getattr(self._mine, "queue", None)
        if queue is None or queue.loop is not loop:
            queue = self._mine.queue = _Queue(loop)
        spent = 0.0 if began_at is None else monotonic() - began_at
        limit = Limit(task, loop.time() + self._seconds - spent)
        queue.add(limit)
        return limit


@coroutine
def watched(answer: Awaitable[Any], begin: Callable[[], object]) -> Generator[Any, None, Any]:
    """Await an answer; call *begin* first where it really has to be waited for."""
    steps = answer.__await__()
    try:
        waits_for = next(steps)
        begin()
        while True:
            try:
                yield waits_for
                break
            except BaseException as error:  # noqa: BLE001  it is for who waits there
                waits_for = steps.throw(error)
    except StopIteration as end:
        return end.value
    return (yield from steps)
