"""What ends by itself is told before it does: an observed boundary, a waiver, a broken glass."""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from .event import Outcome, Record, new_crossing_id
from .forks import renew_after_fork
from .waiver import end_of

if TYPE_CHECKING:
    from .boundary import Boundary

NOTICE: Final = timedelta(days=14)
"""How long before the end of an observed boundary or a waiver it is told."""
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
_log: Final = logging.getLogger("pratique")


@dataclass(frozen=True, slots=True)
class Ending:
    """One thing that ends by itself.

    Args:
        boundary: Whose it is.
        code: "observe_ends", "waiver_ends", "break_glass".
        said: What is told, without the time that is left.
        end: When it ends, UTC.
        begin: From when it is told, UTC.
        every: How often at the most.
        level: Of the logger.
        incident: Its id, "" where there is none.
    """

    boundary: "Boundary"
    code: str
    said: str
    end: datetime
    begin: datetime
    every: timedelta = DAY
    level: int = logging.WARNING
    incident: str = ""

    def warning(self, at: datetime) -> str:
        """Return what is to be told at *at* (UTC); "" where nothing is."""
        if at < self.begin:
            return ""
        if at >= self.end:
            return f"{self.said}: ended, and owed again."
        days, rest = (self.end - at) // DAY, (self.end - at) % DAY // HOUR
        left = f"{days} d" if days else f"{rest} h"
        return f"{self.said}: ends in {left}."


class Reminder:
    """Tells what ends, at most once an interval in this process, and once when it has ended.

    Nothing ticks: it is asked with the time of each record.

    Args:
        endings: What ends.
        tell: Takes a record that isn't the end of a crossing.
        new_lock: () -> a lock, held while it is decided what is due.
    """

    def __init__(
        self,
        endings: Sequence[Ending],
        tell: Callable[[Record], None],
        *,
        new_lock: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._due: dict[Ending, datetime] = {each: each.begin for each in endings}
        self._tell = tell
        self._lock = new_lock()
        self._next = min(self._due.values(), default=None)
        renew_after_fork(self, _lock=new_lock)

    @property
    def has_any(self) -> bool:
        """Say whether anything ends: else there is nothing to be asked for."""
        return self._next is not None

    def ring(self, at: datetime) -> None:
        """Tell what is due at *at* (UTC)."""
        if self._next is None or at < self._next:
            return
        with self._lock:
            due = [each for each, when in self._due.items() if at >= when]
            for each in due:
                if at >= each.end:
                    del self._due[each]
                else:
                    self._due[each] = min(at + each.every, each.end)
            self._next = min(self._due.values(), default=None)
        for each in due:
            said = each.warning(at)
            _log.log(each.level, "%s", said)
            self._tell(
                Record(
                    new_crossing_id(),
                    at,
                    each.boundary.name,
                    each.boundary.kind,
                    Outcome.WARNED,
                    code=each.code,
                    detail=said,
                    incident=each.incident,
                )
            )


def endings(boundaries: Iterable["Boundary"]) -> list[Ending]:
    """Return what ends by itself of some boundaries."""
    return [ending for boundary in boundaries for ending in _of(boundary)]


def _of(boundary: "Boundary") -> Iterable[Ending]:
    name, observe, glass = boundary.name, boundary.observe, boundary.glass
    if observe is not None:
        end = end_of(observe.until)
        said = f'Boundary "{name}" only observes until {observe.until}, for {observe.owner}'
        yield Ending(boundary, "observe_ends", said, end, end - NOTICE)
    for waiver in {w for declared in boundary.declarations() for w in declared.waivers}:
        end = end_of(waiver.until)
        said = f'Boundary "{name}" waives {waiver.obligation} until {waiver.until}, '
        yield Ending(boundary, "waiver_ends", f"{said}for {waiver.owner}", end, end - NOTICE)
    if glass is not None:
        yield Ending(
            boundary,
            "break_glass",
            str(glass),
            glass.until,
            glass.until - 2 * NOTICE,
            HOUR,
            logging.ERROR,
            glass.incident,
        )
