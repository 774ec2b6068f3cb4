"""A page as Markdown, in which no name opens a tag, a link, a table or a mention."""

import re
from typing import Final

from .blocks import (
    Anchored,
    Block,
    Bullets,
    Cell,
    Heading,
    Link,
    Mark,
    Page,
    Part,
    Picture,
    Table,
    parts,
    visible,
)

_SPECIAL: Final = re.compile(r"[\\`*_{}\[\]<>|#~$^!]")
_LEADING: Final = re.compile(r"^(?:[-+=]|\d+(?=[.)]))")


def markdown_of(page: Page) -> str:
    """Return the page as Markdown; GitHub's tables, and anchors as HTML."""
    return "\n".join(text for block in page.blocks if (text := _block(block)))


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f'<a id="{block.anchor}"></a>\n\n{"#" * block.level} {_text(block.text)}\n'
    if isinstance(block, Bullets):
        return "".join(f"- {_cell(item)}\n" for item in block.items)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Picture):
        return ""  # what it shows stands in a table as well
    return f"{_text(block.text)}\n"


def _table(table: Table) -> str:
    lines = [
        f"*{_text(table.caption)}*\n",
        _line([_text(name) for name in table.header]),
        _line(["---"] * len(table.header)),
        *(_line([_cell(cell) for cell in row]) for row in table.rows),
    ]
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    return "<br>".join(_part(each) for each in parts(cell))


def _part(part: Part) -> str:
    if isinstance(part, Link):
        return f"[{_text(part.text)}](#{part.to})"
    if isinstance(part, Anchored):
        return f'<a id="{part.anchor}"></a>{_text(part.text)}'
    if isinstance(part, Mark):
        return f"**{_text(part.word)}**"
    return _text(part)


def _text(text: str) -> str:
    """Escape what Markdown reads, and what GitHub makes of a plain address or a name with "@"."""
    plain = visible(text).replace("&", "&amp;")
    plain = _SPECIAL.sub(lambda found: f"\\{found[0]}", plain)
    plain = _LEADING.sub(_leading, plain)
    return plain.replace("@", "&#64;").replace("://", "&#58;//").replace("www.", "www&#46;")


def _leading(found: re.Match[str]) -> str:
    text = found[0]
    return f"{text}\\" if text[0].isdigit() else f"\\{text}"
