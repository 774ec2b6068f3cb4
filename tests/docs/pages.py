"""The pages of the documentation, for the tests that read them."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def pages() -> list[Path]:
    """Return every page: the ones at the root, those under docs, and what examples say."""
    folders = (ROOT / "docs", ROOT / "examples")
    return [
        *sorted(ROOT.glob("*.md")),
        *(page for folder in folders for page in sorted(folder.rglob("*.md"))),
    ]


def runnable_pages() -> list[Path]:
    """Return the pages whose Python blocks a reader would copy and run."""
    shelves = [ROOT / "docs" / "tutorial", ROOT / "docs" / "how-to"]
    found = [page for shelf in shelves for page in sorted(shelf.rglob("*.md"))]
    return [*sorted(ROOT.glob("README.md")), *found]
