"""`pratique warnings` lists what isn't proven and ends soon, and a glass that can't be broken."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pratique.cli.commands import app

MODULE = """
from datetime import UTC, datetime, timedelta
from pratique import Perimeter, unsafe
from pratique.forwarded import Forwarded, ProxyPolicy
until = datetime.now(UTC).date() + timedelta(days=7)
perimeter = Perimeter()
perimeter.declare(Forwarded("edge", ProxyPolicy(hosts=("api.example",)),
    observe=unsafe.observe(until=until, reason="new", owner="ops")))
"""


def test_lists_what_ends_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence each; a bad break-glass is said too, and fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "warned.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.delenv("PRATIQUE_BREAK_GLASS", raising=False)
    told = CliRunner().invoke(app, ["warnings", "warned"])
    assert told.exit_code == 0
    assert told.output.startswith('Boundary "edge" only observes until ')
    monkeypatch.setenv("PRATIQUE_BREAK_GLASS", "edge:valid:INC-1:2026-01-01T00:00:00+00:00")
    told = CliRunner().invoke(app, ["warnings", "warned"])
    assert told.exit_code == 1
    assert "can't go without valid" in told.output
