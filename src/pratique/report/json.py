"""The report as JSON: all of it, for programs."""

import msgspec

from .blocks import escaped, invisible
from .report import Report


def json_of(report: Report) -> str:
    """Return the report as JSON, in the order in which its types have their fields."""
    return shown(msgspec.json.encode(report))


def shown(content: bytes) -> str:
    """Return JSON for a reader: indented, and what controls a terminal or a direction escaped."""
    text = msgspec.json.format(content, indent=2).decode()
    lines = (invisible.sub(lambda found: escaped(found[0]), line) for line in text.split("\n"))
    return "\n".join(lines) + "\n"
