"""Each path, link and command that a page names exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, pages

TOP = "src|tests|docs|examples|benchmarks|scripts|\\.ci"
PATH = re.compile(
    rf"`((?:{TOP})/[\w./*{{}},-]*|[\w-]+\.(?:md|toml)|constraints\.txt|Makefile|LICENSE)(?::\w+)*`"
)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"\bmake ([a-z]+)\b")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def missing_paths(text: str) -> Iterator[str]:
    """Yield each path in backticks that isn't there. `*` and `{a,b}` stand for several."""
    for found in PATH.finditer(text):
        for path in _spread(found.group(1)):
            if not any(ROOT.glob(path.rstrip("/"))):
                yield path


def missing_links(page: Path, text: str) -> Iterator[str]:
    """Yield each relative link whose target is not there."""
    for found in LINK.finditer(text):
        if not (page.parent / found.group(1)).exists():
            yield found.group(1)


def missing_targets(text: str) -> Iterator[str]:
    """Yield each `make …` in code whose target the Makefile lacks."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for code in CODE.findall(text):
        for target in COMMAND.findall(code):
            if not re.search(rf"^{target}:", makefile, re.MULTILINE):
                yield f"make {target}"


def _spread(path: str) -> Iterator[str]:
    found = re.search(r"\{([^{}]*)\}", path)
    if found is None:
        yield path
        return
    for part in found.group(1).split(","):
        yield from _spread(path[: found.start()] + part.strip() + path[found.end() :])


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path) -> None:
    """No page names a file that has moved, links to nowhere or types a command that we lack."""
    text = page.read_text(encoding="utf-8")
    missing = [*missing_paths(text), *missing_links(page, text), *missing_targets(text)]
    assert missing == []


def test_what_is_missing_is_found() -> None:
    """The rule bites, and its twins pass."""
    page = ROOT / "README.md"
    assert list(missing_paths("`src/pratique/nowhere.py` and `tests/{docs,nowhere}/`")) == [
        "src/pratique/nowhere.py",
        "tests/nowhere/",
    ]
    assert list(missing_paths("`tests/docs/test_*.py`, `Makefile`, `pyproject.toml`")) == []
    assert list(missing_links(page, "[a](nowhere.md) [b](LICENSE) [c](https://example.com)")) == [
        "nowhere.md"
    ]
    assert list(missing_targets("`make fun` and `make test`; we make things")) == ["make fun"]
