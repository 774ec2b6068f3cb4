"""What a page is made of, before it is HTML or Markdown: headings, sentences, lists, tables."""

import re
from dataclasses import dataclass
from typing import Final

invisible: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_SPACE: Final = re.compile(r"[\t\n ]+")


def visible(text: str) -> str:
    r"""Return a text in one line, with what controls a terminal or a direction made visible.

    >>> visible("a\x1b[31mred")
    'a\\u001b[31mred'

    Attack: a name that repaints the reviewer's terminal, or reads otherwise than it is
    (CWE-150, CWE-1007).
    """
    return invisible.sub(lambda found: escaped(found[0]), _SPACE.sub(" ", text)).strip()


def escaped(character: str) -> str:
    r"""Return "\u001b" for the character itself, in JSON's way."""
    code = ord(character)
    if code < 1 << 16:
        return f"\\u{code:04x}"
    code -= 1 << 16
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads to an anchor of the same page."""

    text: str
    to: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One word of few that a reader looks for: "declared", "not covered".

    Args:
        is_calm: Nobody need mind it: what isn't owed isn't covered, and that is all right.
    """

    word: str
    is_calm: bool = False


@dataclass(frozen=True, slots=True)
class Anchored:
    """A text to which links lead."""

    text: str
    anchor: str


Part = str | Link | Mark | Anchored
Cell = Part | tuple[Part, ...]
"""Several parts stand below each other."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading.

    Args:
        level: 1 to 4.
        anchor: Of ours, never made from a name.
    """

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list."""

    items: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of each row is its heading.

    Args:
        caption: Unique on the page.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing, as SVG that escapes its own texts; what it shows stands in a table as well."""

    svg: str


def without_empty_columns(table: Table) -> Table:
    """Return the table without the columns that say "-" in every row."""
    kept = [
        index
        for index in range(len(table.header))
        if any(row[index] != "-" for row in table.rows) or index == 0
    ]
    return Table(
        table.caption,
        tuple(table.header[index] for index in kept),
        tuple(tuple(row[index] for index in kept) for row in table.rows),
    )


Block = Heading | Sentence | Bullets | Table | Picture


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its title, and what stands on it."""

    title: str
    blocks: tuple[Block, ...]


def parts(cell: Cell) -> tuple[Part, ...]:
    """Return the parts of a cell."""
    return cell if isinstance(cell, tuple) else (cell,)
