"""Which members of an answer no field of the declared type takes: the partner's schema moved."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final, cast

from msgspec.inspect import (
    DataclassType,
    DictType,
    ListType,
    StructType,
    Type,
    TypedDictType,
    UnionType,
)

MOST_NAMED: Final = 8
MOST_CHARACTERS: Final = 64
WITH_FIELDS: Final = (StructType, DataclassType, TypedDictType)
"""What names its members, as msgspec sees it."""
_Walk = Callable[[Any, str, dict[str, None]], None]
"""(value, its path, what was found): add the paths of members that no field takes."""


class UnknownFields(StrEnum):
    """What becomes of an answer that says more than its type takes. The surplus never arrives."""

    OBSERVE = "observe"
    """It is proven, and its event has the code "drift"."""
    REFUSE = "refuse"
    """It is refused."""


def surplus_of(kind: Type) -> Callable[[Any], list[str]]:
    """Return what names the members of a value that no field takes: "lines[].discount".

    The names are the partner's: escaped, and cut after 64 characters; `most_of` cuts their number.

    Args:
        kind: What `msgspec.inspect.type_info` says of the declared type.
    """
    walk = _walk(kind, {})

    def surplus(value: Any) -> list[str]:
        found: dict[str, None] = {}
        if walk is not None:
            walk(value, "", found)
        return sorted(found)

    return surplus


def most_of(names: Sequence[str]) -> Sequence[str]:
    """Return as many names as stand in a text: 8."""
    return names[:MOST_NAMED]


def _walk(kind: Type, made: dict[type, _Walk]) -> _Walk | None:
    """Return the walk through a part of a type; None where nothing in it can be surplus."""
    if isinstance(kind, ListType):
        return _each(_walk(kind.item_type, made), "[]")
    if isinstance(kind, DictType):
        return _each(_walk(kind.value_type, made), "{}")
    if isinstance(kind, UnionType):
        return _one_of(kind, made)
    return _fields(kind, made) if isinstance(kind, WITH_FIELDS) else None


def _each(walk: _Walk | None, mark: str) -> _Walk | None:
    if walk is None:
        return None

    def each(value: Any, path: str, found: dict[str, None]) -> None:
        if isinstance(value, (dict, list)):
            inside = cast("Any", value)
            for one in inside.values() if isinstance(value, dict) else inside:
                walk(one, path + mark, found)

    return each


def _fields(kind: StructType | DataclassType | TypedDictType, made: dict[type, _Walk]) -> _Walk:
    known = made.get(kind.cls)
    if known is not None:
        return known
    names = frozenset(
        {field.encode_name for field in kind.fields} | {getattr(kind, "tag_field", None)}
    )
    inner: list[tuple[str, _Walk]] = []

    def fields(value: Any, path: str, found: dict[str, None]) -> None:
        if type(value) is not dict:
            return
        members = cast("dict[str, Any]", value)
        dot = f"{path}." if path else ""
        if not names.issuperset(members):
            found.update(dict.fromkeys(_shown(dot + name) for name in members.keys() - names))
        for name, walk in inner:
            if name in members:
                walk(members[name], dot + name, found)

    made[kind.cls] = fields  # before its fields are looked at: a tree has itself inside
    for field in kind.fields:
        walk = _walk(field.type, made)
        if walk is not None:
            inner.append((field.encode_name, walk))
    return fields


def _one_of(kind: UnionType, made: dict[type, _Walk]) -> _Walk | None:
    """Return the walk through a union: a list, a map, or the struct whose tag came."""
    lists = [_walk(one, made) for one in kind.types if isinstance(one, ListType)]
    maps = [one for one in kind.types if isinstance(one, (*WITH_FIELDS, DictType))]
    tagged = {
        (one.tag_field, one.tag): _walk(one, made)
        for one in maps
        if isinstance(one, StructType) and one.tag_field is not None
    }
    plain = _walk(maps[0], made) if len(maps) == 1 and not tagged else None

    def one_of(value: Any, path: str, found: dict[str, None]) -> None:
        walk = lists[0] if isinstance(value, list) and lists else None
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            walk = plain
            for (field, tag), fitting in tagged.items():
                if members.get(str(field)) == tag:
                    walk = fitting
        if walk is not None:
            walk(value, path, found)

    return one_of if any(lists) or tagged or plain else None


def _shown(name: str) -> str:
    return name.encode("unicode_escape").decode("ascii")[:MOST_CHARACTERS]
