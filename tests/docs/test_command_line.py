"""Each command that a page tells a reader to type is there, and has a heading in the reference."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.command_line import command_line, commands
from tests.docs.pages import ROOT, pages

TYPED = re.compile(r"(?:^\$ |`)pratique ([a-z][a-z -]*[a-z])(.*)$", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)")
HEADING = re.compile(r"^## pratique (.+)$", re.MULTILINE)


def unknown(text: str) -> Iterator[str]:
    """Yield each command, and each option of one, that a page types and that we lack."""
    known = commands()
    for words, more in TYPED.findall(text):
        name = next((each for each in known if f"{words} ".startswith(f"{each} ")), None)
        if name is None:
            yield words.split(" -")[0]
            continue
        options = {option for each in known[name].params for option in each.opts}
        yield from (
            o for o in OPTION.findall(f"{words}{more.partition('`')[0]}") if o not in options
        )


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_tells_to_type_is_there(page: Path) -> None:
    """A command that was renamed is found where it is still told."""
    assert list(unknown(page.read_text(encoding="utf-8"))) == []


def test_every_command_and_option_is_in_the_reference() -> None:
    """Each command has a heading, each of its options a line with what it is for."""
    page = command_line()
    assert set(HEADING.findall(page)) == set(commands())
    for name, command in commands().items():
        part = page.split(f"## pratique {name}\n")[1].split("\n## ")[0]
        assert [
            each.name
            for each in command.params
            if each.opts[-1] not in part.lower() and each.name.upper() not in part
        ] == []


def test_a_command_that_is_not_there_is_found() -> None:
    """The rule bites, and its twins pass."""
    assert list(unknown("```console\n$ pratique guess --app x\n```")) == ["guess"]
    assert list(unknown("type `pratique lock --never`, then `pratique check --app main:app`")) == [
        "--never"
    ]
    assert list(unknown("`pratique issuer new-key --kid 1 --out a` and pratique itself")) == []
