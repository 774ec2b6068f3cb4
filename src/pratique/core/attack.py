"""What an attack on a door is, as data: an honest request, and what is sent instead of it."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from .obligation import Obligation

Lines = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it is sent.

    Args:
        method: "POST".
        target: Path and query.
        content: The bytes.
        fields: Every field line.
    """

    method: str
    target: str
    content: bytes = b""
    fields: Lines = ()

    def without(self, names: Iterable[str]) -> "Request":
        """Return it without the field lines of these names."""
        gone = {name.lower() for name in names}
        kept = tuple(line for line in self.fields if line[0].lower() not in gone)
        return replace(self, fields=kept)

    def having(self, fields: Iterable[tuple[str, str]]) -> "Request":
        """Return it with these field lines in place of those of the same names."""
        lines = tuple(fields)
        bare = self.without(name for name, _ in lines)
        return replace(bare, fields=(*bare.fields, *lines))

    def members(self) -> dict[str, Any] | None:
        """Return its content as a JSON object, None where it is none."""
        try:
            told: object = json.loads(self.content)
        except (ValueError, RecursionError):
            return None
        return cast("dict[str, Any]", told) if isinstance(told, dict) else None

    def saying(self, members: Mapping[str, Any]) -> "Request":
        """Return it with other content."""
        return replace(self, content=json.dumps(members).encode())

    def __repr__(self) -> str:
        """Return no value: a field may be a credential."""
        names = ", ".join(name for name, _ in self.fields)
        return f"Request({self.method}, {len(self.content)} bytes, {names})"


@dataclass(frozen=True, slots=True)
class Attack:
    """One thing that somebody tries at a door.

    Args:
        id: "WH-03".
        title: What is tried.
        refused_by: The obligations that may refuse it, which one depends on the declaration.
        made: Makes it of what the room knows of an honest request; None where it can't be made.
        is_second: It is sent after the honest request, not before it.
    """

    id: str
    title: str
    refused_by: tuple[Obligation, ...]
    made: Callable[[Any], Request | None]
    is_second: bool = False
