"""Figures of several worker processes as one: prometheus-client's multiprocess mode."""

import atexit
import logging
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import count
from math import nan
from pathlib import Path
from threading import Lock
from typing import ClassVar, Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from pratique.core.forks import generation, renew_after_fork, rest_before_fork
from pratique.core.measures import BOUNDS, Pair
from pratique.core.perimeter import Perimeter
from pratique.core.recorder import Recorder
from pratique.core.refusal import BoundaryError
from pratique.core.watcher import Sample
from pratique.events.metrics import LOCK, TABLE, Family, Kind, Labels, Metric, Metrics
from pratique.events.ticking import Ticker

from .collector import MULTIPROCESS

EVERY: Final = timedelta(seconds=5)
"""Below the 15 s to 60 s between two scrapes; each reads the inbox once."""
_log: Final = logging.getLogger("pratique")
Mode = Literal["mostrecent", "max", "livemax"]
MODES: Final[Mapping[str, Mode]] = {
    "pratique_last_authentic_timestamp_seconds": "max",
    "pratique_jwks_age_seconds": "livemax",
    "pratique_perimeter_info": "livemax",
}
"""How the gauges are merged that each process has of its own. All others say the same in each, of a
declaration or a database, and the newest counts. What is "live" ends with its process."""


class Multiprocess:
    """Writes what one process counts to where the multiprocess mode of prometheus-client reads.

        figures = perimeter.attach(Multiprocess(perimeter))

    Durations are written as they are measured. The rest is written every few seconds on a thread of
    its own, when the perimeter closes, and at the end of the process: a kill -9 takes what came
    since. In a forked worker it goes on by itself, from zero.

    Args:
        perimeter: Whose figures.
        lock: The file whose digest `pratique_perimeter_info` shows.
        every: Between two writes; None: only `publish` and `exposition` write.

    Raises:
        BoundaryError: `PROMETHEUS_MULTIPROC_DIR` names no folder, or was set after
            prometheus-client was imported; `every` isn't above zero; or the process has one.
    """

    _is_made: ClassVar[bool] = False

    def __init__(
        self,
        perimeter: Perimeter,
        *,
        lock: str | Path = LOCK,
        every: timedelta | None = EVERY,
    ) -> None:
        if every is not None and every <= timedelta(0):
            raise BoundaryError(f"Multiprocess(every={every}) is not above zero.")
        _require_mode()
        if Multiprocess._is_made:
            raise BoundaryError(
                "the process has a Multiprocess: two would write to one place. Declare every "
                "boundary in one perimeter."
            )
        Multiprocess._is_made = True
        ticks = count(step=10)  # each read is a new one
        self._metrics = Metrics(perimeter, lock=lock, clock=lambda: float(next(ticks)))
        self._counters = {
            each.name: Counter(each.name, each.help, each.labels, registry=None)
            for each in _of(Kind.COUNTER)
        }
        self._gauges = {each.name: _gauge(each) for each in _of(Kind.GAUGE)}
        self._spreads = {
            each.name: Histogram(each.name, each.help, each.labels, registry=None, buckets=BOUNDS)
            for each in _of(Kind.HISTOGRAM)
        }
        self._written: dict[tuple[str, Labels], float] = {}
        self._ticker = Ticker("pratique-figures", every, self._write)
        self._lock = Lock()
        self._process = generation()
        renew_after_fork(self, _written=dict, _lock=Lock)
        rest_before_fork(self, Multiprocess._rest)
        perimeter.measures.hear = (*perimeter.measures.hear, self._hear)
        atexit.register(self._write)

    def started(self, recorder: Recorder) -> None:
        """Begin to write."""
        _ = recorder
        self._begin()

    def closed(self, recorder: Recorder) -> None:
        """Write what there is, and no more."""
        _ = recorder
        self._ticker.end()
        self._write()

    def samples(self) -> tuple[Sample, ...]:
        """Count nothing of its own."""
        return ()

    def publish(self) -> None:
        """Write what this process has counted so far, and what it reads now."""
        read = self._metrics.read()
        with self._lock:
            for name, family in read.items():
                if name in self._counters:
                    self._add(self._counters[name], family)
                elif name in self._gauges:
                    self._set(self._gauges[name], family)

    def exposition(self) -> bytes:
        """Write this process's figures, and return the text of all processes' for a scrape.

        It has every metric that is kept by prometheus-client in this mode, also those of yours.
        """
        self.publish()
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _hear(self, name: str, labels: Pair, seconds: float) -> None:
        with self._lock:
            self._spreads[name].labels(*labels).observe(seconds)
        if self._process != generation():  # its thread stayed with the parent
            self._begin()

    def _rest(self) -> Callable[[], object]:
        # prometheus-client's own lock isn't made anew in a child: nobody may hold it at the fork.
        self._lock.acquire()
        return self._lock.release

    def _begin(self) -> None:
        self._process = generation()
        self._ticker.begin()

    def _write(self) -> None:
        try:
            self.publish()
        except Exception as error:  # noqa: BLE001  a full disk ends neither a thread nor a process
            _log.error("figures are not written: %s", type(error).__name__)

    def _add(self, counter: Counter, family: Family) -> None:
        for labels, value in family.values.items():
            before = self._written.get((family.metric.name, labels), 0)
            counter.labels(*labels).inc(max(0, value - before))
            self._written[family.metric.name, labels] = max(value, before)

    def _set(self, gauge: Gauge, family: Family) -> None:
        name = family.metric.name
        for labels, value in family.values.items():
            gauge.labels(*labels).set(value)
            self._written[name, labels] = value
        if name in MODES:
            return
        for known, labels in tuple(self._written):
            if known == name and labels not in family.values:  # can't be read: no rule may fire
                gauge.labels(*labels).set(nan)


def _require_mode() -> None:
    folder = os.environ.get(MULTIPROCESS, "")
    if not folder or not Path(folder).is_dir():
        told = "isn't set" if not folder else f"is {folder!a}, and no folder is there"
        raise BoundaryError(
            f"{MULTIPROCESS} {told}. Make one that is emptied before the first worker begins, and "
            "name it in the environment of the server."
        )
    if not getattr(values.ValueClass, "_multiprocess", False):
        raise BoundaryError(
            f"prometheus-client was imported before {MULTIPROCESS} was set, and counts in this "
            "process alone. Set it in the environment that the server is started in."
        )


def _of(kind: Kind) -> list[Metric]:
    return [metric for metric in TABLE if metric.kind is kind]


def _gauge(metric: Metric) -> Gauge:
    mode: Mode = MODES.get(metric.name, "mostrecent")
    return Gauge(metric.name, metric.help, metric.labels, registry=None, multiprocess_mode=mode)
