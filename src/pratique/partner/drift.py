"""Which members of an answer no field of the declared type takes: the partner's schema moved."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from msgspec.inspect import (
    DataclassType,
    DictType,
    ListType,
    StructType,
    Type,
    TypedDictType,
    UnionType,
)

from .exact import within

MOST_NAMED: Final = 8
MOST_CHARACTERS: Final = 64
_WITH_FIELDS: Final = (StructType, DataclassType, TypedDictType)


class UnknownFields(StrEnum):
    """What becomes of an answer that says more than its type takes. The surplus never arrives."""

    OBSERVE = "observe"
    """It is proven, and its event has the code "drift"."""
    REFUSE = "refuse"
    """It is refused."""


def unknown_fields(value: Any, kind: Type) -> list[str]:
    """Return the paths of members that no field takes: "lines[].discount", a few of them.

    The names are the partner's: escaped, and cut after 64 characters.

    Args:
        value: What was read without a type.
        kind: What `msgspec.inspect.type_info` says of the declared type.
    """
    found: dict[str, None] = {}
    waiting: list[tuple[Any, Type, str]] = [(value, kind, "")]
    while waiting and len(found) < MOST_NAMED:
        part, kind, path = waiting.pop()
        if isinstance(kind, UnionType):
            waiting.extend((part, one, path) for one in _that_fit(part, kind))
            continue
        inside = within(part) or []
        if isinstance(kind, ListType):
            waiting.extend((one, kind.item_type, f"{path}[]") for _, one in inside)
        elif isinstance(kind, DictType):
            waiting.extend((one, kind.value_type, f"{path}{{}}") for _, one in inside)
        elif isinstance(kind, _WITH_FIELDS):
            fields = {field.encode_name: field.type for field in kind.fields}
            for name, one in inside:
                here = f"{path}.{name}".lstrip(".")
                if name in fields:
                    waiting.append((one, fields[name], here))
                elif name != getattr(kind, "tag_field", None):
                    found[_shown(here)] = None
    return sorted(found)


def _that_fit(part: Any, kind: UnionType) -> Sequence[Type]:
    """Return what a part of a union can be: a struct by its tag, else whatever has its shape."""
    if isinstance(part, list):
        return [one for one in kind.types if isinstance(one, ListType)][:1]
    fitting = [one for one in kind.types if isinstance(one, (*_WITH_FIELDS, DictType))]
    if len(fitting) > 1:
        members = dict(within(part) or [])
        tagged = [one for one in fitting if isinstance(one, StructType) and one.tag_field]
        fitting = [one for one in tagged if members.get(one.tag_field or "") == one.tag]
    return fitting[:1]


def _shown(name: str) -> str:
    return name.encode("unicode_escape").decode("ascii")[:MOST_CHARACTERS]
