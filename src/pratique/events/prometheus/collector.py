"""Metrics for Prometheus: a collector of prometheus-client's, and the text that a route answers."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector as _Collector

from pratique.core.refusal import BoundaryError
from pratique.events.metrics import TABLE, Family, Kind, Metrics, cumulated

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `exposition` returns."""
MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"


class Collector(_Collector):
    """A collector for a registry of prometheus-client's.

        REGISTRY.register(Collector(Metrics(perimeter)))

    The figures are those of this process. Several processes behind one port answer by turns, each
    with its own, and prometheus-client's multiprocess mode merges no collector: see
    `Multiprocess`.

    Args:
        metrics: What is shown.

    Raises:
        BoundaryError: PROMETHEUS_MULTIPROC_DIR is set: what would be shown is one process's.
    """

    def __init__(self, metrics: Metrics) -> None:
        if os.environ.get(MULTIPROCESS):
            raise BoundaryError(
                f"{MULTIPROCESS} is set, and its mode merges no collector: each scrape would show "
                "another process's figures. Attach Multiprocess(perimeter) instead."
            )
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        """Return the families without a value: a registry refuses a second of the same names."""
        return [_family(Family(metric)) for metric in TABLE]

    def collect(self) -> Iterator[Metric]:
        """Yield each family as it is now. See `Metrics.read`."""
        yield from _families(self._metrics.read())


def exposition(metrics: Metrics) -> bytes:
    """Return the figures as text of `CONTENT_TYPE`, for a route of your own.

    It says how much traffic there is and which secrets end when: answer it to your own network.
    """
    return _text(metrics.read())


async def aexposition(metrics: Metrics) -> bytes:
    """Return the same on the event loop, also of a store that has no other face."""
    return _text(await metrics.aread())


class _Read(_Collector):
    def __init__(self, read: Mapping[str, Family]) -> None:
        self._families = read

    def collect(self) -> Iterator[Metric]:
        yield from _families(self._families)


def _text(read: Mapping[str, Family]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read(read))
    return generate_latest(registry)


def _families(read: Mapping[str, Family]) -> Iterator[Metric]:
    return map(_family, read.values())


def _family(family: Family) -> Metric:
    metric = family.metric
    if metric.kind is Kind.HISTOGRAM:
        shown = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, spread in family.spreads.items():
            buckets = [
                ("+Inf" if bound == float("inf") else str(bound), count)
                for bound, count in cumulated(spread)
            ]
            shown.add_metric(labels, buckets=buckets, sum_value=spread[-1])
        return shown
    made = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    plain = made(metric.name, metric.help, labels=metric.labels)
    for labels, value in family.values.items():
        plain.add_metric(labels, value)
    return plain
