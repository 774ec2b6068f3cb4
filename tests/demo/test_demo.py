"""The demonstration ends by itself, and its exit code says whether the guarded APIs held."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pratique.demo import run
from pratique.demo.table import Row, Scenario

TOTAL = re.compile(
    r"^(\w+): (\d+) of (\d+) attacks succeeded, (\d+) honest deliveries wrong$", re.MULTILINE
)
LEAST = {
    "Payment webhook": 39,
    "Image fetch": 31,
    "A partner's risk score": 29,
    "Orders service": 35,
    "Gateway passes X-Forwarded-For": 29,
}
"""How many attacks each scenario sends, at the least."""


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_guarded_apis_hold_where_their_twins_do_not(tmp_path: Path) -> None:
    """Every attack is stopped and everything honest goes through; the twins show that the attacks are real."""
    ran = subprocess.run(
        [sys.executable, "-m", "pratique", "demo"],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "guarded     TRICKED" not in ran.stdout
    end = ran.stdout[ran.stdout.rindex("Payment webhook") :]
    for title, least in LEAST.items():
        totals = {
            kind: (int(tricked), int(sent), int(wrong))
            for kind, tricked, sent, wrong in TOTAL.findall(end[end.index(title) :])[:3]
        }
        assert list(totals) == ["vulnerable", "safer", "guarded"]
        assert totals["guarded"][0] == totals["guarded"][2] == 0
        assert totals["guarded"][1] >= least
        assert totals["vulnerable"][0] > totals["safer"][0] >= 10, title
    for boundary in ("payments", "previews", "risk", "orders", "edge"):
        assert f'declarations of the boundary "{boundary}"' in ran.stdout
        assert f'Blast radius of "{boundary}"' in ran.stdout
    assert "If the endpoint secret leaks" in ran.stdout
    assert "Nothing left the loopback interface" in ran.stdout
    (report,) = tmp_path.glob("pratique-demo-*/report.html")
    assert str(report) in ran.stdout
    told = report.read_text(encoding="utf-8")
    for boundary in ("payments", "previews", "risk", "shop", "orders", "edge"):
        assert boundary in told


def scenario(*guarded: bool | None, id: str = "FT-01") -> Scenario:
    """Return a scenario whose guarded API did that."""
    rows = [Row(id, "an attack", [False, True, sound]) for sound in guarded]
    return Scenario("A scenario", rows, [], {}, lambda: None)


@pytest.mark.parametrize("guarded", [(False,), (True, False), (None,), ()])
@pytest.mark.parametrize("id", ["FT-01", "H-1"])
def test_one_row_decides_the_exit_code(guarded: tuple[bool | None, ...], id: str) -> None:
    """One attack that succeeds, one honest delivery that is lost, one not asked, no row at all: not held."""
    assert not scenario(*guarded, id=id).has_held


@pytest.mark.parametrize("id", ["FT-01", "H-1"])
def test_a_sound_guarded_api_has_held(id: str) -> None:
    """The twin: every row is sound, whatever the other two APIs did."""
    assert scenario(True, True, id=id).has_held


def test_a_system_without_the_clients_addresses_plays_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where loopback has one address the gateway's clients can't be told apart: left out, and said."""
    monkeypatch.setattr(run, "has_addresses", lambda: True)
    assert run.playable() == list(run.SCENARIOS)
    monkeypatch.setattr(run, "has_addresses", lambda: False)
    assert run.playable() == [play for play in run.SCENARIOS if play is not run.gateway]
    assert "isn't played" in capsys.readouterr().out
