"""What an operator sets without code: it narrows or adds a record, and a typo stops the start."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique import Perimeter, Refused, unsafe
from pratique.core.refusal import BoundaryError
from pratique.settings import SETTINGS, TABLES, configure
from tests.shop import NOW, claim, plain_sqlite3

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "settings.md"


def perimeter_of(tmp_path: Path, **more: Any) -> Perimeter:
    """Return a perimeter whose boundary "payments" observes until December 20th."""
    shop = plain_sqlite3(tmp_path / "shop.db", **more)
    shop.payments.observe = unsafe.observe(until=date(2026, 12, 20), reason="old", owner="team")
    return shop.perimeter


def settings(tmp_path: Path, text: str, name: str = "pratique.toml") -> Path:
    """Return a file of settings."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def end_of(perimeter: Perimeter) -> date:
    """Return until when "payments" observes."""
    (boundary,) = perimeter.boundaries
    assert boundary.observe is not None
    return boundary.observe.until


def test_a_file_narrows_and_the_environment_has_the_last_word(tmp_path: Path) -> None:
    """Of two ends the variable's; what only the file says stands."""
    perimeter = perimeter_of(tmp_path)
    path = settings(tmp_path, "deadline = 4\n[observe]\npayments = 2026-12-10\n[fetch.previews]\n")
    configure(perimeter, path, environment={"PRATIQUE_OBSERVE": "payments=2026-12-05"})
    assert end_of(perimeter) == date(2026, 12, 5)
    with pytest.raises(BoundaryError, match="at most 4"):
        perimeter.narrow(deadline=timedelta(seconds=5))
    perimeter.narrow(deadline=timedelta(seconds=3))


def test_a_pyproject_has_a_table_of_ours(tmp_path: Path) -> None:
    """[tool.pratique]; without it the file says nothing of us, which is no "unset"."""
    perimeter = perimeter_of(tmp_path)
    text = "[tool.pratique.observe]\npayments = 2026-12-10\n"
    configure(perimeter, settings(tmp_path, text, "pyproject.toml"), environment={})
    assert end_of(perimeter) == date(2026, 12, 10)
    with pytest.raises(BoundaryError, match=r"no table \[tool.pratique\]"):
        configure(perimeter, settings(tmp_path, "", "pyproject.toml"), environment={})


def test_every_record_goes_into_the_file_too(tmp_path: Path) -> None:
    """A sink is added; what the code names is kept."""
    perimeter = perimeter_of(tmp_path)
    configure(perimeter, environment={"PRATIQUE_EVENTS": str(tmp_path / "events.jsonl")})
    (boundary,) = perimeter.boundaries
    with perimeter, pytest.raises(Refused):
        perimeter.admit(boundary, claim(at=NOW))
    assert '"would_admit"' in (tmp_path / "events.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dedline = 4", "There is: deadline"),
        ("deadline = 11", "at most 10"),
        ("deadline = 0", "above zero"),
        ("deadline = true", "above zero"),
        ("deadline = nan", "no number of seconds"),
        ('deadline = ""', "no number of seconds"),
        ('events = ""', "names no file"),
        ('events = "/no/such/folder/events.jsonl"', "folder"),
        ("observe = {}", "names no boundary"),
        ("[observe]\npayment = 2026-12-10", "There is: payments"),
        ("[observe]\npayments = 2026-12-21", "earlier, never later"),
        ('[observe]\npayments = ""', "is no day"),
        ("[observe]\npayments = 2026-12-10T00:00:00Z", "is no day"),
    ],
)
def test_what_is_no_setting_is_said(tmp_path: Path, text: str, said: str) -> None:
    """A typo, an empty word, another type, a wider bound; the twin is taken."""
    perimeter = perimeter_of(tmp_path)
    with pytest.raises(BoundaryError, match=said):
        configure(perimeter, settings(tmp_path, text), environment={})
    configure(perimeter, settings(tmp_path, "deadline = 10"), environment={})


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PRATIQUE_DEADLIN": "4"}, "There is: deadline"),
        ({"PRATIQUE_DEADLINE": " "}, "set and empty"),
        ({"PRATIQUE_DEADLINE": "soon"}, "no number of seconds"),
        ({"PRATIQUE_OBSERVE": "payments"}, "is no day"),
        ({"PRATIQUE_FETCH": "x"}, "has no 'fetch'"),
    ],
)
def test_a_variable_that_is_no_setting_is_said(
    tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    """The break-glass is read at the start; another program's variables are none of ours."""
    perimeter = perimeter_of(tmp_path)
    with pytest.raises(BoundaryError, match=said):
        configure(perimeter, environment=variables)
    configure(perimeter, environment={"PRATIQUE_BREAK_GLASS": "later", "DEADLINE": "x"})


def test_after_the_start_it_is_too_late(tmp_path: Path) -> None:
    """Half of the requests would have crossed by other bounds."""
    perimeter = perimeter_of(tmp_path)
    with perimeter, pytest.raises(BoundaryError, match="after the start"):
        configure(perimeter, environment={})


def test_every_setting_has_a_heading() -> None:
    """An operator finds each word, and no word that is gone."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    headings = [line.removeprefix("### ") for line in lines if line.startswith("### ")]
    assert headings == sorted([*SETTINGS, *TABLES, "PRATIQUE_BREAK_GLASS"], key=str.lower)
