"""One JSON object, read so that no two readers could take it differently."""

import json
import re
from types import MappingProxyType
from typing import Any, Final, cast

import msgspec

MAX_DEPTH: Final = 32
"""Objects and lists inside each other. RFC 8259 §9 lets a reader set it; claims have two or three,
and whoever walks through them must not end in a RecursionError."""
MAX_PARTS: Final = 10_000
"""Members, items, objects and lists. It is read before anything is proven: a MiB of empty lists
takes a second, and a stranger's is refused in milliseconds (CWE-400)."""
_ESCAPE: Final = ord("\\")
"""By its number: for an octet as bytes the interpreter makes and drops an exception each time."""
_STRING: Final = re.compile(rb'"(?:[^"\\]+|\\.)*+"', re.DOTALL)
_read: Final = msgspec.json.Decoder(dict[str, Any]).decode
_write: Final = msgspec.json.Encoder().encode


class DuplicateMemberError(ValueError):
    """An object has two members of one name. Source: RFC 7515 §4, RFC 7519 §4; CWE-436."""


def object_of(text: bytes) -> dict[str, Any]:
    """Return the members of a JSON object in UTF-8; numbers are finite, names stand once.

    Raises:
        DuplicateMemberError: some object in it has two members of one name.
        ValueError: it is no JSON object, deeper than `MAX_DEPTH`, or of more than `MAX_PARTS`.
    """
    # What stands in strings counts too at first: texts of a sender's may hold JSON themselves.
    opened = text.count(b"{") + text.count(b"[")
    if opened + text.count(b",") > MAX_PARTS and _parts(_STRING.sub(b"", text)) > MAX_PARTS:
        message = f"it has more than {MAX_PARTS} parts"
        raise ValueError(message)
    try:
        members = _read(text)
        if opened > MAX_DEPTH and _is_deeper(members, MAX_DEPTH):
            message = f"it is deeper than {MAX_DEPTH} objects and lists"
            raise ValueError(message)
        if _ESCAPE in text:
            json.loads(text, object_pairs_hook=_once)
        # Without an escape every string is written again as it was read: a member that was lost is
        # a colon that is missing.
        elif _write(members).count(b":") != text.count(b":"):
            raise DuplicateMemberError
    except RecursionError:
        message = "it is too deep"
        raise ValueError(message) from None
    return members


def frozen(value: Any) -> Any:
    """Return a JSON value of which nobody can change a part: lists as tuples, objects read-only."""
    items: Any = value
    if type(value) is list:
        return tuple([frozen(one) for one in items])
    if type(value) is dict:
        inside = cast("dict[str, Any]", value)
        return MappingProxyType({name: frozen(one) for name, one in inside.items()})
    return value


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise DuplicateMemberError


def _parts(text: bytes) -> int:
    return text.count(b",") + text.count(b"{") + text.count(b"[")


def _is_deeper(value: Any, levels: int) -> bool:
    inside: Any = value
    if type(value) is dict:
        inside = cast("dict[str, Any]", value).values()
    elif type(value) is not list:
        return False
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inside)
