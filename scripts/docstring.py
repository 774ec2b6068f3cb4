"""Turn a docstring with Google's sections into Markdown."""

import re
from collections.abc import Iterator
from typing import Final

_SECTION: Final = re.compile(r"^(Args|Attributes|Raises|Returns|Yields|Example|Examples):$")
_ITEM: Final = re.compile(r"^([\w.*, ]+?)(?: \([^)]*\))?: (.*)$")
_SPAN: Final = re.compile(r"(`[^`\n]*`)")


def as_markdown(docstring: str) -> str:
    """Return a docstring as Markdown: sections as lists, examples as code.

    Args:
        docstring: As `inspect.getdoc` returns it, without its indentation.
    """
    lines: list[str] = []
    is_literal = False  # what stands below "::" is another language's
    for paragraph in re.split(r"\n{2,}", docstring):
        told = paragraph.removesuffix("::") + ":" * paragraph.endswith("::")
        lines += [*_paragraph(told.split("\n"), language="text" if is_literal else "python"), ""]
        is_literal = paragraph.endswith("::")
    return "\n".join(lines).rstrip()


def _paragraph(lines: list[str], *, language: str) -> Iterator[str]:
    if lines[0].startswith(">>> ") or all(line.startswith("    ") for line in lines):
        yield from (f"```{language}", *(line.removeprefix("    ") for line in lines), "```")
        return
    for position, line in enumerate(lines):
        found = _SECTION.match(line)
        if found:
            yield f"**{found.group(1)}**"
            yield ""
            yield from _items([each.removeprefix("    ") for each in lines[position + 1 :]])
            return
        yield _escaped(line)


def _items(lines: list[str]) -> Iterator[str]:
    for line in lines:
        found = _ITEM.match(line)
        if line.startswith(" "):
            yield f"    {_escaped(line.strip())}"
        elif found:
            yield f"* `{found.group(1)}`: {_escaped(found.group(2))}"
        else:
            yield f"* {_escaped(line)}"


def _escaped(line: str) -> str:
    """Return a line of prose in which no bracket begins HTML or a link."""
    parts = _SPAN.split(line)
    parts[::2] = [
        part.replace("<", "&lt;").replace("[", "\\[").replace("__", "\\_\\_") for part in parts[::2]
    ]
    return "".join(parts)
