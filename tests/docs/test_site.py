"""The documentation site builds without a warning, and loads nothing from elsewhere."""

import os
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

pytestmark = pytest.mark.skipif(find_spec("mkdocs") is None, reason="the extra `docs`: make check")
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
LEADS = frozenset({"canonical", "next", "prev"})


class Loaded(HTMLParser):
    """What a browser fetches because it shows a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in LOADS and found.get("rel") not in LEADS:
            self.urls.append(found.get(LOADS[tag]) or "")

    @property
    def elsewhere(self) -> list[str]:
        """Return what isn't in the site's own folder."""
        return [url for url in self.urls if "//" in url]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a site that was built strictly."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        # Never --quiet: what isn't logged isn't counted, and --strict then passes whatever it finds.
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return folder


def test_the_site_builds_with_every_link_in_place(site: Path) -> None:
    """A link to nowhere, or a page that no shelf leads to, is a warning and stops the build."""
    assert (site / "index.html").is_file()
    assert 'id="fetcher"' in (site / "reference/api/pratique.fetch.html").read_text("utf-8")


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    """Who reads about trust boundaries is not told to anybody by it."""
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(list((ROOT / "docs").rglob("*.md")))
    told = {page.name: Loaded(page.read_text(encoding="utf-8")).elsewhere for page in pages}
    assert {name: urls for name, urls in told.items() if urls} == {}


def test_what_a_page_loads_is_found() -> None:
    """The rule bites: a font or a script of others; a link that is followed by hand is none."""
    assert Loaded('<script src="https://cdn.example/x.js"></script>').elsewhere
    assert Loaded('<link rel="stylesheet" href="//fonts.example/x.css">').elsewhere
    assert not Loaded('<a href="https://example.com">x</a><script src="x.js"></script>').elsewhere
