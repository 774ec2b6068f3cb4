"""A worker killed between its proofs and its commit: another one does it after the lease, once."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pratique import Refused
from pratique.core.inbox import State
from tests.faults import inbox_run
from tests.faults.inbox_victim import Victim
from tests.shop import claim

ROOT = Path(__file__).parents[2]
URLS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)]


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("pg_url"))
    return f"sqlite:///{tmp_path}/shop.db"


def killed(url: str, place: str) -> int:
    """Let a worker die there; return its status."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.inbox_victim", url, place],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        check=False,
    )
    return done.returncode


@pytest.mark.faults
def test_a_worker_killed_on_its_way_to_the_commit_loses_and_doubles_nothing(url: str) -> None:
    """SIGKILL after confirm was asked, then with the effect done and not committed."""
    shop = Victim(url)
    shop.rows("CREATE TABLE invoice (id VARCHAR(20) PRIMARY KEY, effects INT)")
    shop.rows("INSERT INTO invoice VALUES ('in_1', 0)")
    with shop.perimeter:
        now = datetime.now(UTC)
        with pytest.raises(Refused, match="kept for a worker"):
            shop.perimeter.admit(shop.payments, claim(at=now))
        for attempts, place in enumerate(("confirm", "effect"), 1):
            assert killed(url, place) == -9
            (row,) = shop.payments.sync_inbox().listed()
            assert (row.state, row.attempts) == (State.TAKEN, attempts)
            assert shop.rows("SELECT effects FROM invoice") == [(0,)]
            assert shop.payments.worker().drain() == 0  # its lease runs
            shop.rows("UPDATE pratique_inbox SET due_ms = 0")
        assert shop.payments.worker().drain() == 1
        assert shop.rows("SELECT effects FROM invoice") == [(1,)]
        (row,) = shop.payments.sync_inbox().listed()
        assert row.state is State.DONE
    shop.engine.dispose()


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_as_many_effects_as_events_with_a_worker_killed_every_two_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run of `python -m tests.faults.inbox_run`, small: two workers of the store's own."""
    for name in ("PRATIQUE_TEST_URL", "PRATIQUE_TEST_QUEUE", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    assert inbox_run.run(events=400, queue="own", kind="sqlite", seconds=120) == 0
    assert " 0 kills" not in capsys.readouterr().out
