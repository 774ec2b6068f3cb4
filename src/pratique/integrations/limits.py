"""How much and how long a door reads."""

from typing import Final

from pratique.core.obligation import VALID
from pratique.core.refusal import Refused, too_large

READ_SECONDS: Final = 10.0
"""For the whole content of one delivery: a sender that drips is let go (CWE-400)."""
DEFAULT_CAP: Final = 1 << 20
"""Bytes of content, where a boundary names no cap of its own."""
_LENGTH_DIGITS: Final = 15  # a longer content-length is over any cap, and isn't made a number


def length_of(value: str, cap: int) -> int:
    """Return the length that a Content-Length declares.

    Raises:
        Refused: VALID, code "too_large": it is over the cap, or no number of bytes.
    """
    is_number = value.isascii() and value.isdigit() and len(value) <= _LENGTH_DIGITS
    if not is_number or int(value) > cap:
        raise too_large(cap)
    return int(value)


def too_slow() -> Refused:
    """Return the refusal of content that took too long."""
    return Refused(
        VALID, f"the content took more than {READ_SECONDS:.0f} s", code="too_slow", status=408
    )


def cut_off() -> Refused:
    """Return the refusal of content that ended before its end."""
    return Refused(VALID, "the sender went away before the end", code="cut_off")
