"""The metrics of a perimeter: one table of names, and what each one says now.

What happens in the request path is counted there; what can be read when somebody asks is read then.
Every label is a name of ours, so that no stranger makes one (CWE-400).

Source: Prometheus, "Metric and label naming"; OWASP API4:2023, A09:2021.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any, Final

from pratique.core.measures import BOUNDS, CROSSING, QUESTION, Spread
from pratique.core.perimeter import Perimeter
from pratique.core.refusal import StoreError
from pratique.core.waiver import end_of
from pratique.core.watcher import Sample

FRESH_SECONDS: Final = 1.0
"""What was read is told again for so long: whoever asks often asks no database as often."""
STALE_SECONDS: Final = 60.0
"""So long are figures told that only the event loop can read, after `Metrics.aread`."""
LOCK: Final = "pratique.lock"
LOCK_DIGITS: Final = 12


class Kind(StrEnum):
    """How the values of a metric move."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table.

    Args:
        name: In full, as it is shown: "pratique_crossings_total".
        kind: Counter, gauge or histogram (of seconds).
        labels: Their names, in order.
        help: What it says, in one sentence.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


TABLE: Final = (
    Metric(
        "pratique_crossings_total",
        Kind.COUNTER,
        ("boundary", "kind", "outcome", "obligation", "code"),
        "Crossings by how they ended; obligation and code of what was refused.",
    ),
    Metric(
        CROSSING,
        Kind.HISTOGRAM,
        ("boundary", "outcome"),
        "Seconds that a crossing took, with its effect where the boundary does one.",
    ),
    Metric(
        QUESTION,
        Kind.HISTOGRAM,
        ("boundary", "question"),
        "Seconds until a question was answered: by a callable of yours, the store, a partner.",
    ),
    Metric(
        "pratique_inbox_pending",
        Kind.GAUGE,
        ("boundary",),
        "Kept deliveries that wait or are worked.",
    ),
    Metric(
        "pratique_inbox_oldest_seconds",
        Kind.GAUGE,
        ("boundary",),
        "Since when the oldest pending delivery is here; 0 where none is.",
    ),
    Metric(
        "pratique_dead_letters",
        Kind.GAUGE,
        ("boundary",),
        "Kept deliveries that no worker takes any more.",
    ),
    Metric(
        "pratique_secret_used_total",
        Kind.COUNTER,
        ("boundary", "secret"),
        "Crossings that a secret of that name opened; 0 for a live one that opened none yet.",
    ),
    Metric(
        "pratique_secret_not_after_timestamp_seconds",
        Kind.GAUGE,
        ("boundary", "secret"),
        "When a live secret ends; absent where it has no end.",
    ),
    Metric(
        "pratique_last_authentic_timestamp_seconds",
        Kind.GAUGE,
        ("boundary",),
        "When the last authentic claim came that was neither refused nor there before.",
    ),
    Metric(
        "pratique_jwks_age_seconds",
        Kind.GAUGE,
        ("issuer",),
        "How old the keys of an issuer are; absent until they were fetched.",
    ),
    Metric(
        "pratique_key_fetches_total",
        Kind.COUNTER,
        ("issuer", "outcome"),
        "Fetches of an issuer's keys, succeeded and failed.",
    ),
    Metric(
        "pratique_store_errors_total",
        Kind.COUNTER,
        ("store", "operation"),
        "Questions that a store could not answer; that it was busy is none.",
    ),
    Metric(
        "pratique_unguarded_connections_total",
        Kind.COUNTER,
        ("module",),
        "Connections outside any fetch policy, by the module that made them.",
    ),
    Metric(
        "pratique_forwarded_stripped_total",
        Kind.COUNTER,
        ("header",),
        "Requests from which a forwarding field was taken, by the field or its known beginning.",
    ),
    Metric(
        "pratique_routes",
        Kind.GAUGE,
        ("state",),
        "Routes of the guarded application by what they say of themselves.",
    ),
    Metric(
        "pratique_waiver_until_timestamp_seconds",
        Kind.GAUGE,
        ("boundary", "obligation", "means"),
        'When an obligation is owed again; means is "waiver" or "break_glass".',
    ),
    Metric(
        "pratique_observe_until_timestamp_seconds",
        Kind.GAUGE,
        ("boundary",),
        "When a boundary that only observes begins to enforce.",
    ),
    Metric(
        "pratique_events_dropped_total",
        Kind.COUNTER,
        ("sink",),
        "Records that a sink lost; 0 for one that lost none.",
    ),
    Metric(
        "pratique_perimeter_info",
        Kind.GAUGE,
        ("lock", "version"),
        'Always 1: the digest of pratique.lock ("none" without one) and the version of pratique.',
    ),
)
"""Every metric, under the name that dashboards and rules rest on."""
BY_NAME: Final[Mapping[str, Metric]] = {metric.name: metric for metric in TABLE}

Labels = tuple[str, ...]


@dataclass(slots=True)
class Family:
    """One metric, and its value for each set of labels.

    Args:
        metric: Its line of the table.
        values: By the values of its labels, in the table's order.
        spreads: The same of a histogram: see `BOUNDS` in `pratique.core.measures`.
    """

    metric: Metric
    values: dict[Labels, float] = field(default_factory=dict[Labels, float])
    spreads: Mapping[Any, Spread] = field(default_factory=dict[Labels, Spread])


class Metrics:
    """What a perimeter tells under the fixed names, in this process.

    Args:
        perimeter: Whose.
        lock: The file whose digest `pratique_perimeter_info` shows, read once.
        clock: Tells seconds that only grow; tests hand in their own.
    """

    def __init__(
        self,
        perimeter: Perimeter,
        *,
        lock: str | Path = LOCK,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.perimeter = perimeter
        self._info = (_digest(Path(lock)), version("pratique"))
        self._clock = clock
        self._read: tuple[float, Mapping[str, Family]] | None = None
        self._told: tuple[float, list[Sample]] | None = None

    def read(self) -> Mapping[str, Family]:
        """Return every family by its name, at most a second old.

        Of a store that is asked on the event loop alone it has what `aread` found in the last
        minute. What a store doesn't answer is left out and counted: absent, not zero.
        """
        now = self._clock()
        if self._read is not None and now - self._read[0] < FRESH_SECONDS:
            return self._read[1]
        own: list[Sample] = []
        for boundary in self.perimeter.boundaries:
            try:
                own += boundary.samples()
            except StoreError:
                self._store_failed()
        return self._families(now, own)

    async def aread(self) -> Mapping[str, Family]:
        """Return the same on the event loop."""
        now = self._clock()
        if self._read is not None and now - self._read[0] < FRESH_SECONDS:
            return self._read[1]
        own: list[Sample] = []
        for boundary in self.perimeter.boundaries:
            try:
                coming = boundary.asamples()
                own += boundary.samples() if coming is None else await coming
            except StoreError:
                self._store_failed()
        self._told = (now, own)
        return self._families(now, own)

    def _families(self, now: float, own: list[Sample]) -> Mapping[str, Family]:
        families = {metric.name: Family(metric) for metric in TABLE}
        known = {_key(sample) for sample in own}
        if self._told is not None and now - self._told[0] < STALE_SECONDS:
            own += [each for each in self._told[1] if _key(each) not in known]
        watched = [each for watcher in self.perimeter.watchers for each in watcher.samples()]
        for sample in (*self._counted(), *self._declared(), *own, *watched):
            family = families.get(sample.name)
            if family is not None:  # a watcher of somebody else's may count what it likes
                labels = tuple(sample.labels[label] for label in family.metric.labels)
                family.values[labels] = family.values.get(labels, 0) + sample.value
        measures = self.perimeter.measures
        families[CROSSING].spreads = measures.spreads(measures.crossings)
        families[QUESTION].spreads = measures.spreads(measures.questions)
        families["pratique_perimeter_info"].values[self._info] = 1
        self._read = (now, families)
        return families

    def _counted(self) -> Iterator[Sample]:
        perimeter, measures = self.perimeter, self.perimeter.measures
        # Copies, since others add meanwhile.
        yield from _samples("pratique_crossings_total", perimeter.tally.counts.copy())
        yield from _samples("pratique_secret_used_total", measures.secrets.copy())
        yield from _samples("pratique_store_errors_total", measures.store_errors.copy())
        for boundary, at in measures.authentic.copy().items():
            name = "pratique_last_authentic_timestamp_seconds"
            yield Sample(name, {"boundary": boundary}, at.timestamp())
        recorder = perimeter.recorder
        none_lost = {type(sink).__name__: 0 for sink in recorder.sinks}
        for sink, lost in (none_lost | recorder.dropped).items():
            yield Sample("pratique_events_dropped_total", {"sink": sink}, lost)

    def _declared(self) -> Iterator[Sample]:
        ends: dict[Labels, float] = {}
        for boundary in self.perimeter.boundaries:
            name, glass = boundary.name, boundary.glass
            if boundary.observe is not None:
                end = end_of(boundary.observe.until).timestamp()
                labels = {"boundary": name}
                yield Sample("pratique_observe_until_timestamp_seconds", labels, end)
            for waiver in {w for declared in boundary.declarations() for w in declared.waivers}:
                key = (name, waiver.obligation.value, "waiver")
                end = end_of(waiver.until).timestamp()
                ends[key] = min(ends.get(key, end), end)  # the first of several
            if glass is not None:
                ends[name, glass.obligation.value, "break_glass"] = glass.until.timestamp()
        yield from _samples("pratique_waiver_until_timestamp_seconds", ends)

    def _store_failed(self) -> None:
        if self.perimeter.store is not None:
            self.perimeter.measures.store_failed(self.perimeter.store.name, "samples")


def _samples(name: str, values: Mapping[Any, float]) -> Iterator[Sample]:
    names = BY_NAME[name].labels
    for labels, value in values.items():
        yield Sample(name, dict(zip(names, labels, strict=True)), value)


def _key(sample: Sample) -> tuple[str, Labels]:
    return sample.name, tuple(sample.labels.values())


def _digest(lock: Path) -> str:
    try:
        return sha256(lock.read_bytes()).hexdigest()[:LOCK_DIGITS]
    except OSError:
        return "none"


def cumulated(spread: Spread) -> Iterable[tuple[float, float]]:
    """Yield each bound of a spread, the last one infinite, with how many took at most so long."""
    so_far = 0.0
    for bound, count in zip((*BOUNDS, float("inf")), spread, strict=False):
        so_far += count
        yield bound, so_far
