"""The figures of a perimeter: one crossing of each outcome, under the same names in both exporters."""

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from pratique import Perimeter, Refused, unsafe
from pratique.core.break_glass import BreakGlass
from pratique.core.claim import Claim, Fields
from pratique.core.event import Outcome
from pratique.core.measures import MOST, Measures
from pratique.core.obligation import ALLOWED
from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.threads import MOST_LABELS, Tally
from pratique.core.watcher import Sample
from pratique.events import JsonLines, Metrics
from pratique.events.metrics import TABLE, Kind
from pratique.events.otel import EVENT, SpanEvents, instrument
from pratique.events.prometheus import Collector, aexposition, exposition
from pratique.integrations.starlette import endpoint, guard
from pratique.stores.memory_store import MemoryStore
from pratique.webhook.inbox import Inbox
from tests.events.figures import Figures, asked, at, parsed, webhook
from tests.shop import (
    NOW,
    URL,
    Invoice,
    async_orm,
    boundary,
    claim,
    delivery,
    held,
    plain_sqlite3,
)
from tests.webhook.inbox.shops import keeping

INBOX_SECRET = "whsec_1mKq7Vt4Zp9Lw2Xc8RdN"
OLD_SECRET = "whsec_5hYb3Jn6Qs0Tf9Gk2MvE"
UNTIL = date(2026, 12, 1)
END = datetime(2026, 12, 24, tzinfo=UTC)


def shown(metrics: Metrics) -> Figures:
    """Return what a registry of prometheus-client's shows, parsed."""
    registry = CollectorRegistry()
    registry.register(Collector(metrics))
    return parsed(generate_latest(registry))


class Door:
    """One application with a boundary that acts, one that keeps and one that observes."""

    def __init__(self, folder: Path) -> None:
        self.shop = plain_sqlite3(
            folder / "shop.db", events=[SpanEvents(), JsonLines(folder / "e")]
        )
        perimeter = self.perimeter = self.shop.perimeter
        self.kept = perimeter.declare(webhook("kept", INBOX_SECRET, not_after=END, inbox=Inbox()))
        self.old = perimeter.declare(
            webhook(
                "old",
                OLD_SECRET,
                not_after=END,
                observe=unsafe.observe(until=UNTIL, reason="an old system", owner="payments"),
                waivers=[
                    unsafe.waive(ALLOWED, reason="r", owner="o", until=UNTIL, bound="1 EUR"),
                ],
            )
        )
        app = guard(Starlette(), perimeter)
        app.add_route(URL, endpoint(self.shop.payments), methods=["POST"])
        app.add_route("/kept", endpoint(self.kept), methods=["POST"])
        app.add_route("/old", endpoint(self.old, shadows=old_view), methods=["POST"])
        self.client = TestClient(app, raise_server_exceptions=False)

    def send(self, path: str, *args: Any, **more: Any) -> int:
        """Send one delivery; return the status of the answer."""
        content, fields = delivery(*args, **more)
        return self.client.post(path, content=content, headers=dict(fields)).status_code

    def send_one_of_each(self) -> None:
        """Send what ends in each outcome that an honest store lets a crossing have."""
        invoices = self.shop.provider.invoices
        invoices["in_open"] = Invoice("in_open", "cus_1", status="open")
        answers = [
            self.send(URL),  # proven
            self.send(URL),  # duplicate
            self.send(URL, "evt_2", secret="whsec_of_somebody_else_1"),  # refused
            self.send(URL, "evt_3", kind="invoice.sent"),  # ignored
            self.send(URL, "evt_4", invoice="in_open"),  # later
            self.send(URL, "evt_5", invoice="in_unknown"),  # mismatch
            self.send("/kept", "evt_6", secret=INBOX_SECRET),  # received
            self.send("/old", "evt_7", secret=OLD_SECRET),  # would_admit
            self.send("/old", "evt_8"),  # would_refuse
        ]
        self.shop.execute(
            "CREATE TRIGGER stop BEFORE UPDATE ON subscription "
            "BEGIN SELECT RAISE(ABORT, 'stopped'); END"
        )
        answers.append(self.send(URL, "evt_9", invoice="in_2"))  # effect_failed
        assert answers == [200, 200, 401, 200, 503, 200, 202, 200, 200, 500]


async def old_view(request: Any) -> PlainTextResponse:
    """Stand for what was there before."""
    _ = request
    return PlainTextResponse("old")


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """Give a door that has started."""
    made = Door(tmp_path)
    with made.client:
        yield made


ENDS = {
    ("payments", "proven", "", ""),
    ("payments", "duplicate", "unique", "replayed"),
    ("payments", "refused", "authentic", "bad_signature"),
    ("payments", "ignored", "valid", "ignored"),
    ("payments", "later", "confirmed", "later"),
    ("payments", "mismatch", "confirmed", "not_confirmed"),
    ("payments", "effect_failed", "", ""),
    ("kept", "received", "unique", "received"),
    ("old", "would_admit", "allowed", "observed"),
    ("old", "would_refuse", "authentic", "bad_signature"),
}


def test_one_crossing_of_each_outcome_is_one_of_each_figure(door: Door) -> None:
    """What a door let cross stands in the exposition, as a real parser of Prometheus reads it."""
    door.send_one_of_each()
    figures = shown(Metrics(door.perimeter))
    counted = {
        tuple(dict(labels)[name] for name in ("boundary", "outcome", "obligation", "code")): value
        for (name, labels), value in figures.items()
        if name == "pratique_crossings_total"
    }
    assert counted == dict.fromkeys(ENDS, 1)
    for boundary_, outcome, _, _ in ENDS:
        labels = {"boundary": boundary_, "outcome": outcome}
        assert at(figures, "pratique_crossing_duration_seconds_count", **labels) == 1
        assert at(figures, "pratique_crossing_duration_seconds_bucket", le="+Inf", **labels) == 1
        assert at(figures, "pratique_crossing_duration_seconds_sum", **labels) > 0
    for question, times in (("confirm", 5), ("begin", 3), ("act", 2)):
        asked_for = {"boundary": "payments", "question": question}
        assert at(figures, "pratique_question_duration_seconds_count", **asked_for) == times


def test_gauges_are_read_when_somebody_asks(door: Door) -> None:
    """Inbox, secrets, ends, routes, sinks and the perimeter itself, each without a crossing of its own."""
    door.send_one_of_each()
    figures = shown(Metrics(door.perimeter, lock="nowhere.lock"))
    until = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
    assert at(figures, "pratique_inbox_pending", boundary="kept") == 1
    assert at(figures, "pratique_inbox_oldest_seconds", boundary="kept") >= 0
    assert at(figures, "pratique_dead_letters", boundary="kept") == 0
    assert at(figures, "pratique_secret_used_total", boundary="payments", secret="main") == 6
    assert at(figures, "pratique_secret_used_total", boundary="kept", secret="kept-main") == 1
    ends = "pratique_secret_not_after_timestamp_seconds"
    assert at(figures, ends, boundary="kept", secret="kept-main") == END.timestamp()
    assert (ends, frozenset({("boundary", "payments"), ("secret", "main")})) not in figures
    last = "pratique_last_authentic_timestamp_seconds"
    assert at(figures, last, boundary="payments") == NOW.timestamp()
    assert at(figures, "pratique_observe_until_timestamp_seconds", boundary="old") == until
    waived = {"boundary": "old", "obligation": "allowed", "means": "waiver"}
    assert at(figures, "pratique_waiver_until_timestamp_seconds", **waived) == until
    assert at(figures, "pratique_routes", state="guarded") == 2
    assert at(figures, "pratique_routes", state="legacy") == 1  # its boundary only observes
    assert at(figures, "pratique_routes", state="naked") == 0
    assert at(figures, "pratique_events_dropped_total", sink="JsonLines") == 0
    info = {"lock": "none", "version": version("pratique")}
    assert at(figures, "pratique_perimeter_info", **info) == 1


class Watching:
    """A watcher that counts something of the table, and something of its own."""

    def started(self, recorder: Any) -> None:
        """See `Watcher.started`."""

    def closed(self, recorder: Any) -> None:
        """See `Watcher.closed`."""

    def samples(self) -> list[Sample]:
        """Return both."""
        return [
            Sample("pratique_unguarded_connections_total", {"module": "stripe"}, 3),
            Sample("of_somebody_else", {"path": "/"}, 1),
        ]


def test_what_an_incident_breaks_and_what_a_watcher_saw_is_shown(door: Door) -> None:
    """A broken glass is no waiver, and a name that the table hasn't is no metric of ours."""
    until = NOW + timedelta(hours=2)
    door.shop.payments.glass = BreakGlass("payments", ALLOWED, "INC-112", until)
    door.perimeter.attach(Watching())
    figures = shown(Metrics(door.perimeter))
    broken = {"boundary": "payments", "obligation": "allowed", "means": "break_glass"}
    assert at(figures, "pratique_waiver_until_timestamp_seconds", **broken) == until.timestamp()
    assert at(figures, "pratique_unguarded_connections_total", module="stripe") == 3
    assert "INC-112" not in repr(figures)
    assert "of_somebody_else" not in {name for name, _ in figures}


def test_both_exporters_show_the_same_names_and_figures(door: Door) -> None:
    """A rule that was written for one holds for the other."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    metrics = Metrics(door.perimeter)
    instrument(metrics, provider.get_meter("pratique"))
    door.send_one_of_each()
    told = reader.get_metrics_data()
    assert told is not None
    (scope,) = told.resource_metrics[0].scope_metrics
    there = {each.name: each.data.data_points for each in scope.metrics}
    figures = shown(metrics)
    assert set(there) <= {metric.name for metric in TABLE}
    assert {name.removesuffix("_count") for name, _ in figures if not name.endswith(
        ("_bucket", "_sum", "_created"))} == set(there)  # fmt: skip
    for metric in TABLE:
        suffix = "_count" if metric.kind is Kind.HISTOGRAM else ""
        for point in there.get(metric.name, ()):
            value = point.count if metric.kind is Kind.HISTOGRAM else point.value  # type: ignore[union-attr]
            labels = {name: str(each) for name, each in (point.attributes or {}).items()}
            assert set(labels) == set(metric.labels)
            assert at(figures, metric.name + suffix, **labels) == value
    provider.shutdown()


def test_a_crossing_is_an_event_of_the_span_in_which_it_happens(door: Door) -> None:
    """Its codes and ids are there, also across the thread of a pool; without a span nothing is."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    forged = claim("evt_2", secret="whsec_of_somebody_else_1")
    with pytest.raises(Refused):
        door.perimeter.admit(door.shop.payments, forged)
    with provider.get_tracer("test").start_as_current_span("request"):
        door.perimeter.admit(door.shop.payments, claim())
        with pytest.raises(Refused):
            door.perimeter.admit(door.shop.payments, forged)
    (span,) = spans.get_finished_spans()
    proven, refused = span.events
    assert (proven.name, refused.name) == (EVENT, EVENT)
    assert dict(proven.attributes or {}).items() >= {
        "pratique.boundary": "payments", "pratique.outcome": "proven",
        "pratique.declaration": "invoice.paid",
    }.items()  # fmt: skip
    assert (refused.attributes or {})["pratique.code"] == "bad_signature"
    provider.shutdown()


def test_a_flood_of_unsigned_deliveries_makes_no_label(tmp_path: Path) -> None:
    """CWE-400: 10,000 strangers, each with names of its own, are one set of labels more."""
    perimeter = Perimeter(MemoryStore(), clock=lambda: NOW, deadline=None)
    payments = perimeter.declare(boundary())
    payments.on("invoice.paid", confirm=lambda _: None, once=str, link=str, allow=lambda *_: True)(
        print
    )
    lock = tmp_path / "pratique.lock"
    lock.write_text("version = 1\n")
    metrics = asked(perimeter)
    with pytest.MonkeyPatch.context() as patch, perimeter:
        patch.setattr(logging.getLogger("pratique"), "disabled", True)

        def forge(number: int) -> None:
            lines = [(f"X-{number}", "1"), ("Stripe-Signature", f"t={number},v1={number:064x}")]
            content = b'{"id": "evt_%d", "type": "t%d"}' % (number, number)
            with pytest.raises(Refused):
                perimeter.admit(payments, Claim(content, Fields(lines), NOW))

        forge(0)
        before = shown(metrics)
        for number in range(1, 10_001):
            forge(number)
        after = shown(metrics)
    assert set(after) == set(before)
    forged = {"boundary": "payments", "kind": "webhook", "outcome": "refused",
              "obligation": "authentic", "code": "bad_signature"}  # fmt: skip
    assert at(after, "pratique_crossings_total", **forged) == 10_001
    assert "pratique_last_authentic_timestamp_seconds" not in {name for name, _ in after}


def test_an_exporter_that_raises_changes_no_crossing(door: Door) -> None:
    """It hears no more; the next one does, and what is measured stands."""
    heard: list[str] = []

    def broken(name: str, labels: tuple[str, str], seconds: float) -> None:
        raise ZeroDivisionError

    measures = door.perimeter.measures
    measures.hear = (broken, lambda name, labels, seconds: heard.append(labels[1]))
    assert door.send(URL) == 200
    assert broken not in measures.hear
    assert heard[-1] == "proven"
    assert measures.crossings["payments", "proven"][-1] > 0


def test_codes_and_names_without_end_are_counted_as_one() -> None:
    """A callable of the application's that makes a code of what it is told fills no memory."""
    tally, measures = Tally(), Measures(new_lock=Lock)
    for number in range(MOST_LABELS + 50):
        tally.add(("payments", "webhook", "refused", "valid", f"code_{number}"))
    for number in range(MOST + 50):
        measures.store_failed("sqlite", f"{number}")
        measures.crossed(f"{number}", Outcome.PROVEN, 0.1)
    assert tally.counts["payments", "webhook", "refused", "", "other"] == 50
    assert len(tally.counts) == MOST_LABELS + 1
    assert measures.store_errors["other", "other"] == 50
    assert len(measures.crossings) == MOST + 1
    assert sum(measures.crossings["other", "other"][:-1]) == 50


def test_an_authentic_claim_is_one_that_was_neither_refused_nor_there_before(
    tmp_path: Path,
) -> None:
    """A captured delivery that comes again every hour makes no boundary look alive; the next does."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    last = shop.perimeter.measures.authentic
    hour = timedelta(hours=1)
    with shop.perimeter:
        shop.perimeter.admit(shop.payments, claim())
        shop.clock[0] = NOW + timedelta(seconds=20)
        again = claim(at=shop.clock[0], sent=NOW)
        with pytest.raises(Refused, match="handled before"):
            shop.perimeter.admit(shop.payments, again)
        stale = claim("evt_2", at=NOW + hour, sent=NOW)
        with pytest.raises(Refused, match="not fresh"):
            shop.perimeter.admit(shop.payments, stale)
        assert last == {"payments": NOW}
        with pytest.raises(Refused):  # another event for the same invoice: told, and new
            shop.perimeter.admit(shop.payments, claim("evt_3", invoice="in_9", at=NOW + hour))
        assert last == {"payments": NOW + hour}


class Stopped(MemoryStore):
    """A store without transactions, which fails where it is told to."""

    transactional = False
    fails = ""

    def hold(self, *args: Any, **more: Any) -> Any:
        """See `SyncStore.hold`."""
        if self.fails == "hold":
            raise StoreError("the disk is gone")
        return super().hold(*args, **more)

    def settle(self, *args: Any, **more: Any) -> Any:
        """See `SyncStore.settle`."""
        if self.fails == "settle":
            raise StoreError("the disk is gone")
        return super().settle(*args, **more)


def test_a_store_that_fails_is_counted_by_what_it_was_asked() -> None:
    """And what was done and could not be written is "unknown"; a store that answers counts nothing."""
    store = Stopped()
    shop = held(store)
    name = store.name
    with shop.perimeter:
        shop.perimeter.admit(shop.payments, claim())
        assert shop.perimeter.measures.store_errors == {}
        for fails, event in (("hold", "evt_2"), ("settle", "evt_3")):
            store.fails = fails
            with pytest.raises(Refused):
                shop.perimeter.admit(shop.payments, claim(event, invoice="in_2"))
    figures = shown(Metrics(shop.perimeter))
    assert at(figures, "pratique_store_errors_total", store=name, operation="hold") == 1
    assert at(figures, "pratique_store_errors_total", store=name, operation="settle") == 1
    unknown = {"boundary": "payments", "outcome": "unknown"}
    assert at(figures, "pratique_crossing_duration_seconds_count", **unknown) == 1


def test_an_inbox_that_cannot_be_read_is_absent_and_counted(door: Door) -> None:
    """Zero would say that nothing waits. What needs no store is told all the same."""
    metrics = asked(door.perimeter)
    assert at(shown(metrics), "pratique_inbox_pending", boundary="kept") == 0
    door.shop.execute("DROP TABLE pratique_inbox")
    figures = shown(metrics)
    assert "pratique_inbox_pending" not in {name for name, _ in figures}
    assert at(shown(metrics), "pratique_routes", state="guarded") == 2
    failed = {"store": door.perimeter.store.name, "operation": "samples"}  # type: ignore[union-attr]
    assert at(shown(metrics), "pratique_store_errors_total", **failed) >= 1


async def test_on_the_loop_an_inbox_that_cannot_be_read_is_absent_too(door: Door) -> None:
    """The same of `aread`."""
    metrics = asked(door.perimeter)
    assert (await metrics.aread())["pratique_inbox_pending"].values == {("kept",): 0}
    door.shop.execute("DROP TABLE pratique_inbox")
    metrics = asked(door.perimeter)
    assert (await metrics.aread())["pratique_inbox_pending"].values == {}


async def test_the_inbox_of_an_async_store_is_read_on_the_loop(tmp_path: Path) -> None:
    """`aexposition` has it, and what it read serves the others for a minute; then it is absent."""
    shop = keeping(lambda: async_orm(f"sqlite+aiosqlite:///{tmp_path}/shop.db"))
    now = [0.0]
    metrics = Metrics(shop.perimeter, clock=lambda: now[0])
    async with shop.perimeter:
        with pytest.raises(Refused, match="kept for a worker"):
            await shop.perimeter.aadmit(shop.payments, claim())
        pending = ("pratique_inbox_pending", frozenset({("boundary", "payments")}))
        assert pending not in parsed(exposition(metrics))
        now[0] = 5
        assert parsed(await aexposition(metrics))[pending] == 1
        now[0] = 30
        assert parsed(exposition(metrics))[pending] == 1
        now[0] = 90
        assert pending not in parsed(exposition(metrics))


def test_whoever_asks_often_asks_the_store_once_a_second(door: Door) -> None:
    """A scraper that runs wild is no load on the database; a second later it is asked again."""
    now = [0.0]
    metrics = Metrics(door.perimeter, clock=lambda: now[0])
    first = metrics.read()
    now[0] = 0.9
    assert metrics.read() is first
    now[0] = 1.1
    assert metrics.read() is not first


def test_a_collector_refuses_the_multiprocess_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would show one process's figures as if they were of all; without it the collector is made."""
    metrics = Metrics(Perimeter())
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "anywhere")
    with pytest.raises(BoundaryError, match="PROMETHEUS_MULTIPROC_DIR"):
        Collector(metrics)
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")
    registry = CollectorRegistry()
    registry.register(Collector(metrics))
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(Collector(metrics))


def test_no_label_is_one_that_a_stranger_fills() -> None:
    """The table names what may be a label: declared names, and words of this library."""
    ours = {
        "boundary", "kind", "outcome", "obligation", "code", "question", "secret", "issuer", "store",
        "operation", "module", "header", "state", "means", "sink", "lock", "version",
    }  # fmt: skip
    assert {label for metric in TABLE for label in metric.labels} == ours
    assert all(metric.name.endswith("_total") == (metric.kind is Kind.COUNTER) for metric in TABLE)
