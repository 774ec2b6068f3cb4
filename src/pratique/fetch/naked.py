"""Naked egress: connections that no fetch policy judged, counted by the module that made them.

    perimeter.attach(naked.watch(elsewhere={"asyncpg": "the database"}))

What is written in C and brings its own sockets (libpq, libcurl, gRPC, uvloop's own connecting)
raises no audit event, so that it isn't seen.
"""

import logging
import socket
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from threading import RLock
from typing import Any, Final

from pratique.core.event import Outcome, Record, new_crossing_id
from pratique.core.forks import renew_after_fork
from pratique.core.obligation import ALLOWED
from pratique.core.recorder import Recorder
from pratique.core.refusal import PratiqueError
from pratique.core.watcher import Sample

from .budget import current
from .caller import caller, is_below

MAX_MODULES: Final = 1024
"""Modules that are counted by name; the rest is counted as "other"."""
OTHER: Final = "other"
METRIC: Final = "pratique_unguarded_connections_total"
NAME: Final = "naked egress"
"""Stands where a record names its boundary."""
_EVENTS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
_MEND: Final = (
    "Send it through a Fetcher or one of the adapters, or name the module in "
    "naked.watch(elsewhere=…)."
)
_log: Final = logging.getLogger("pratique")
gated: Final[ContextVar[bool]] = ContextVar("pratique_gated", default=False)
"""Set while an adapter connects whose library runs the connecting itself."""


class NakedEgress(PratiqueError):
    """A connection was made that no fetch policy judged, where that is forbidden."""


class Watch:
    """Counts naked connections; a watcher of whatever perimeter it is attached to.

    Of each module the first is told, then the tenth, the hundredth and so on: however often it
    connects, the events stay few. None holds an address.

    Args:
        elsewhere: Modules whose connections are known, by their first name, each with the reason.
    """

    def __init__(self, elsewhere: Mapping[str, str]) -> None:
        self.elsewhere = dict(elsewhere)
        self.counts: dict[str, int] = {}
        self.is_forbidden = False
        # Reentrant: the hook runs wherever this thread connects, also in a __del__ of its own.
        self._lock = RLock()
        renew_after_fork(self, _lock=RLock)
        self._recorders: tuple[Recorder, ...] = ()
        self._untold: set[str] = set()

    def note(self, module: str) -> None:
        """Count one; tell it or refuse it.

        Raises:
            NakedEgress: inside `forbidden`.
        """
        if module.partition(".")[0] in self.elsewhere:
            return
        with self._lock:
            if module not in self.counts and len(self.counts) >= MAX_MODULES:
                module = OTHER
            times = self.counts[module] = self.counts.get(module, 0) + 1
        if self.is_forbidden:
            raise NakedEgress(f"{module} connects outside any fetch policy. {_MEND}")
        if _is_due(times):
            self._tell(module)

    @contextmanager
    def forbidden(self) -> Generator[None]:
        """Let a naked connection raise `NakedEgress` before it is made: for tests."""
        before, self.is_forbidden = self.is_forbidden, True
        try:
            yield
        finally:
            self.is_forbidden = before

    def started(self, recorder: Recorder) -> None:
        """Tell what was counted so far, and from now on what comes."""
        with self._lock:
            self._recorders = (*self._recorders, recorder)
            seen = dict(self.counts)
            self._untold.clear()
        if seen:
            told = ", ".join(f"{module} {times}" for module, times in sorted(seen.items()))
            _log.warning("naked egress before the start: %s", told)
        for module in seen:
            recorder.tell(self._record(module))

    def closed(self, recorder: Recorder) -> None:
        """Tell what couldn't be told when it happened."""
        self._tell_the_rest()
        with self._lock:
            self._recorders = tuple(known for known in self._recorders if known is not recorder)

    def samples(self) -> Iterator[Sample]:
        """Yield `pratique_unguarded_connections_total{module}`."""
        with self._lock:
            seen = dict(self.counts)
        for module, times in seen.items():
            yield Sample(METRIC, {"module": module}, times)

    def _tell(self, module: str) -> None:
        if not self._recorders:
            _log.warning("naked egress: %s connects outside any fetch policy", module)
            return
        with self._lock:
            self._untold.add(module)
        # A sink that connects is seen from inside the recorder: it must not be called again there.
        if not is_below(Recorder.__module__):
            self._tell_the_rest()

    def _tell_the_rest(self) -> None:
        with self._lock:
            due, recorders = sorted(self._untold), self._recorders
            self._untold.clear()
        for module in due:
            record = self._record(module)
            for recorder in recorders:
                recorder.tell(record)

    def _record(self, module: str) -> Record:
        times = self.counts.get(module, 0)
        return Record(
            new_crossing_id(),
            datetime.now(UTC),
            NAME,
            "fetch",
            Outcome.WOULD_REFUSE,
            declaration=module,
            obligation=ALLOWED,
            code="unguarded_connection",
            detail=f"{module} connects outside any fetch policy: {times} so far",
            hint=_MEND,
        )


_watch: Watch | None = None


def watch(*, elsewhere: Mapping[str, str] | None = None) -> Watch:
    """Begin to count, for the rest of the process: an audit hook can't be taken back.

    Args:
        elsewhere: {"asyncpg": "the database"}: what connects by itself, and why.

    Returns:
        The same one each time; what is named `elsewhere` adds up.
    """
    global _watch  # noqa: PLW0603  the hook is the process's, and so is its count
    if _watch is None:
        _watch = Watch(elsewhere or {})
        sys.addaudithook(_hook)
    else:
        _watch.elsewhere.update(elsewhere or {})
    return _watch


def _is_due(times: int) -> bool:
    return str(times).rstrip("0") == "1"


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event not in _EVENTS or _watch is None:
        return
    # Without an address sendmsg goes where the socket is connected already.
    if args[0].family not in _FAMILIES or args[1] is None:
        return
    if gated.get() or current.get() is not None:
        return
    try:
        _watch.note(caller(__name__))
    except NakedEgress:
        if event == "socket.connect":
            args[0].close()  # whoever made it waits for an OSError to do that
        raise
