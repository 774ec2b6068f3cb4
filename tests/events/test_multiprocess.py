"""Several workers are one in a scrape: counts add up, and each gauge says what is true of all."""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from math import isnan
from pathlib import Path

import pytest
from prometheus_client import values

from pratique import Perimeter, Refused
from pratique.core.refusal import BoundaryError
from pratique.events.metrics import TABLE, Kind
from pratique.events.prometheus import Multiprocess
from pratique.events.prometheus.collector import MULTIPROCESS
from pratique.events.prometheus.multiprocess import MODES
from tests.events.figures import at, parsed
from tests.shop import NOW, claim, plain_sqlite3
from tests.webhook.inbox.shops import keeping


@pytest.fixture
def mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the mode for one test, as if it had been there when prometheus-client was imported."""
    folder = tmp_path / "figures"
    folder.mkdir()
    monkeypatch.setenv(MULTIPROCESS, str(folder))
    monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue())
    monkeypatch.setattr(Multiprocess, "_is_made", False)
    monkeypatch.setattr(atexit, "register", lambda call: call)
    yield folder
    values.close_all_multiprocess_files()


def test_two_workers_are_one_in_a_scrape(tmp_path: Path) -> None:
    """Both are forked after the start, as gunicorn does it; what one has counted the other tells.

    Deliveries and durations add up, the last authentic one is the newest of all, and what a worker
    counted after the last write is written at its end.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.events.workers"],
        env={**os.environ, MULTIPROCESS: str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    both, after = (parsed(json.loads(line).encode()) for line in done.stdout.splitlines())
    for scrape, taken in ((both, 5), (after, 6)):
        ended = {"boundary": "payments", "outcome": "proven"}
        told = {**ended, "kind": "webhook", "obligation": "", "code": ""}
        assert at(scrape, "pratique_crossings_total", **told) == taken
        assert at(scrape, "pratique_crossing_duration_seconds_count", **ended) == taken
        assert at(scrape, "shop_visits_total") == taken + 1
        last = at(scrape, "pratique_last_authentic_timestamp_seconds", boundary="payments")
        assert last == (NOW + timedelta(hours=1)).timestamp()
        lock = {"lock": "none", "version": version("pratique")}
        assert at(scrape, "pratique_perimeter_info", **lock) == 1
        assert not [labels for _, labels in scrape if "pid" in dict(labels)]


def test_what_cannot_be_read_any_more_is_no_figure(mode: Path, tmp_path: Path) -> None:
    """An inbox whose table is gone is NaN, on which no rule fires, and not what it was before."""
    shop = keeping(lambda: plain_sqlite3(tmp_path / "shop.db", deadline=None))
    figures = shop.perimeter.attach(Multiprocess(shop.perimeter, every=None))
    pending = {"name": "pratique_inbox_pending", "boundary": "payments"}
    with shop.perimeter:
        assert at(parsed(figures.exposition()), **pending) == 0
        with pytest.raises(Refused, match="kept for a worker"):
            shop.perimeter.admit(shop.payments, claim())
        assert at(parsed(figures.exposition()), **pending) == 1
        shop.execute("DROP TABLE pratique_inbox")
        scrape = parsed(figures.exposition())
        assert isnan(at(scrape, **pending))
        failed = {"store": "sqlite", "operation": "samples"}
        assert at(parsed(figures.exposition()), "pratique_store_errors_total", **failed) == 2
    assert list(mode.iterdir()) != []


def test_it_is_refused_where_it_would_count_for_one_process_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No folder, none that exists, and a folder that was named too late."""
    perimeter = Perimeter()
    for folder, said in (("", "isn't set"), (str(tmp_path / "x"), "no folder is there"), (str(tmp_path), "imported before")):  # fmt: skip
        monkeypatch.setenv(MULTIPROCESS, folder)
        with pytest.raises(BoundaryError, match=said):
            Multiprocess(perimeter)
    assert perimeter.measures.hear == ()


def test_a_process_has_one(mode: Path) -> None:
    """Two would write over each other; and the time between two writes is above zero."""
    _ = mode
    with pytest.raises(BoundaryError, match="above zero"):
        Multiprocess(Perimeter(), every=timedelta(0))
    Multiprocess(Perimeter(), every=None)
    with pytest.raises(BoundaryError, match="one perimeter"):
        Multiprocess(Perimeter(), every=None)


def test_each_gauge_with_a_mode_of_its_own_is_one_of_the_table() -> None:
    """A name that is spelt wrong here would have the mode of the others."""
    assert set(MODES) <= {metric.name for metric in TABLE if metric.kind is Kind.GAUGE}
