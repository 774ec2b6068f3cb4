"""`pratique sweep` lets go of what is over in the store of a perimeter, and says how much."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pratique import stores
from pratique.cli.commands import app
from pratique.core.key import ATTEMPTS, prefixed

MODULE = """
import sqlite3
from pratique import Perimeter, stores
one = Perimeter(store=stores.sqlite("kept.db"))
other = Perimeter(store=stores.sqlite3(lambda: sqlite3.connect("kept.db")))
down = Perimeter(store=stores.sqlite("/nowhere/kept.db"))
none = Perimeter()
"""


def run(*arguments: str) -> Any:
    """Run the command."""
    return CliRunner().invoke(app, ["sweep", *arguments])


@pytest.mark.parametrize("name", ["one", "other"])
def test_says_how_many_keys_went(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A counter whose window is over goes, a running one stays; without a store, or with one that is down, it exits with an error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = f"swept_{name}"
    (tmp_path / f"{module}.py").write_text(MODULE, encoding="utf-8")
    store = stores.sqlite(tmp_path / "kept.db")
    store.start()
    store.count(prefixed(ATTEMPTS, b"over"), timedelta(0))
    store.count(prefixed(ATTEMPTS, b"runs"), timedelta(hours=1))
    store.close()
    told = run(f"{module}:{name}")
    assert (told.exit_code, told.output) == (0, "1 key or content was deleted\n")
    assert run(f"{module}:{name}").output == "0 keys and contents were deleted\n"
    assert run(f"{module}:none").exit_code == 2
    assert run(f"{module}:down").exit_code == 1
