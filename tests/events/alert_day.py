"""A day of a real application, scraped as Prometheus does: a good one, or one when all goes wrong."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pratique import Perimeter, Refused, stores, unsafe
from pratique.core.break_glass import BreakGlass
from pratique.core.claim import Claim, Fields, Via
from pratique.core.obligation import CONFIRMED
from pratique.events import AT_ONCE, JsonLines, Metrics
from pratique.events.prometheus import exposition
from pratique.forwarded import Forwarded, ProxyPolicy
from pratique.webhook import Inbox, Webhook
from tests.events.figures import Figures, asked, parsed, webhook
from tests.shop import NOW, claim

STEP = timedelta(minutes=5)
HOUR = timedelta(hours=1)
DAY = 31 * HOUR
AT_THE_END = timedelta(minutes=40)
"""So long what goes wrong goes wrong."""
SILENT = 24 * HOUR
PAYMENTS = "whsec_8sPq2Lx0Vt7RkYw3Zb5N"
KEPT = "whsec_1mKq7Vt4Zp9Lw2Xc8RdN"
OLD = "whsec_5hYb3Jn6Qs0Tf9Gk2MvE"
NOBODYS = "whsec_of_somebody_else_1"


class Day:
    """One application and its scrapes: one process that works, and one that only stands there.

    Args:
        folder: Empty.
        is_bad: At the end of the day everything goes wrong.
    """

    def __init__(self, folder: Path, *, is_bad: bool) -> None:
        self.folder, self.is_bad = folder, is_bad
        self.now: datetime = NOW
        self.serial = 0
        kept_at = folder / ("nowhere" if is_bad else ".") / "e.jsonl"
        sink = JsonLines(kept_at, delay=AT_ONCE, max_records=20)
        self.perimeter = Perimeter(
            stores.sqlite3(self.connect), [sink], clock=lambda: self.now, deadline=None
        )
        end = NOW + DAY + timedelta(days=2)
        until = (NOW + timedelta(days=10 if is_bad else 60)).date()
        declare = self.perimeter.declare
        self.payments = declare(webhook("payments", PAYMENTS))
        self.kept = declare(
            webhook("kept", KEPT, not_after=end if is_bad else None, inbox=Inbox(attempts=1))
        )
        self.old = declare(webhook("old", OLD, observe=_observed(until)))
        self.edge = self.perimeter.declare(Forwarded("edge", ProxyPolicy(hosts=("shop.example",))))
        ours, others = folder / "ours.lock", folder / "others.lock"
        ours.write_text("version = 1\n")
        others.write_text("version = 2\n" if is_bad else "version = 1\n")
        self.metrics = asked(self.perimeter, lock=ours)
        self.idle = Metrics(Perimeter(), lock=others)

    def connect(self) -> sqlite3.Connection:
        """Open the application's database."""
        return sqlite3.connect(self.folder / "shop.db", timeout=10)

    def scrapes(self, *, begins: timedelta = timedelta(0)) -> Iterator[dict[str, bytes] | None]:
        """Yield what each process answers at each step, from one of the day on.

        Until the last three hours it is asked once an hour: None in between.
        """
        idle = exposition(self.idle)
        with self.perimeter:
            for since in (step * STEP for step in range(begins // STEP, DAY // STEP + 1)):
                self.now = NOW + since
                self._happens(since)
                if since % HOUR and since < DAY - 3 * HOUR:
                    yield None
                else:
                    yield {"a": exposition(self.metrics), "b": idle}

    def _happens(self, since: timedelta) -> None:
        """Let happen what happens at that time of the day."""
        is_wrong = self.is_bad and since >= DAY - AT_THE_END
        is_hourly = not since % HOUR and not is_wrong
        if is_hourly and (since <= SILENT or not self.is_bad):
            self._send(self.payments, PAYMENTS)
        if is_hourly:
            self._send(self.kept, KEPT)
            self.kept.worker().drain()
            self._send(self.payments, NOBODYS)
            self._send(self.old, OLD)
            self._ask(times=1)
        if is_wrong:
            self._goes_wrong(is_first=since < DAY - AT_THE_END + STEP)

    def _goes_wrong(self, *, is_first: bool) -> None:
        if is_first:
            self._send(self.kept, KEPT, "in_bad")
            self.kept.worker().drain()  # a dead letter
            self._send(self.kept, KEPT)  # nobody works this one
            self._execute(
                "UPDATE pratique_inbox SET received_us = (strftime('%s', 'now') - 7200) * 1000000"
            )
            glass = BreakGlass("payments", CONFIRMED, "INC-112", self.now + timedelta(hours=2))
            self.payments.glass = glass
        for _ in range(100):
            self._send(self.payments, NOBODYS)
        self._ask(times=200)
        if is_first:
            self._execute("ALTER TABLE pratique_key RENAME TO away")
        self._send(self.payments, PAYMENTS)

    def _send(self, boundary: Webhook, secret: str, invoice: str = "") -> None:
        self.serial += 1
        event = f"evt_{self.serial}"
        with suppress(Refused, ZeroDivisionError):
            self.perimeter.admit(
                boundary,
                claim(event, invoice=invoice or f"in_{self.serial}", secret=secret, at=self.now),
            )

    def _ask(self, *, times: int) -> None:
        lines = [("Host", "shop.example"), ("X-Forwarded-For", "192.0.2.7")]
        via = Via(peer="198.51.100.7", scheme="https", target="/")
        for _ in range(times):
            self.edge.cross(Claim(b"", Fields(lines), self.now, via))

    def _execute(self, sql: str) -> None:
        with closing(self.connect()) as db, db:
            db.execute(sql)


def _observed(until: date) -> Any:
    return unsafe.observe(until=until, reason="an old system", owner="payments")


def input_series(scrapes: Iterable[dict[str, bytes] | None], names: set[str]) -> list[Any]:
    """Return what was scraped as promtool takes it: whose clock begins in 1970, at our start."""
    found = list[Figures]()
    for scrape in scrapes:
        found.append({})
        for instance, text in (scrape or {}).items():
            lines = [each for each in text.splitlines(keepends=True) if names & {_name(each)}]
            found[-1] |= parsed(b"".join(lines), job="shop", instance=instance)
    return [
        {
            "series": f"{name}{{{', '.join(f'{k}={json.dumps(v)}' for k, v in sorted(labels))}}}",
            "values": " ".join(_value(name, scrape.get((name, labels))) for scrape in found),
        }
        for name, labels in dict.fromkeys(key for scrape in found for key in scrape)
    ]


def _name(line: bytes) -> str:
    return line.partition(b" ")[0].partition(b"{")[0].decode()


def _value(name: str, value: float | None) -> str:
    if value is None:
        return "_"
    return f"{value - NOW.timestamp() * name.endswith('_timestamp_seconds'):g}"
