"""Each public name has a heading in the reference that `make docs` writes from docstrings."""

import ast
import importlib
import re
import types
from collections.abc import Iterator

import pytest

from scripts.docstring import as_markdown
from scripts.reference import PAGES, names_of, page_of
from tests.architecture.source import modules
from tests.django_site import configure
from tests.docs.pages import runnable_pages

HEADING = re.compile(r"^## (\S+)$", re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
WITHOUT_PAGE = ("demo", "migrations")
"""What nobody imports: the demonstration, and what Django numbers."""


@pytest.fixture(autouse=True, scope="module")
def django() -> None:
    """Let Django's own doors be imported."""
    configure()


def faces() -> Iterator[str]:
    """Yield each package that shows names in `__all__`."""
    for module in modules():
        if module.is_face and not set(module.name.split("/")) & set(WITHOUT_PAGE):
            name = f"pratique/{module.name}".removesuffix("/__init__.py").replace("/", ".")
            if getattr(importlib.import_module(name), "__all__", ()):
                yield name


def imported(text: str) -> Iterator[tuple[str, str]]:
    """Yield module and name of each import from us in a page's Python blocks."""
    for block in BLOCK.findall(text):
        try:
            tree = ast.parse(block)
        except SyntaxError:  # a page may show a part of a function; it isn't run
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pratique"):
                yield from ((str(node.module), alias.name) for alias in node.names)


def has_heading(module: str, name: str) -> bool:
    """Say whether the page of a module has a heading for a name, or the name has a page."""
    if f"{module}.{name}" in PAGES:
        return True
    return module in PAGES and name in HEADING.findall(page_of(module))


def test_every_face_has_a_page() -> None:
    """A new room is looked up where the others are."""
    assert [name for name in faces() if name not in PAGES] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_public_name_has_a_heading(name: str) -> None:
    """Each name of `__all__`, and nothing twice; the twin is that the page says something of it."""
    shown = HEADING.findall(page_of(name))
    assert set(names_of(importlib.import_module(name))) - set(shown) == set()
    assert len(shown) == len(set(shown))


def test_every_name_that_a_page_imports_has_a_heading() -> None:
    """Who copies a block finds each of its names in the reference."""
    told = {
        found for page in runnable_pages() for found in imported(page.read_text(encoding="utf-8"))
    }
    assert [
        f"{module}.{name}" for module, name in sorted(told) if not has_heading(module, name)
    ] == []


def test_a_name_without_a_heading_is_found() -> None:
    """The rules bite, and their twins pass."""
    page = "```python\nfrom pratique.fetch import Fetcher, Nothing\nimport os\n```\n"
    assert list(imported(page)) == [("pratique.fetch", "Fetcher"), ("pratique.fetch", "Nothing")]
    assert has_heading("pratique.fetch", "Fetcher")
    assert has_heading("pratique", "stores")
    assert not has_heading("pratique.fetch", "Nothing")
    module = types.ModuleType("planted")
    module.shown, module._hidden = names_of, names_of  # type: ignore[attr-defined]
    assert names_of(module) == []
    module.__all__ = ["shown"]  # type: ignore[attr-defined]
    assert names_of(module) == ["shown"]


def test_a_docstrings_sections_are_lists() -> None:
    """Google's sections become lists, and no bracket of a text becomes HTML."""
    text = "Ask <it>.\n\nArgs:\n    url: Of `<a>`,\n        whole.\n\nRaises:\n    Refused: VALID."
    assert as_markdown(text) == (
        "Ask &lt;it>.\n\n**Args**\n\n* `url`: Of `<a>`,\n    whole.\n\n**Raises**\n\n* `Refused`: VALID."
    )
