"""Mistakes that a type checker must see: mypy strict and pyright, each file on its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MISTAKES = sorted((HERE / "mistakes").glob("*.py"))
RIGHT = [
    HERE / "payment_types.py",
    HERE / "action_types.py",
    HERE / "forwarded_types.py",
]
basedpyright = pytest.importorskip("basedpyright", reason="comes with the extra `check`")


def test_there_are_ten_mistakes() -> None:
    """An empty folder must not pass."""
    assert len(MISTAKES) == 10


def test_mypy_admits_the_right_forms_and_sees_each_mistake() -> None:
    """The twins: tests/typing/payment_types.py and action_types.py have no error."""
    files = [*map(str, RIGHT), *map(str, MISTAKES)]
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    wrong = {
        Path(line.split(":")[0]).stem for line in ran.stdout.splitlines() if ": error:" in line
    }
    assert wrong == {path.stem for path in MISTAKES}


def test_pyright_admits_the_right_forms_and_sees_each_mistake(tmp_path: Path) -> None:
    """The same by pyright."""
    config = tmp_path / "pyrightconfig.json"
    config.write_text(
        json.dumps(
            {
                "include": [str(HERE)],
                "extraPaths": [str(ROOT / "src"), str(ROOT)],
                "typeCheckingMode": "standard",
                "pythonVersion": "3.11",
            }
        )
    )
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "basedpyright",
            "--outputjson",
            "-p",
            str(config),
            "--pythonpath",
            sys.executable,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(ran.stdout)["generalDiagnostics"]
    wrong = {Path(entry["file"]).stem for entry in found if entry["severity"] == "error"}
    assert wrong == {path.stem for path in MISTAKES}
