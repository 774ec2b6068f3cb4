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
TEST_FILE = re.compile(r"`(tests/[\w/]+\.py)`")
TEST = re.compile(r"`(test_\w+)`")
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


def misplaced_tests(text: str) -> Iterator[str]:
    """Yield each test that a page names and that is in no file of tests that it names."""
    files = [ROOT / found for found in TEST_FILE.findall(text)]
    there = "".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
    for name in TEST.findall(text):
        if f"def {name}(" not in there:
            yield name


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


@pytest.mark.parametrize(
    "page",
    [page for page in pages() if page.parent != ROOT],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_a_test_is_where_a_page_says(page: Path) -> None:
    """Who wants to see the proof finds it in one of the files that the page names."""
    assert list(misplaced_tests(page.read_text(encoding="utf-8"))) == []


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
    proven = "`test_a_test_is_where_a_page_says`, `test_nowhere` in `tests/docs/test_paths.py`"
    assert list(misplaced_tests(proven)) == ["test_nowhere"]
    assert list(missing_targets("`make fun` and `make test`; we make things")) == ["make fun"]
