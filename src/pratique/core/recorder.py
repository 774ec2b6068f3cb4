"""Where the record of each crossing goes.

Counted always, kept in the sinks, sampled before `authentic`.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar, Final

from .event import LateSink, Outcome, Record, Sink
from .measures import Measures
from .memo import Memo
from .refusal import Answer, Refused

SAMPLES_A_MINUTE: Final = 10
"""Anybody can send a refusal before `authentic`.

So many a minute and boundary reach the sinks, the rest is counted.
"""
REPEATS_A_MINUTE: Final = 600
"""Who holds one genuine claim can send it again and again: what changes nothing is sampled too."""
KNOWN_A_MINUTE: Final = 60
"""Refusals of one principal whose claim is authentic; an ordinary account can make many."""
FIRST_OF_A_KIND: Final = 3
"""Of each action and code so many a principal are told, whatever else it was refused: nobody hides
a try at one door behind knocks at another (CWE-778)."""
MOST_COUNTED: Final = 4096
"""Principals and minutes that are counted by; one more begins anew."""
RECENT: Final = 256
"""Records that `why` can tell without a sink."""

_CALM: Final = frozenset({Outcome.PROVEN, Outcome.DUPLICATE, Outcome.IGNORED, Outcome.RECEIVED})
_BOUNDED: Final = frozenset({Outcome.REFUSED, Outcome.WOULD_REFUSE})
_REPEATED: Final = frozenset({Outcome.DUPLICATE, Outcome.IGNORED, Outcome.LATER})
_log: Final = logging.getLogger("pratique")
Label = tuple[str, str, str, str, str]
"""boundary, kind, outcome, obligation, code: the labels of `pratique_crossings_total`."""


class LoggerSink:
    """The default sink: one line a crossing on the logger "pratique", refusals as warnings."""

    def emit(self, record: Record) -> None:
        """Log one record; a warning is logged by what warns, whatever sinks there are."""
        if record.outcome is Outcome.WARNED:
            return
        level = logging.INFO if record.outcome in _CALM else logging.WARNING
        if _log.isEnabledFor(level):
            _log.log(
                level,
                "%s %s %s %s %s %s %s%s",
                record.crossing_id,
                record.boundary,
                record.declaration or "-",
                record.outcome,
                record.obligation or "-",
                record.code or "-",
                record.detail,
                f" (incident {record.incident})" if record.incident else "",
            )

    def find(self, crossing_id: str) -> None:
        """Tell nothing: what was logged can't be read back."""

    def close(self) -> None:
        """Keep nothing open."""


class Recorder:
    """Counts every crossing and hands its record to the sinks.

    It never raises: a sink that fails is counted as dropped.

    Args:
        sinks: Where records go.
        count: Adds one to a counter, safely between threads.
        measures: What else is measured; None for nothing.
    """

    heard: ClassVar[list[Callable[[Record], None]]] = []
    """Who hears of every crossing of this process, sampled or not: tests, see `pratique.testing`.

    Empty in an application, whose samples bound what a flood may write.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        count: Callable[[Label], None],
        measures: Measures | None = None,
    ) -> None:
        self._sinks = tuple(sinks)
        self._count = count
        self.measures = measures
        self._recent: deque[Record] = deque(maxlen=RECENT)
        self._sampled: Memo[tuple[str, int, int, int], int] = Memo(MOST_COUNTED)
        self._failed: dict[str, int] = {}
        self.ring: Callable[[datetime], None] | None = None
        """Is told the time of each record: see `Reminder`."""

    def emit(self, record: Record, *, sample: bool, principal: object = "") -> bool:
        """Count one record and keep it, or with *sample* only so many a minute; say whether it was.

        Of what is settled, ignored or comes too early, 600 a minute and boundary, and of what is
        refused 60 a minute, boundary and principal, and the first of each kind: a flood of it fills
        no disk, and pushes nothing out of a window of the newest records.
        """
        if self.ring is not None:
            self.ring(record.at)
        self._count((record.boundary, record.kind, record.outcome, record.obligation, record.code))
        if record.proofs and self.measures is not None:
            self.measures.told(record)
        for hear in self.heard:
            hear(record)
        if sample:
            is_kept = self._is_sampled(record, SAMPLES_A_MINUTE)
        elif record.outcome in _REPEATED:
            is_kept = self._is_sampled(record, REPEATS_A_MINUTE)
        else:
            is_kept = record.outcome not in _BOUNDED or self._is_in_bounds(record, principal)
        if is_kept:
            self.tell(record)
        return is_kept

    def add(self, sink: Sink) -> None:
        """Let one more sink have what comes from now on; none is taken away."""
        self._sinks = (*self._sinks, sink)

    def tell(self, record: Record) -> None:
        """Keep a record that isn't the end of a crossing, and so isn't counted as one."""
        self._recent.append(record)
        for sink in self._sinks:
            try:
                sink.emit(record)
            except Exception as error:  # noqa: BLE001  a full disk must not turn a proven claim into an error
                name = type(sink).__name__
                self._failed[name] = self._failed.get(name, 0) + 1
                _log.error("sink %s dropped %s: %s", name, record.crossing_id, type(error).__name__)

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Return every sink."""
        return self._sinks

    @property
    def dropped(self) -> dict[str, int]:
        """Return how many records each kind of sink lost: `pratique_events_dropped_total{sink}`."""
        lost = dict(self._failed)
        for sink in self._sinks:
            if isinstance(sink, LateSink) and sink.dropped:
                name = type(sink).__name__
                lost[name] = lost.get(name, 0) + sink.dropped
        return lost

    def debts(self) -> list[str]:
        """Return what the sinks lack, one sentence each with its mend."""
        return [debt for sink in self._sinks if isinstance(sink, LateSink) for debt in sink.debts()]

    def find(self, crossing_id: str) -> Record | None:
        """Return the record of that crossing, from the sinks or from the last ones in memory."""
        for record in reversed(self._recent):
            if record.crossing_id == crossing_id:
                return record
        return next(
            (found for sink in self._sinks if (found := sink.find(crossing_id)) is not None), None
        )

    def close(self) -> None:
        """Close every sink."""
        for sink in self._sinks:
            sink.close()

    def _is_in_bounds(self, record: Record, principal: object) -> bool:
        who = _mark(principal)
        kind = hash((who, record.declaration, record.obligation, record.code))
        is_first = self._is_sampled(record, FIRST_OF_A_KIND, kind)
        return self._is_sampled(record, KNOWN_A_MINUTE, who) or is_first

    def _is_sampled(self, record: Record, most: int, principal: int = 0) -> bool:
        # By the minute, so that what comes from another one (a kept delivery) begins nothing anew.
        key = (record.boundary, most, principal, int(record.at.timestamp() // 60))
        seen = self._sampled.get(key, 0) + 1
        if seen > most:
            return False
        self._sampled.keep(key, seen)
        return True


def _mark(principal: object) -> int:
    try:
        return hash(principal)
    except Exception:  # noqa: BLE001  a subject is a user's object: one that has none shares a count
        return 0


def outcome_of(refused: Refused, *, observing: bool) -> Outcome:
    """Return the outcome that a refusal is counted as."""
    if observing:
        return Outcome.WOULD_ADMIT if refused.code == "observed" else Outcome.WOULD_REFUSE
    special = _OUTCOMES.get(refused.code)
    if special is not None:
        return special
    return Outcome.MISMATCH if refused.answer is Answer.ACKNOWLEDGE else Outcome.REFUSED


_OUTCOMES: Final[dict[str, Outcome]] = {
    "replayed": Outcome.DUPLICATE,
    "already_applied": Outcome.DUPLICATE,
    "received": Outcome.RECEIVED,
    "received_before": Outcome.DUPLICATE,
    "ignored": Outcome.IGNORED,
    "handshake": Outcome.IGNORED,
    "later": Outcome.LATER,
    "unknown": Outcome.UNKNOWN,
    "overtaken": Outcome.UNKNOWN,
}
DURABLE: Final = frozenset(
    {Outcome.REFUSED, Outcome.MISMATCH, Outcome.UNKNOWN, Outcome.EFFECT_FAILED}
)
"""What is also written to the store once the sender is known."""
