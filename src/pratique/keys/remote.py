"""An issuer's keys as of a moment ago: taken anew in time, by one fetch, while nobody waits."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import timedelta
from math import inf
from threading import Lock, Thread
from types import NoneType
from typing import Final, NamedTuple, TypedDict, Unpack

from pratique.core.forks import renew_after_fork
from pratique.core.obligation import AUTHENTIC
from pratique.core.proofs.authentic.key import KeySet
from pratique.core.recorder import Recorder
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.core.threads import Flight
from pratique.core.watcher import Sample

from .answered import UnusableError

HARD_LIMIT: Final = timedelta(hours=6)
"""How long an issuer may be away before its last keys are believed no longer: a key that it took
back meanwhile is believed as long."""
COOL_DOWN: Final = timedelta(seconds=10)
BURST: Final = 3
"""Looks at once for names that aren't known, while the issuer answers: a stranger who sends the
name of a future key in advance (SV-25) doesn't use up the look that the honest token needs."""
MAX_BACKOFF: Final = 300.0
WAIT: Final = 5.0
"""Seconds that a request waits for a fetch; the fetch itself goes on to its own deadline."""
LOST: Final = 60.0
"""Seconds after which a fetch that says nothing is given up. A fetch policy's deadline is 10."""
MAX_WAITING: Final = 4
"""Threads that wait for one fetch while known keys serve others: strangers can't take them all."""
MAX_ABSENT: Final = 1024
MAX_NAME: Final = 256
"""Characters of a `kid` that is looked for."""
NONE: Final = KeySet([])


class Snapshot(NamedTuple):
    """What was fetched."""

    keys: KeySet
    fresh_for: timedelta


class Timing(TypedDict, total=False):
    """How long keys are believed, and how often they are looked for.

    Attributes:
        hard_limit: How long keys are believed after the last fetch that succeeded.
        cool_down: Between two looks for unknown names. Seconds.
        clock: Monotonic seconds; tests hand in their own.
    """

    hard_limit: timedelta
    cool_down: timedelta
    clock: Callable[[], float]


class _Held(NamedTuple):
    """The keys in force; times of the monotonic clock, seconds."""

    keys: KeySet
    due_at: float
    dead_at: float


class _Flight(Flight):
    """One fetch, and who waits for it."""

    __slots__ = ("began_at",)

    def __init__(self, began_at: float) -> None:
        super().__init__()
        self.began_at = began_at


class RemoteKeys(ABC):
    """A `KeySource` whose snapshot is fetched. Attach it to the perimeter, and it begins warm.

    `current` reads one attribute and takes no lock that a fetch holds. Where the snapshot is due, a
    daemon thread fetches the next one, and the present one serves meanwhile; where the issuer is
    away, it serves up to the hard limit, then there are no keys. A name that isn't known is looked
    for by one fetch for everybody who waits, with a cool-down after it, longer after each failure.

    Args:
        issuer: Whose keys they are, for texts and metrics.
        timing: See `Timing`.

    Raises:
        BoundaryError: a period isn't above zero.
    """

    def __init__(self, issuer: str, **timing: Unpack[Timing]) -> None:
        hard_limit = timing.get("hard_limit", HARD_LIMIT)
        cool_down = timing.get("cool_down", COOL_DOWN)
        if hard_limit <= timedelta(0) or cool_down <= timedelta(0):
            raise BoundaryError("Remote keys: hard_limit= and cool_down= are above zero.")
        self.issuer = issuer
        self._hard_limit, self._cool_down = hard_limit.total_seconds(), cool_down.total_seconds()
        self._clock = timing.get("clock", time.monotonic)
        self._held = _Held(NONE, inf, -inf)
        self._succeeded = self._failed = self._in_a_row = 0
        self._next_at = self._not_before = -inf
        self._absent: set[str | None] = set()
        self._failure = ""
        self._flight: _Flight | None = None
        self._lock = Lock()
        # A forked child has neither its parent's fetch nor whoever held the lock.
        renew_after_fork(self, _flight=NoneType, _lock=Lock)

    @abstractmethod
    def load(self) -> Snapshot:
        """Fetch the keys as they are now, on this thread.

        Raises:
            Refused: the fetcher's own.
            UnusableError: what came holds no key.
        """

    @property
    def current(self) -> KeySet:
        """Return the snapshot in force; a set of none past the hard limit. It never blocks."""
        held = self._held
        now = self._clock()
        if now < held.due_at:
            return held.keys
        if self._lock.acquire(blocking=False):
            try:
                self._begin(now)
            finally:
                self._lock.release()
        return held.keys if now < held.dead_at else NONE

    def refresh(self, name: str | None) -> None:
        """Look once for a key that isn't known, with everybody else who does. See `current`.

        Raises:
            Refused: AUTHENTIC, code "keys_unavailable" (retry): the issuer can't be asked, or was
                asked a moment ago.
        """
        flight = self._join(name, most=MAX_WAITING)
        if flight is None:
            return
        self._land(flight, name, flight.wait(WAIT, late=_SLOW))

    async def arefresh(self, name: str | None) -> None:
        """Do the same on the event loop, where nobody's wait takes a thread."""
        flight = self._join(name, most=MAX_ABSENT)
        if flight is None:
            return
        self._land(flight, name, await flight.await_(WAIT, late=_SLOW))

    def started(self, recorder: Recorder) -> None:  # noqa: ARG002  the fetcher tells of its fetches
        """Fetch for the first time, beside whatever starts: `perimeter.attach(keys)`."""
        with self._lock:
            self._begin(self._clock())

    def closed(self, recorder: Recorder) -> None:
        """Hold nothing open: a fetch under way ends by its own deadline."""
        _ = recorder

    def samples(self) -> Iterable[Sample]:
        """Return how old the keys in force are, and how many fetches succeeded and failed."""
        held = self._held
        if held.dead_at != -inf:
            age = self._clock() - (held.dead_at - self._hard_limit)
            yield Sample("pratique_jwks_age_seconds", {"issuer": self.issuer}, age)
        for outcome, count in (("succeeded", self._succeeded), ("failed", self._failed)):
            labels = {"issuer": self.issuer, "outcome": outcome}
            yield Sample("pratique_key_fetches_total", labels, count)

    def __repr__(self) -> str:
        """Return the issuer alone."""
        return f"{type(self).__name__}({self.issuer!r})"

    def _join(self, name: str | None, *, most: int) -> _Flight | None:
        """Return the fetch to wait for; None where there is nothing to wait for."""
        if name is not None and len(name) > MAX_NAME:
            return None
        with self._lock:
            now, held = self._clock(), self._held
            is_alive = now < held.dead_at
            if is_alive and held.keys.find(name) is not None:
                return None  # another request's look has found it
            flight = self._begin(now)
            if flight is None:
                if is_alive and name in self._absent:
                    return None  # the last look was for it too: it is unknown
                why = f", and the answer was: {self._failure}" if self._failure else ""
                raise self._unavailable(f"they were asked for a moment ago{why}", self._pause(now))
            # Attack: unknown names at an issuer that stalls, until every thread waits for it.
            if is_alive and flight.waiting >= most:
                raise self._unavailable(f"{most} others wait for them already", WAIT)
            flight.waiting += 1
            return flight

    def _begin(self, now: float) -> _Flight | None:
        """Return the fetch that is under way, or begin one where that may be. Holds the lock."""
        flight = self._flight
        if flight is not None and now - flight.began_at < LOST:
            return flight
        if self._pause(now) > 0:
            return None
        flight = _Flight(now)
        self._next_at = max(self._next_at, now) + self._cool_down
        try:
            Thread(target=self._fly, args=(flight,), daemon=True, name="pratique-keys").start()
        except RuntimeError:  # no thread to be had, or the interpreter ends
            self._not_before = now + self._cool_down
            return None
        self._flight = flight
        return flight

    def _pause(self, now: float) -> float:
        """Return the seconds until the next fetch may begin."""
        return max(self._not_before - now, self._next_at - (BURST - 1) * self._cool_down - now)

    def _fly(self, flight: _Flight) -> None:
        failed, found = "", None
        try:
            found = self.load()
        except Refused as refused:
            failed = f"{refused.detail} [{refused.code}]"
        except (UnusableError, BoundaryError) as error:  # our own words
            failed = str(error)
        except BaseException as error:  # noqa: BLE001  this thread has nobody above it
            failed = type(error).__name__
        finally:
            with self._lock:
                if self._flight is flight:  # else it was given up, and another one is newer
                    self._keep(found, failed)
                    self._flight = None
            flight.done.set_result(failed)

    def _keep(self, found: Snapshot | None, failed: str) -> None:
        """Take a snapshot, or note that there was none. Holds the lock."""
        now, held = self._clock(), self._held
        self._failure = failed
        if found is None:
            self._failed += 1
            self._in_a_row = min(self._in_a_row + 1, 16)
            pause = min(self._cool_down * 2 ** (self._in_a_row - 1), MAX_BACKOFF)
            self._not_before = now + max(pause, self._cool_down)
            return
        self._succeeded += 1
        self._in_a_row = 0
        self._absent.clear()
        fresh = min(found.fresh_for.total_seconds(), self._hard_limit)
        # The same keys are the same object: what was learnt of them stays.
        keys = held.keys if held.keys.version == found.keys.version else found.keys
        self._held = _Held(keys, now + fresh, now + self._hard_limit)

    def _land(self, flight: _Flight, name: str | None, failed: str) -> None:
        with self._lock:
            flight.waiting -= 1
            if self._held.keys.find(name) is not None and self._clock() < self._held.dead_at:
                return
            if not failed:
                if len(self._absent) < MAX_ABSENT:
                    self._absent.add(name)
                return
            pause = self._pause(self._clock())
        raise self._unavailable(failed, pause)

    def _unavailable(self, why: str, pause: float) -> Refused:
        return Refused(
            AUTHENTIC,
            f"the keys of {self.issuer} can't be had: {why}",
            code="keys_unavailable",
            hint="known keys go on verifying up to the hard limit; look at the issuer's key URL",
            answer=Answer.RETRY,
            retry_after=timedelta(seconds=max(pause, 1.0)),
        )


_SLOW: Final = f"it hasn't answered within {WAIT:.0f} s"
