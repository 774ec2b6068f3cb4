"""The folder of senders: found by name, never empty, never two of one name."""

import sys
from pathlib import Path

import pytest

from pratique.core.refusal import BoundaryError
from pratique.webhook import catalogue, providers

ONE = (
    "from dataclasses import replace\n"
    "from pratique.webhook.providers.github import SCHEME as GITHUB\n"
    'SCHEME = replace(GITHUB, name="{name}", _memo={{}})\n'
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder of senders that can be imported, apart from the real ones."""
    monkeypatch.setattr(catalogue, "_schemes", {})
    monkeypatch.syspath_prepend(tmp_path)
    made = tmp_path / f"senders_{tmp_path.name}"
    made.mkdir()
    (made / "__init__.py").write_text("")
    return made


def load(folder: Path) -> None:
    """Load it as the face does."""
    __import__(folder.name)
    assert folder.name in sys.modules
    catalogue.load(folder.name)


def test_a_folder_without_a_sender_stops_the_start(folder: Path) -> None:
    """Law 6."""
    with pytest.raises(BoundaryError, match="empty"):
        load(folder)


def test_two_files_of_one_name_stop_the_start(folder: Path) -> None:
    """The second would silently take the place of the first; two names are two senders."""
    (folder / "a.py").write_text(ONE.format(name="one"))
    (folder / "b.py").write_text(ONE.format(name="one"))
    with pytest.raises(BoundaryError, match="one"):
        load(folder)
    for loaded in ("a", "b"):
        sys.modules.pop(f"{folder.name}.{loaded}", None)
    catalogue._schemes.clear()
    (folder / "b.py").write_text(ONE.format(name="other"))
    load(folder)
    assert {"one", "other"} <= set(catalogue.names())


def test_a_file_that_does_not_import_stops_the_start(folder: Path) -> None:
    """A sender that is missing must not look like one that was never declared."""
    (folder / "broken.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(ImportError):
        load(folder)


def test_near_names_are_listed() -> None:
    """For a typing error, in get and as an attribute."""
    with pytest.raises(LookupError, match="stripe"):
        providers.get("Strpe")
    with pytest.raises(AttributeError, match="stripe"):
        providers.strpe  # noqa: B018
    assert providers.get("Stripe") is providers.stripe
