"""What is done every so often, on a thread of its own."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event, Lock, Thread
from types import NoneType

from pratique.core.forks import renew_after_fork


class Ticker:
    """Does something every so often, from `begin` to `end`. A forked child has to begin anew.

    Args:
        name: Of the thread.
        every: Between two times; None: never.
        do: () -> anything; it never raises.
    """

    def __init__(self, name: str, every: timedelta | None, do: Callable[[], object]) -> None:
        self._name, self._every, self._do = name, every, do
        self._lock, self._over = Lock(), Event()
        self._thread: Thread | None = None
        renew_after_fork(self, _lock=Lock, _over=Event, _thread=NoneType)

    def begin(self) -> None:
        """Begin, where it hasn't."""
        with self._lock:
            if self._every is not None and self._thread is None:
                self._over.clear()
                self._thread = Thread(
                    target=self._run, args=(self._every,), name=self._name, daemon=True
                )
                self._thread.start()

    def end(self) -> None:
        """Wait for what is under way, and do it no more."""
        self._over.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _run(self, every: timedelta) -> None:
        over = self._over
        while not over.wait(every.total_seconds()):
            self._do()
