"""Keys that a sender names in its delivery, got through a callable that the declaration hands in.

What names the key comes from whoever sends: it is judged first, by `KeyAddress` where it is a URL
(CWE-918). A key that was got is kept; unknown names share a small allowance, so that a flood of
them costs no more than that (CWE-400, CWE-770). A name that the declaration knows, or under which a
signature has held, takes nothing of it; one that was turned away before has a share of its own.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from inspect import isawaitable, iscoroutinefunction
from threading import Lock, Thread
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from pratique.core.forks import renew_after_fork
from pratique.core.memo import Memo
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Answer, Refused
from pratique.core.secret import LiveSecret
from pratique.core.threads import Flight

K = TypeVar("K")
CALLABLE: Final = cast("type", Callable)
"""The type of a pin that is a callable."""
KNOWN_KEYS: Final = "known_keys"
"""The pin with names that the sender's keys have: a flood of others puts off no look for one."""
COLLECTION: Final = cast("type", Collection)
"""The type of a pin of several values."""
MOST_KEYS: Final = 16
"""Senders have one or two in force."""
ALLOWANCE: Final = 8
"""Looks for unknown names at once; then one for each `REFILL` seconds."""
AGAIN: Final = 4
"""The same, for names that were turned away before: an honest sender's comes again."""
REFILL: Final = 5.0
COOL_DOWN: Final = 30.0
"""Seconds for which a name that had no key, or couldn't be had, isn't looked for again."""
MOST_ABSENT: Final = 1024
MOST_TURNED: Final = 4096
MOST_RUNNING: Final = 4
"""Looks that run at once, those that hang among them."""
MOST_WAITING: Final = 4
"""Threads that wait for one look: strangers can't take them all."""
WAIT: Final = 5.0
"""Seconds that a delivery waits for a look; the look goes on to the callable's own deadline."""
NO_SECRET: Final = LiveSecret("named by the sender", "")
"""Stands where a live secret would, for senders that need none."""


class KeyWanted(Refused):
    """A delivery names a key that isn't at hand; whoever opens it may look and open it again.

    Attributes:
        source: Answers `Refresh`.
        name: For which.
    """

    def __init__(self, source: "NamedKeys[Any]", name: str) -> None:
        super().__init__(
            AUTHENTIC,
            "the key that it names isn't at hand, and nobody looked for it",
            code="keys_unavailable",
            answer=Answer.RETRY,
        )
        self.source = source
        self.name = name


class _Held(NamedTuple):
    key: Any
    due_at: float


class _Absent(NamedTuple):
    until: float
    failed: bool
    """The source couldn't be asked; else it says that there is no such key."""


class _Flight(Flight):
    """One look, and how many wait for it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class _Share:
    """So many looks at once, then one for each `REFILL` seconds."""

    __slots__ = ("_left", "_most", "_refilled_at")

    def __init__(self, most: int, now: float) -> None:
        self._left, self._most, self._refilled_at = float(most), most, now

    def take(self, now: float) -> bool:
        self._left = min(self._left + (now - self._refilled_at) / REFILL, float(self._most))
        self._refilled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class NamedKeys(Generic[K]):
    """Keys by the names that deliveries give them. A look is asked for by `KeyWanted`.

    Args:
        fetch: (name) -> what the source says, sync or async; None where it has no such key.
        read: Makes a key of it; ValueError where it is none.
        life: How long a key is believed before it is looked for again.
        known: Names that the declaration knows.
        clock: Monotonic seconds; tests hand in their own.
    """

    def __init__(
        self,
        fetch: Callable[[str], Any],
        read: Callable[[Any], K],
        *,
        life: timedelta,
        known: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch, self._read = fetch, read
        self._life, self._clock = life.total_seconds(), clock
        self._held: Memo[str, _Held] = Memo(MOST_KEYS)
        self._absent: Memo[str, _Absent] = Memo(MOST_ABSENT)
        self._ours: Memo[str, None] = Memo(MOST_KEYS)
        self._flights: dict[str, _Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = 0
        self._known = frozenset(known)
        self._first, self._again = _Share(ALLOWANCE, clock()), _Share(AGAIN, clock())
        self._turned: Memo[int, None] = Memo(MOST_TURNED)  # by hash: a stranger's name may be long
        self._lock = Lock()
        # The looks of a parent end in the parent.
        renew_after_fork(self, _lock=Lock, _flights=dict, _tasks=set, _running=int)

    def find(self, name: str) -> K:
        """Return the key of that name.

        Raises:
            KeyWanted: it isn't at hand; look, and ask again.
            Refused: AUTHENTIC, code "unknown_key": the source said a moment ago that it has none;
                "keys_unavailable" (retry): the source couldn't be asked a moment ago.
        """
        held = self._held.get(name)
        now = self._clock()
        if held is not None and now < held.due_at:
            key: K = held.key
            return key
        absent = self._absent.get(name)
        if absent is not None and absent.until > now:
            if absent.failed:  # what is refused for good here, an honest sender never sends again
                raise _unavailable("a look a moment ago failed")
            raise Refused(
                AUTHENTIC,
                "its source doesn't know the key that it names",
                code="unknown_key",
                hint=f"it is looked for again after {COOL_DOWN:.0f} s",
            )
        raise KeyWanted(self, name)

    def note(self, name: str) -> None:
        """Note that a signature of that key held: strangers never make us do without a look for it.

        They can name genuine keys of the sender's that are others', more than are kept, and so push
        it out.
        """
        if name not in self._ours:
            self._ours.keep(name, None)

    def refresh(self, name: str | None) -> None:
        """Look for a key, together with everybody else who wants it.

        Raises:
            Refused: AUTHENTIC, code "keys_unavailable" (retry): it can't be had now.
        """
        joined = self._join(name, most=MOST_WAITING)
        if joined is None:
            return
        flight, is_new = joined
        if is_new:
            self._begin(flight)
        self._land(flight, flight.wait(WAIT, late=_SLOW))

    async def arefresh(self, name: str | None) -> None:
        """Do the same on the event loop, where the callable may be async."""
        joined = self._join(name, most=MOST_ABSENT)
        if joined is None:
            return
        flight, is_new = joined
        if is_new and _is_async(self._fetch):
            task = asyncio.get_running_loop().create_task(self._afly(flight))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif is_new:
            self._begin(flight)
        self._land(flight, await flight.await_(WAIT, late=_SLOW))

    def __repr__(self) -> str:
        """Return how many there are: names come from whoever sends."""
        return f"NamedKeys({len(self._held)} kept)"

    def _join(self, name: str | None, *, most: int) -> tuple[_Flight, bool] | None:
        """Return the look to wait for, and whether it is to be begun; None where there is none."""
        if name is None:
            return None
        with self._lock:
            now, held = self._clock(), self._held.get(name)
            if held is not None and now < held.due_at:
                return None  # another request's look has found it
            flight = self._flights.get(name)
            if flight is not None:
                if flight.waiting >= most:
                    raise _unavailable(f"{most} others wait for it already")
                flight.waiting += 1
                return flight, False
            # What is known is asked for whatever strangers have asked for meanwhile.
            if held is None and name not in self._ours and name not in self._known:
                self._require_share(name, now)
            flight = self._flights[name] = _Flight(name)
            flight.waiting = 1
            self._running += 1
            return flight, True

    def _require_share(self, name: str, now: float) -> None:
        if self._running >= MOST_RUNNING:
            raise _unavailable(f"{MOST_RUNNING} looks for others are under way")
        if self._first.take(now) or (hash(name) in self._turned and self._again.take(now)):
            return
        self._turned.keep(hash(name), None)
        raise _unavailable("too many unknown names were looked for a moment ago")

    def _begin(self, flight: _Flight) -> None:
        try:
            Thread(target=self._fly, args=(flight,), daemon=True, name="pratique-keys").start()
        except RuntimeError:  # no thread to be had, or the interpreter ends
            self._end(flight, None, "no thread is to be had")

    def _fly(self, flight: _Flight) -> None:
        found: object = None
        failed = "the look was given up"
        try:
            found = self._fetch(flight.name)
            if isawaitable(found):
                _close(found)
                found, failed = None, "the callable is async, and this is a sync door"
            else:
                failed = ""
        except BaseException as error:  # noqa: BLE001  this thread has nobody above it
            failed = type(error).__name__
        finally:
            self._end(flight, found, failed)

    async def _afly(self, flight: _Flight) -> None:
        found: object = None
        failed = "the look was given up"
        try:
            async with asyncio.timeout(2 * WAIT):
                found = await self._fetch(flight.name)
            failed = ""
        except Exception as error:  # noqa: BLE001  nobody awaits this task
            failed = type(error).__name__
        finally:
            self._end(flight, found, failed)

    def _end(self, flight: _Flight, found: object, failed: str) -> None:
        key: K | None = None
        if not failed:
            try:
                key = self._read(found) if found is not None else None
            except Exception as error:  # noqa: BLE001  a ValueError of ours, or what a library says of hostile bytes
                failed = f"what came is no key ({type(error).__name__})"
        with self._lock:
            now = self._clock()
            if key is not None:
                self._held.keep(flight.name, _Held(key, now + self._life))
                self._absent.pop(flight.name, None)
            else:
                self._absent.keep(flight.name, _Absent(now + COOL_DOWN, bool(failed)))
            self._flights.pop(flight.name, None)
            self._running -= 1
        flight.done.set_result(failed)

    def _land(self, flight: _Flight, failed: str) -> None:
        with self._lock:
            flight.waiting -= 1
        if failed:
            raise _unavailable(failed)


_SLOW: Final = f"the callable hasn't answered within {WAIT:.0f} s"


def _is_async(call: Callable[..., Any]) -> bool:
    return iscoroutinefunction(call) or iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004  the method itself


def _close(found: Awaitable[Any]) -> None:
    close = getattr(found, "close", None)  # never awaited, and nobody should be warned of that too
    if close is not None:
        close()


def _unavailable(why: str) -> Refused:
    return Refused(
        AUTHENTIC,
        f"the key that it names can't be had: {why}",
        code="keys_unavailable",
        hint="keys that are at hand go on verifying; name the sender's in known_keys=, and "
        "look at the callable that fetches them",
        answer=Answer.RETRY,
        retry_after=timedelta(seconds=COOL_DOWN),
    )
