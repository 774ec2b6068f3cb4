"""Does a JSON text say more than was read from it? A member twice, or one that no field takes."""

from collections.abc import Callable
from types import GenericAlias
from typing import Any, Final

import msgspec
from msgspec.inspect import (
    DictType,
    ListType,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    type_info,
)

_encode: Final = msgspec.json.Encoder().encode
_COLON: Final = b":"
_BACKSLASH: Final = b"\\"
_COLON_ESCAPED: Final = b"\\u003"
_KEPT: Final = frozenset({"Bool", "Int", "Float", "Str", "Decimal", "Enum", "Literal", "None"})
"""Leaves that are written again with as many colons as they were read with."""
_LEAVES: Final = _KEPT | {"Bytes", "DateTime", "Time", "Date", "TimeDelta", "UUID"}


class Mirror:
    """A type beside a declared one that keeps every member of its fields, and checks nothing.

    Args:
        kind: The declared type, or part of one.

    Attributes:
        shape: What to read a text with, so that nothing but what no field takes, and all but the
            last of members that have one name, is lost.
        is_itself: The declared type already does that: it has no default that could stand for a
            member that didn't come.
        is_closed: Its fields say how deep it is; else its sender does.
    """

    __slots__ = ("is_closed", "is_itself", "shape")

    def __init__(self, kind: Type, above: frozenset[type] = frozenset()) -> None:
        self.shape: Any = Any
        name = type(kind).__name__.removesuffix("Type")
        self.is_closed = name in _LEAVES
        self.is_itself = name in _KEPT
        if isinstance(kind, StructType):
            if not kind.array_like and kind.tag is None and kind.cls not in above:
                self._of_struct(kind, above | {kind.cls})
        elif isinstance(kind, ListType):
            item = Mirror(kind.item_type, above)
            self.shape = GenericAlias(list, (item.shape,))
            self.is_closed, self.is_itself = item.is_closed, item.is_itself
        elif isinstance(kind, DictType):
            value = Mirror(kind.value_type, above)
            self.shape = GenericAlias(dict, (str, value.shape))
            self.is_closed = value.is_closed
            self.is_itself = value.is_itself and isinstance(kind.key_type, StrType)
        elif isinstance(kind, UnionType):
            rest = [part for part in kind.types if not isinstance(part, NoneType)]
            if len(rest) == 1:
                part = Mirror(rest[0], above)
                self.shape = part.shape if part.shape is Any else part.shape | None
                self.is_closed, self.is_itself = part.is_closed, part.is_itself

    def _of_struct(self, kind: StructType, above: frozenset[type]) -> None:
        parts = [(field, Mirror(field.type, above)) for field in kind.fields]
        self.shape = msgspec.defstruct(
            kind.cls.__name__,
            [
                (
                    field.name,
                    part.shape if part.shape is Any else part.shape | msgspec.UnsetType,
                    msgspec.field(default=msgspec.UNSET),
                )
                for field, part in parts
            ],
            rename={field.name: field.encode_name for field in kind.fields},
            gc=False,
        )
        self.is_closed = all(part.is_closed for _, part in parts)
        self.is_itself = not hasattr(kind.cls, "__post_init__") and all(
            field.required and part.is_itself for field, part in parts
        )


def exactly(kind: Any) -> Callable[[bytes, Any], bool]:
    """Return (text, what was read from it) -> whether all that the text says was read.

    Every member has one colon outside the strings, and strings are written again as they were read:
    two texts with as many colons have as many members. It is False also where it can't tell: then
    ask `count` and `members`.

    Args:
        kind: The declared type; `msgspec` reads it.
    """
    mirror = Mirror(type_info(kind))
    read = None if mirror.is_itself else msgspec.json.Decoder(mirror.shape).decode
    is_closed = mirror.is_closed

    def is_exact(content: bytes, answer: Any) -> bool:
        if not is_closed or (_BACKSLASH in content and _COLON_ESCAPED in content):
            return False
        again = _encode(answer if read is None else read(content))
        return again.count(_COLON) == content.count(_COLON)

    return is_exact
