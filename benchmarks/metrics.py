"""What measuring costs a crossing, beside a floor of one increment under a lock; what a read costs.

Run it: `python -m benchmarks.metrics`. All of one run, the least of interleaved rounds.
"""

from collections.abc import Callable
from threading import Lock
from time import perf_counter

from benchmarks.events import record
from benchmarks.timing import least, row
from pratique import Perimeter, Secret
from pratique.core.event import Outcome, Record
from pratique.core.measures import Measures
from pratique.core.question import Begin
from pratique.core.recorder import Recorder
from pratique.core.threads import Tally
from pratique.events import Metrics
from pratique.events.prometheus import exposition
from pratique.stores.memory_store import MemoryStore
from pratique.webhook import Webhook, providers

LOOPS = 5_000
QUESTIONS = 6
"""A webhook's crossing asks so many: confirm, name, begin, lookup, decide, act."""


class Quiet:
    """A sink that keeps nothing."""

    def emit(self, record: Record) -> None:
        """Drop it."""

    def find(self, crossing_id: str) -> None:
        """Tell nothing."""

    def close(self) -> None:
        """Do nothing."""


def perimeter() -> Perimeter:
    """Return one with a boundary, for a scrape."""
    made = Perimeter(MemoryStore(), events=Quiet())
    secret = Secret("whsec_8sPq2Lx0Vt7RkYw3Zb5N", name="main")
    payments = made.declare(Webhook("payments", providers.stripe(secrets=secret)))
    payments.on("invoice.paid", confirm=str, once=str, link=str, allow=lambda *_: True)(print)
    return made


def contestants(
    shop: Perimeter, ticks: Callable[[], float]
) -> tuple[dict[str, Callable[[], object]], dict[str, int]]:
    """Return what is measured, and how often in a round."""
    one, lock, floor = record(), Lock(), {"a": 0}
    measures, measured = Measures(new_lock=Lock), Measures(new_lock=Lock)
    plain = Recorder([], count=Tally().add)
    full = Recorder([], count=Tally().add, measures=measured)

    def increment() -> None:
        with lock:
            floor["a"] += 1

    def question() -> None:
        began = perf_counter()
        measures.asked("payments", Begin, perf_counter() - began)

    metrics = Metrics(shop, clock=ticks)
    calls: dict[str, Callable[[], object]] = {
        "an increment under a lock": increment,
        "one question": question,
        "a crossing's duration": lambda: measures.crossed("payments", Outcome.PROVEN, 0.01),
        "Recorder.emit without measures": lambda: plain.emit(one, sample=False),
        "Recorder.emit with them": lambda: full.emit(one, sample=False),
        "a scrape": lambda: exposition(metrics),
    }
    return calls, {**dict.fromkeys(calls, LOOPS), "a scrape": 20}


def main() -> None:
    """Print the table."""
    now = [0.0]

    def ticks() -> float:
        now[0] += 10
        return now[0]

    with perimeter() as shop:
        calls, loops = contestants(shop, ticks)
        best = least(calls, loops=loops, rounds=10)
    for what, spent in best.items():
        print(f"{what:<66} {spent:>9.2f} µs")
    told = best["Recorder.emit with them"] - best["Recorder.emit without measures"]
    whole = QUESTIONS * best["one question"] + best["a crossing's duration"] + told
    row(
        f"a webhook's crossing of {QUESTIONS} questions, in all, µs", whole, "<= 10", ok=whole <= 10
    )
    ratio = best["one question"] / best["an increment under a lock"]
    row("one question, × of an increment under a lock", ratio, "<= 10", ok=ratio <= 10)


if __name__ == "__main__":
    main()
