"""Metrics and crossings for OpenTelemetry, under the same names as for Prometheus."""

from collections.abc import Callable, Iterable
from typing import Final

from opentelemetry import trace
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

from pratique.core.event import Record
from pratique.core.measures import BOUNDS, Pair

from .metrics import TABLE, Kind, Metric, Metrics

EVENT: Final = "pratique.crossing"
"""Name of the event at a span."""


def instrument(metrics: Metrics, meter: Meter) -> None:
    """Make one instrument for each metric of the table; call it once a process and meter.

    Counters and gauges are read when the meter's reader collects. Durations are recorded as they
    are measured, from this call on.

    Args:
        metrics: What is shown.
        meter: `opentelemetry.metrics.get_meter("pratique")`, of a provider whose resource tells the
            processes apart (`service.instance.id`).
    """
    spreads: dict[str, tuple[Metric, Histogram]] = {}
    for metric in TABLE:
        read = _reader(metrics, metric)
        if metric.kind is Kind.HISTOGRAM:
            made = meter.create_histogram(
                metric.name,
                unit="s",
                description=metric.help,
                explicit_bucket_boundaries_advisory=BOUNDS,
            )
            spreads[metric.name] = metric, made
        elif metric.kind is Kind.COUNTER:
            meter.create_observable_counter(metric.name, [read], description=metric.help)
        else:
            meter.create_observable_gauge(metric.name, [read], description=metric.help)

    def hear(name: str, labels: Pair, seconds: float) -> None:
        metric, histogram = spreads[name]
        histogram.record(seconds, dict(zip(metric.labels, labels, strict=True)))

    measures = metrics.perimeter.measures
    measures.hear = (*measures.hear, hear)


class SpanEvents:
    """A sink that notes each crossing at the span in which it happens, if there is one.

    What it notes are names, codes and ids of ours, as every record. It keeps nothing.
    """

    def emit(self, record: Record) -> None:
        """Add an event to the current span."""
        span = trace.get_current_span()
        if span.is_recording():
            said = {name: str(getattr(record, name)) for name in _SAID if getattr(record, name)}
            span.add_event(EVENT, {f"pratique.{name}": value for name, value in said.items()})

    def find(self, crossing_id: str) -> None:
        """Tell nothing: a span is somebody else's."""

    def close(self) -> None:
        """Hold nothing open."""


_SAID: Final = ("crossing_id", "boundary", "kind", "outcome", "declaration", "obligation", "code")


def _reader(metrics: Metrics, metric: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(options: CallbackOptions) -> Iterable[Observation]:
        _ = options
        family = metrics.read()[metric.name]
        return [
            Observation(value, dict(zip(metric.labels, labels, strict=True)))
            for labels, value in family.values.items()
        ]

    return read
