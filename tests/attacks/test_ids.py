"""Every attack of these rooms has a test that bears its id."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
NUMBERS = {
    "FT": range(1, 23),
    "UP": range(1, 14),
    "SV": [n for n in range(1, 28) if n != 15],  # 15 comes with what may be done once
    "PX": range(1, 13),
    "CL": [*range(1, 11), 15, 16],
}
IDS = [f"{kind}-{n:02}" for kind, numbers in NUMBERS.items() for n in numbers]
ROOMS = ("attacks", "fetch", "partner", "client", "service", "keys")


def named_in(source: str) -> set[str]:
    """Return the ids that the docstrings of tests name, one by one."""
    return {
        found
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        for found in re.findall(r"(?:FT|UP|SV|PX|CL)-\d\d", ast.get_docstring(node) or "")
    }


def test_every_attack_has_its_test() -> None:
    """An id that nobody tests is a hole that nobody sees."""
    found: set[str] = set()
    for folder in ROOMS:
        for path in (TESTS / folder).glob("test_*.py"):
            found |= named_in(path.read_text(encoding="utf-8"))
    assert sorted(set(IDS) - found) == []


def test_an_id_counts_where_a_test_bears_it() -> None:
    """The rule bites: a comment, or a function that is no test, bears nothing."""
    assert named_in('def test_a():\n    """FT-02, UP-13: both."""\n') == {"FT-02", "UP-13"}
    assert named_in('# FT-02\ndef a():\n    """FT-02."""\n') == set()
