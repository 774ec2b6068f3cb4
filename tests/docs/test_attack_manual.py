"""The attack manual tells the truth: every attack of the catalogue, and tests that bear its id."""

import re
from typing import Any

import pytest

from scripts.attack_manual import PAGE, ROOT, SHELVES, attacks, bearers, borne, manual, row

ROW = re.compile(r"^\| ([A-Z]{2}-\d\d) \|.*$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
MEND = "run: python -m scripts.attack_manual"
OWASP = re.compile(r"API(?:10|[1-9]):2023")


def named(text: str) -> dict[str, list[str]]:
    """Return the tests that a page's rows name, by attack."""
    return {
        found.group(1): [f"{path}::{name}" for path, name in TEST.findall(found.group())]
        for found in ROW.finditer(text)
    }


def test_the_page_has_what_the_catalogue_has() -> None:
    """What is sent, what is owed, page, OWASP and CWE: word for word, and nothing else."""
    text = PAGE.read_text(encoding="utf-8")
    assert text == manual(attacks(), named(text)), MEND


def test_every_test_that_the_page_names_bears_the_id() -> None:
    """A test that was renamed or says no longer what it sends is no proof."""
    everywhere = bearers()
    wrong = [
        (attack, test)
        for attack, listed in named(PAGE.read_text(encoding="utf-8")).items()
        for test in listed
        if test not in everywhere.get(attack, ())
    ]
    assert wrong == [], MEND


def test_an_attack_without_a_test_says_why() -> None:
    """Where a test is there now, the page names it."""
    everywhere = bearers()
    untested = {attack for attack, facts in attacks().items() if "untested" in facts}
    assert untested == set(attacks()) - set(everywhere)
    shown = named(PAGE.read_text(encoding="utf-8"))
    assert {attack for attack, listed in shown.items() if not listed} == untested, MEND


@pytest.mark.parametrize(("attack", "facts"), attacks().items(), ids=list(attacks()))
def test_an_attack_is_whole(attack: str, facts: dict[str, Any]) -> None:
    """Each has a boundary that we have, a page that exists, and ids with their year."""
    assert facts["boundary"] in SHELVES
    assert facts["page"] == "" or (ROOT / f"docs/explanation/attacks/{facts['page']}.md").is_file()
    assert facts["owasp"]
    assert all(OWASP.fullmatch(each) for each in facts["owasp"])
    assert isinstance(facts["cwe"], int)
    assert facts["oracle"]


def test_a_test_bears_an_id_in_its_docstring_alone() -> None:
    """The rules bite: a comment, or a function that is no test, bears nothing."""
    source = 'def test_a():\n    """FT-02, UP-13: both."""\n# FT-03\ndef a():\n    """FT-04."""\n'
    assert list(borne(source)) == [("FT-02", "test_a"), ("UP-13", "test_a")]
    facts = attacks()["WH-14"]
    assert named(row("WH-14", facts, {"WH-14": ["tests/a.py::test_b"]}) + "\n") == {
        "WH-14": ["tests/a.py::test_b"]
    }
