"""Well-formed and within bounds: what holds of any JSON that crosses."""

from typing import Any, Final, cast

MAX_DEPTH: Final = 64
"""Objects and lists inside each other. RFC 8259 §9 lets a reader set it; Python's own parser ends
in a RecursionError above 900."""
_COLON: Final = b":"
_BACKSLASH: Final = b"\\"


def members(content: bytes) -> int:
    """Return how many members the objects of a JSON text have together, as it is written.

    Args:
        content: Well-formed, so that a backslash stands in strings alone.
    """
    if _BACKSLASH in content:
        content = content.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(content.split(b'"')[::2]).count(_COLON)


def count(value: Any, depth: int = MAX_DEPTH) -> int:
    """Return how many members a value that was read has.

    Raises:
        RecursionError: it is deeper than *depth* objects and lists.
    """
    if depth <= 0:
        raise RecursionError
    found = 0
    inside: Any = value
    if type(value) is dict:
        inside = cast("dict[str, Any]", value)
        found, inside = len(inside), inside.values()
    elif type(value) is not list:
        return 0
    for one in inside:
        if isinstance(one, (dict, list)):
            found += count(one, depth - 1)
    return found
