"""Tells that a boundary hears nothing authentic any more: a rotated secret, before customers do."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, TypeVar

from pratique.core.boundary import Boundary
from pratique.core.event import Outcome, Record, new_crossing_id
from pratique.core.forks import renew_after_fork
from pratique.core.obligation import AUTHENTIC
from pratique.core.perimeter import Perimeter
from pratique.core.recorder import Recorder
from pratique.core.refusal import BoundaryError
from pratique.core.watcher import Sample

from .ticking import Ticker

B = TypeVar("B", bound=Boundary)
EVERY: Final = timedelta(minutes=1)
_log: Final = logging.getLogger("pratique")


@dataclass(frozen=True, slots=True)
class Silence:
    """A boundary that heard nothing authentic for longer than it should.

    Args:
        boundary: Its name.
        since: When it last heard something, or when the watch began. UTC.
        at: When it was noticed. UTC.
        refused: Claims that were refused as not authentic meanwhile: many speak for a secret that
            the sender has rotated, none for a sender that sends nothing.
    """

    boundary: str
    since: datetime
    at: datetime
    refused: int

    def __str__(self) -> str:
        """Return it as a sentence, with what to look at."""
        hint = (
            f"{self.refused} were refused as not authentic: compare the secret with the sender's"
            if self.refused
            else "nothing was refused either: look at the sender's own log of deliveries"
        )
        heard = f'Boundary "{self.boundary}" heard nothing authentic for {self.at - self.since}'
        return f"{heard}; {hint}."


@dataclass(slots=True)
class _Watched:
    boundary: Boundary
    span: timedelta
    since: datetime
    refused: int
    is_told: bool = False


class Watchdog:
    """Notices that a boundary heard nothing authentic for a time. Attach it to the perimeter.

        perimeter.attach(Watchdog({payments: timedelta(hours=6)}, tell=page_somebody))

    It looks once a minute on a thread of its own, and whenever metrics are read. A silence is told
    once: as a record of the outcome "warned" and the code "silent", in the log, and to *tell*. What
    was refused, or was there before, ends none. Each process knows what it heard itself: let the
    time be one in which every process hears something.

    Args:
        expects: How often a boundary hears something at the least.
        tell: (silence) -> is called once for each; what it raises is logged.
        every: How often it looks; None: only `look` and a reader of metrics do.

    Raises:
        BoundaryError: nothing is expected, or a time isn't above zero.
    """

    def __init__(
        self,
        expects: Mapping[B, timedelta],
        *,
        tell: Callable[[Silence], object] | None = None,
        every: timedelta | None = EVERY,
    ) -> None:
        spans = [*expects.values(), *([] if every is None else [every])]
        if not expects or min(spans) <= timedelta(0):
            raise BoundaryError(
                "Watchdog({boundary: timedelta}) names a boundary, and each time is above zero."
            )
        self._expects = dict[Boundary, timedelta](expects.items())
        self._tell = tell
        self._recorder: Recorder | None = None
        self._watched: list[_Watched] = []
        self._ticker = Ticker("pratique-watchdog", every, self.look)
        self._lock = Lock()
        renew_after_fork(self, _lock=Lock)

    def started(self, recorder: Recorder) -> None:
        """Begin to watch: from now on something is expected.

        Raises:
            BoundaryError: a boundary isn't declared in a perimeter that has started.
        """
        self._recorder = recorder
        with self._lock:
            self._watched = [
                _watched(boundary, span)
                for boundary, span in self._expects.items()
                if not boundary.is_disabled
            ]
        self._ticker.begin()

    def closed(self, recorder: Recorder) -> None:
        """Watch no longer."""
        _ = recorder
        self._ticker.end()
        with self._lock:
            self._watched = []

    def samples(self) -> Iterable[Sample]:
        """Look, and count nothing: `pratique_last_authentic_timestamp_seconds` says the same."""
        self.look()
        return ()

    def look(self) -> list[Silence]:
        """Return the silences that weren't told yet, and tell them."""
        with self._lock:
            found = [each for watched in self._watched if (each := _noticed(watched)) is not None]
        for each in found:
            self._say(each)
        return found

    def _say(self, silence: Silence) -> None:
        _log.error("%s", silence)
        if self._recorder is not None:
            kind = next(each.kind for each in self._expects if each.name == silence.boundary)
            self._recorder.tell(
                Record(
                    new_crossing_id(),
                    silence.at,
                    silence.boundary,
                    kind,
                    Outcome.WARNED,
                    obligation=AUTHENTIC.value,
                    code="silent",
                    detail=str(silence),
                )
            )
        if self._tell is not None:
            try:
                self._tell(silence)
            except Exception as error:  # noqa: BLE001  the watch goes on
                _log.error("what is told of a silence raised %s", type(error).__name__)


def _watched(boundary: Boundary, span: timedelta) -> _Watched:
    perimeter = boundary.started()
    return _Watched(boundary, span, perimeter.clock(), _refused(perimeter, boundary))


def _noticed(watched: _Watched) -> Silence | None:
    boundary = watched.boundary
    perimeter = boundary.started()
    last = perimeter.measures.authentic.get(boundary.name)
    if last is not None and last > watched.since:
        watched.since, watched.refused = last, _refused(perimeter, boundary)
        watched.is_told = False
    now = perimeter.clock()
    if watched.is_told or now - watched.since <= watched.span:
        return None
    watched.is_told = True
    refused = _refused(perimeter, boundary) - watched.refused
    return Silence(boundary.name, watched.since, now, refused)


def _refused(perimeter: Perimeter, boundary: Boundary) -> int:
    return sum(
        count
        for (name, _, _, obligation, _), count in perimeter.tally.counts.copy().items()
        if name == boundary.name and obligation == AUTHENTIC
    )
