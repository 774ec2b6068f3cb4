"""What threads share: counters, a bounded pool, an errand that many wait for, and a gate.

The gate decides between an effect and its deadline.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from threading import Lock
from types import NoneType
from typing import Any, Final, TypeVar

from .callback import Callback
from .forks import renew_after_fork, take_turns
from .measures import OTHER
from .recorder import Label

T = TypeVar("T")
MOST_LABELS: Final = 4096
"""Sets of labels of one counter; a further one is counted under the code "other"."""
POOL_THREADS: Final = 32
"""Of one boundary. They are made as they are needed."""
_surrounding: Final[list[Callable[[], AbstractContextManager[object]]]] = []
take_turns(Lock())


def surround_each_call(context: Callable[[], AbstractContextManager[object]]) -> None:
    """Run each call on a pool's thread inside a context: nobody else tidies up there.

    Args:
        context: () -> the context. Called on the thread that submits, entered on the pool's.
            Neither may raise.
    """
    if context not in _surrounding:
        _surrounding.append(context)


class Tally:
    """Counters that several threads add to. A forked child counts from zero: what its own did."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.counts: dict[Label, int] = {}
        renew_after_fork(self, _lock=Lock, counts=dict)

    def add(self, label: Label) -> None:
        """Add one."""
        with self._lock:
            counts = self.counts
            if label not in counts and len(counts) >= MOST_LABELS:
                label = (*label[:3], "", OTHER)
            counts[label] = counts.get(label, 0) + 1


class NoThread(Exception):
    """Every thread of a pool is kept by a call for which nobody waits any more."""


class Pool:
    """A bounded pool of threads, made when first needed and made anew in a forked child.

    A call that hangs keeps its thread, and no library can take it back. One for which nobody waits
    any more is given up; where all threads are kept by such, the next call is refused at once
    instead of waiting for nothing (CWE-400).
    """

    def __init__(self, threads: int = POOL_THREADS) -> None:
        self._threads = threads
        self._executor: ThreadPoolExecutor | None = None
        self._lock = Lock()
        self._given_up: set[Future[Any]] = set()
        renew_after_fork(self, _executor=NoneType, _lock=Lock, _given_up=set)

    def submit(self, call: Callable[..., T], /, *args: Any) -> "Future[T]":
        """Run *call* on a thread of the pool; it waits for one where all are taken.

        Raises:
            NoThread: all are taken by calls that were given up.
        """
        if len(self._given_up) >= self._threads:
            raise NoThread
        executor = self._executor
        if executor is None:
            with self._lock:
                executor = self._executor
                if executor is None:
                    executor = self._executor = ThreadPoolExecutor(
                        self._threads, thread_name_prefix="pratique"
                    )
        if not _surrounding:
            return executor.submit(call, *args)
        contexts = [make() for make in _surrounding]
        return executor.submit(_inside, contexts, call, *args)

    def give_up(self, future: "Future[Any]") -> None:
        """Wait no longer: a call that hasn't begun never does, one that runs keeps its thread."""
        if not future.cancel():
            self._given_up.add(future)
            future.add_done_callback(self._given_up.discard)  # at once, where it is done by now

    def close(self) -> None:
        """Let the threads end; one that hangs in a user's call is left to itself."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = None


class Pools:
    """A pool for each boundary: what hangs in one takes no thread of another."""

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}

    def of(self, boundary: str = "") -> Pool:
        """Return the pool of a boundary; of the perimeter itself without a name."""
        pool = self._pools.get(boundary)
        return pool if pool is not None else self._pools.setdefault(boundary, Pool())

    def close(self) -> None:
        """Let all threads end. See `Pool.close`."""
        for pool in self._pools.values():
            pool.close()


def _inside(
    contexts: list[AbstractContextManager[object]], call: Callable[..., T], /, *args: Any
) -> T:
    with ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        return call(*args)


def carried(callback: Callback, *args: object) -> tuple[object, Exception | None]:
    """Call, and carry an exception as a value: a Future takes neither StopIteration nor its own."""
    try:
        return callback.call(*args), None
    except (StopIteration, CancelledError) as error:
        wrapped = RuntimeError(f"{callback.where} raised {type(error).__name__}")
        wrapped.__cause__ = error
        return None, wrapped
    except Exception as error:  # noqa: BLE001  raised again where it is awaited
        return None, error


class Flight:
    """One errand that many wait for. It ends with why it failed; "" where it didn't."""

    __slots__ = ("done", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.done: Future[str] = Future()
        self.done.set_running_or_notify_cancel()  # whoever stops waiting doesn't cancel it

    def wait(self, seconds: float, *, late: str) -> str:
        """Return what it ended with, or *late* where it hasn't by then."""
        try:
            return self.done.result(seconds)
        except TimeoutError:
            return late

    async def await_(self, seconds: float, *, late: str) -> str:
        """Do the same on the event loop, where nobody's wait takes a thread."""
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(self.done)
        except TimeoutError:
            return late


class Gate:
    """Decides a race once: the effect has begun, or the crossing was revoked by its deadline.

    Of one crossing, which no forked child goes on with.
    """

    __slots__ = ("_lock", "_state")

    def __init__(self) -> None:
        self._lock = Lock()
        self._state = ""

    def enter(self) -> bool:
        """Begin the effect. False where the crossing was revoked before."""
        with self._lock:
            self._state = self._state or "acting"
            return self._state == "acting"

    def revoke(self) -> bool:
        """End the crossing before its effect.

        False where the effect has begun: its outcome must be waited for.
        """
        with self._lock:
            self._state = self._state or "revoked"
            return self._state == "revoked"

    @property
    def is_revoked(self) -> bool:
        """Say whether the deadline won."""
        return self._state == "revoked"
