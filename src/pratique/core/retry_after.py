"""The pause that a peer asks for in its Retry-After field."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from .claim import Fields

MAX_DIGITS: Final = 10
"""Digits of delay-seconds that are read: 317 years. What has more is as long as no caller waits."""


def retry_after(fields: Fields, *, at: datetime) -> timedelta | None:
    """Return the pause that is asked for, zero at the least; None where none is, or no one knows.

    It is the peer's wish: whoever keeps it sets bounds of its own.

    Args:
        fields: Of the answer.
        at: When it came, UTC: a date is counted from here.

    Source: RFC 9110 §10.2.3 (delay-seconds or HTTP-date), §5.6.7.
    """
    said = fields.all("Retry-After")
    if len(said) != 1:  # §5.5: a field that isn't a list, several times, says nothing
        return None
    (text,) = said
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text.lstrip("0")[:MAX_DIGITS] or "0"))
    try:
        until = parsedate_to_datetime(text)
        # §5.6.7: GMT is all that an HTTP-date is in, whether it says so or not.
        asked = until.replace(tzinfo=until.tzinfo or UTC) - at
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return max(asked, timedelta(0))
