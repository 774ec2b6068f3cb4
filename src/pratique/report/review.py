"""A change for its reviewer, as text, Markdown or SARIF."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from .difference import Change, Difference
from .sarif import sarif_of_change

FORMATS: Final = ("text", "md", "sarif")
_HEADINGS: Final = {
    Change.WEAKER: "Weaker",
    Change.STRONGER: "Stronger",
    Change.OTHER: "Other",
}


def rendered(found: Sequence[Difference], form: str, *, revision: str, file: str) -> str:
    """Return the differences for somebody who reads them.

    Args:
        found: In their order.
        form: One of `FORMATS`.
        revision: With which the lock was compared.
        file: Path of the lock in the repository.
    """
    if form == "sarif":
        return sarif_of_change(found, version=version("pratique"), file=file)
    if form == "text":
        return "\n".join(map(str, found)) or f"{file}: no change since {revision}"
    return "\n".join(_markdown(found, revision, file))


def _markdown(found: Sequence[Difference], revision: str, file: str) -> list[str]:
    lines = [f"## {_code(file)} since {_code(revision)}", ""]
    if not found:
        return [*lines, "No change."]
    for change, heading in _HEADINGS.items():
        told = [each for each in found if each.change is change]
        if told:
            lines += [f"### {heading} ({len(told)})", ""]
            lines += [f"* {_code(each.place)}: {_code(each.text)}" for each in told]
            lines.append("")
    return lines


def _code(text: str) -> str:
    """Return text as code of one line: what stands in it is nobody's Markdown or HTML."""
    plain = " ".join(text.split()).replace("`", "'")
    return f"`{plain}`"
