"""The key of a row as it stands in a path, in the one spelling that it has."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from pratique.core.access import NOT_FOUND
from pratique.core.obligation import VALID
from pratique.core.refusal import Refused

MAX_KEY: Final = 256
"""Characters of a key as it stands in a path."""
KeyReader = Callable[[str], object]
"""(text) -> the key as the column has it; None where no row could have it."""


def key_of(text: str, read: KeyReader) -> object:
    """Return a key as the column has it.

    Args:
        text: As it stands in the path: printable, 1 to 256 characters.
        read: Of the column's kind.

    Raises:
        Refused: VALID, code "bad_key" (404): no row could have it.
    """
    key = read(text) if 0 < len(text) <= MAX_KEY and text.isprintable() else None
    if key is None:
        raise Refused(
            VALID,
            "the key of a row isn't one of this kind",
            code="bad_key",
            status=NOT_FOUND,
        )
    return key


def integer_of(text: str) -> int | None:
    """Return an integer of plain digits, zero or more, without leading zeros."""
    is_plain = text.isascii() and text.isdigit()
    return int(text) if is_plain and (text == "0" or text[0] != "0") else None


def text_of(text: str) -> str | None:
    """Return the text."""
    return text


def uuid_of(text: str) -> UUID | None:
    """Return a UUID that is spelt as RFC 9562 §4 writes it: lower case, with hyphens."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
