"""Each refusal code has a heading in the reference, and each heading there a code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "refusals.md"
HEADING = re.compile(r"^### (.+)$", re.MULTILINE)


def codes(text: str) -> Iterator[str]:
    """Yield each literal that a source text passes as `code=`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.keyword) and node.arg == "code":
            yield from _literals(node.value)


def _literals(value: ast.expr) -> Iterator[str]:
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
            yield node.value


def sources() -> list[str]:
    """Return the text of every module."""
    return [path.read_text(encoding="utf-8") for path in sorted((ROOT / "src").rglob("*.py"))]


def headings() -> list[str]:
    """Return the headings of the page of refusals."""
    return HEADING.findall(PAGE.read_text(encoding="utf-8"))


def test_every_refusal_code_has_a_heading() -> None:
    """An operator who reads a code finds what it means and what to do."""
    assert {code for text in sources() for code in codes(text)} - set(headings()) == set()


def test_every_heading_is_a_code() -> None:
    """A code that is gone from the source is gone from here; the order is the alphabet's."""
    everything = "\n".join(sources())
    assert [name for name in headings() if f'"{name}"' not in everything] == []
    assert headings() == sorted(headings())


def test_a_code_is_found_wherever_it_stands() -> None:
    """The rule sees a plain code and a choice between two."""
    assert list(codes('Refused(FRESH, "x", code="stale")')) == ["stale"]
    assert list(codes('Refused(FRESH, "x", code="stale" if late else "early")')) == [
        "stale",
        "early",
    ]
