"""A page as one HTML file: no script, no other file, nothing that a name could open."""

from functools import cache
from html import escape
from importlib.resources import files
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

_SCROLL: Final = '<div class="scroll" role="region" tabindex="0" aria-label="'
"""A wide table scrolls by itself, by keyboard too: WCAG 2.2, 1.4.10 and 2.1.1."""
_CHAPTER: Final = 2
"""The level of the headings that the contents name."""
_HEAD: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
"""


def html_of(page: Page) -> str:
    """Return the page as HTML."""
    contents = "".join(
        f'<li><a href="#{block.anchor}">{_text(block.text)}</a></li>\n'
        for block in page.blocks
        if isinstance(block, Heading) and block.level == _CHAPTER
    )
    return (
        f"{_HEAD}<title>{_text(page.title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the report</a>\n'
        f'<nav aria-label="Contents">\n<ul>\n{contents}</ul>\n</nav>\n'
        f'<main id="main">\n{"".join(map(_block, page.blocks))}</main>\n</body>\n</html>\n'
    )


@cache
def _style() -> str:
    return files("pratique.report").joinpath("page.css").read_text(encoding="utf-8")


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f'<h{block.level} id="{block.anchor}">{_text(block.text)}</h{block.level}>\n'
    if isinstance(block, Bullets):
        items = "".join(f"<li>{_cell(item)}</li>\n" for item in block.items)
        return f"<ul>\n{items}</ul>\n"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Picture):
        return f'{_SCROLL}Boundary map, drawn">\n{block.svg}</div>\n'
    return f"<p>{_text(block.text)}</p>\n"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in table.header)
    rows = "".join(
        f'<tr><th scope="row">{_cell(row[0])}</th>'
        f"{''.join(f'<td>{_cell(cell)}</td>' for cell in row[1:])}</tr>\n"
        for row in table.rows
    )
    caption = _text(table.caption)
    return (
        f'{_SCROLL}{caption}">\n<table>\n<caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )


def _cell(cell: Cell) -> str:
    found = parts(cell)
    if len(found) == 1:
        return _part(found[0])
    return "".join(f"<div>{_part(each)}</div>" for each in found)


def _part(part: Part) -> str:
    if isinstance(part, Link):
        return f'<a href="#{part.to}">{_text(part.text)}</a>'
    if isinstance(part, Anchored):
        return f'<span id="{part.anchor}">{_text(part.text)}</span>'
    if isinstance(part, Mark):
        tone = "calm" if part.is_calm else part.word.partition(" ")[0]
        return f'<span class="mark {tone}">{_text(part.word)}</span>'
    return _text(part)


def _text(text: str) -> str:
    return escape(visible(text), quote=True)
