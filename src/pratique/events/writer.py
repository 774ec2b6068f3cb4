"""A bounded queue of lines, and the thread that takes them away in batches."""

import atexit
import logging
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from threading import Event, Lock, RLock, Thread
from types import NoneType
from typing import Final
from weakref import WeakSet

from pratique.core.forks import renew_after_fork
from pratique.core.refusal import BoundaryError

MAX_WAITING_LINES: Final = 20_000
"""More are dropped and counted: a stuck disk takes no memory and holds no request up."""
MAX_WAITING_BYTES: Final = 8 << 20
DELAY: Final = timedelta(milliseconds=50)
"""Between two batches while lines come: a kill -9 loses what came since the last one."""
AT_ONCE: Final = timedelta(0)
"""No queue: a line is written before its caller goes on, which takes a write of the disk's."""
RETRY: Final = 1.0
"""Seconds after which what could not be written is tried again."""
AT_END: Final = 5.0
"""Seconds that a close, a search and the end of the process wait for a disk."""

Write = Callable[[list[bytes]], int]
_log: Final = logging.getLogger("pratique")
_serials: Final = count()


def check_bounds(sink: str, path: object, *bounds: int, delay: timedelta) -> None:
    """Refuse a sink that names no file, or can hold nothing.

    Args:
        sink: The name of its class.
        path: Of its file.
        bounds: Records, bytes and rows that wait or are kept: each above zero.
        delay: Between two batches: `AT_ONCE` or longer.

    Raises:
        BoundaryError: with the mend.
    """
    if not str(path):
        raise BoundaryError(f"{sink}('') names no file.")
    if min(bounds) < 1:
        raise BoundaryError(f"{sink} keeps nothing: each bound is above zero. Leave them out.")
    if delay < AT_ONCE:
        raise BoundaryError(f"{sink}(delay={delay}) is below zero. AT_ONCE is none.")


class Writer:
    """Takes lines from any thread at once, and writes them on one of its own.

    The thread is started by the first line, also in a forked child, which has none of its
    parent's lines: those are the parent's to write. What can't be written stays in the queue and
    is tried again; what doesn't fit into the queue is dropped and counted.

    Args:
        write: (lines) -> how many of them were kept, from the first on. Raises where none was. It
            is called by one thread at a time.
        name: Of what it writes to, for the log.
        most: Lines that may wait.
        most_bytes: Bytes that may wait.
        delay: Between two batches; `AT_ONCE` for none.
        gap: (how many were dropped) -> a line that says so. None: only the count does.
        ended: Called when it is closed, after the last line.
    """

    def __init__(
        self,
        write: Write,
        *,
        name: str,
        most: int = MAX_WAITING_LINES,
        most_bytes: int = MAX_WAITING_BYTES,
        delay: timedelta = DELAY,
        gap: Callable[[int], bytes] | None = None,
        ended: Callable[[], None] | None = None,
    ) -> None:
        self._write = write
        self._name = name
        self._most, self._most_bytes = most, most_bytes
        self._delay = delay.total_seconds()
        self._gap_line, self._ended = gap, ended
        self.serial = next(_serials)
        # A signal's handler may cross a boundary while this very thread is inside `put`: RLock.
        self._lock = RLock()
        self._writing = Lock()
        self._wake = Event()
        self._thread: Thread | None = None
        self._is_asleep = self._is_failing = False
        self._front: list[bytes] = []  # is being written, or could not be
        self._waiting: list[bytes] = []
        self._lines = self._bytes = self._gap = self._kept_so_far = 0
        self.dropped = 0
        """Lines that were never written."""
        renew_after_fork(
            self, _lock=RLock, _writing=Lock, _wake=Event, _thread=NoneType, _is_asleep=bool,
            _is_failing=bool, _front=list, _waiting=list, _lines=int, _bytes=int, _gap=int,
            _kept_so_far=int, dropped=int,
        )  # fmt: skip
        _open.add(self)

    def put(self, line: bytes) -> None:
        """Let a line wait to be written; never block, never raise."""
        is_first = has_thread = False
        with self._lock:
            if self._lines < self._most and self._bytes + len(line) <= self._most_bytes:
                self._waiting.append(line)
                self._lines += 1
                self._bytes += len(line)
            else:
                is_first = not self._gap
                self.dropped += 1
                self._gap += 1
            has_thread = self._thread is not None or self._begins()
            if self._is_asleep:
                self._is_asleep = False
                self._wake.set()
        if is_first:
            _log.error("sink %s is full and drops records", self._name)
        if not has_thread:
            self.drain()

    def hurry(self) -> None:
        """Let the thread write what waits without waiting for its delay."""
        self._wake.set()

    def drain(self) -> bool:
        """Write what waits, on this thread; say whether nothing is left.

        A batch that another thread is writing is waited for, 5 s at the most.
        """
        if not self._writing.acquire(timeout=AT_END):
            return False
        try:
            return self._drain()
        finally:
            self._writing.release()

    def rest(self, close: Callable[[], None]) -> Callable[[], object]:
        """Close what is written to, and write nothing until what is returned is called."""
        if not self._writing.acquire(timeout=AT_END):
            return bool  # the disk hangs: a fork waits for it no longer than a close does
        close()
        return self._writing.release

    def close(self) -> None:
        """Write the rest and let the thread end. What comes later begins anew."""
        with self._lock:
            thread, self._thread = self._thread, None
            wake, self._wake = self._wake, Event()
            self._is_asleep = False
            wake.set()
        if not self._writing.acquire(timeout=AT_END):
            self._give_up()  # the thread hangs in a write, which may still use what `ended` closes
            return
        try:
            if not self._drain():
                self._give_up()
            if self._ended is not None:
                self._ended()
        finally:
            self._writing.release()
        if thread is not None:
            thread.join(AT_END)

    def _begins(self) -> bool:
        """Start the thread; say whether there is one."""
        if _exiting or not self._delay:
            return False
        thread = Thread(target=self._work, args=(self._wake,), name="pratique-events", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends, or the machine has no thread left
            return False
        self._thread = thread
        return True

    def _work(self, wake: Event) -> None:
        while self._wake is wake:
            before = self._kept_so_far
            has_all = self.drain()
            with self._lock:
                # Only who finds nothing falls asleep: while lines come, nobody pays for waking it.
                is_idle = has_all and self._kept_so_far == before and not self._waiting
                self._is_asleep = is_idle
            wake.wait(None if is_idle else self._delay if has_all else RETRY)
            wake.clear()

    def _drain(self) -> bool:
        with self._lock:
            self._front += self._waiting
            self._waiting = []
            gap = self._gap if self._gap_line is not None else 0
        lines = self._front
        if gap and self._gap_line is not None:
            lines = [*lines, self._gap_line(gap)]
        if not lines:
            return True
        try:
            kept = self._write(lines)
        except Exception as error:  # noqa: BLE001  the thread goes on, and it is tried again
            self._fails(type(error).__name__)
            return False
        return self._kept(kept, lines, gap)

    def _kept(self, kept: int, lines: list[bytes], gap: int) -> bool:
        has_all = kept >= len(lines)
        with self._lock:
            gone = self._front[:kept]
            del self._front[:kept]
            self._lines -= len(gone)
            self._bytes -= sum(map(len, gone))
            self._kept_so_far += kept
            if has_all:
                self._gap -= gap
        if not has_all:
            self._fails("it took a part")
        elif self._is_failing:
            self._is_failing = False
            _log.warning("sink %s writes again", self._name)
        return has_all

    def _fails(self, what: str) -> None:
        if not self._is_failing:
            self._is_failing = True
            _log.error("sink %s can't write: %s; %d records wait", self._name, what, self._lines)

    def _give_up(self) -> None:
        with self._lock:
            lost, self._lines, self._bytes, self._gap = self._lines, 0, 0, 0
            self._waiting, self._front = [], []
            self.dropped += lost
        _log.error("sink %s dropped %d records at its end", self._name, lost)


_open: Final[WeakSet[Writer]] = WeakSet()
_exiting: Final[list[bool]] = []


def _close_all() -> None:
    _exiting.append(True)  # who comes later writes on its own thread
    # The youngest first: it may hand something to one that was made for it.
    for writer in sorted(_open, key=lambda each: -each.serial):
        writer.close()


atexit.register(_close_all)
