"""How senders write the time that they sign, as strict syntax.

One text is one time: where a time stands beside the content without a sign between, a text of
another length would move the border.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final


@dataclass(frozen=True, slots=True)
class TimeForm:
    """One way to write a time.

    Args:
        words: What it is, for a refusal.
        matches: (text) -> whether it is one.
        read: (text) -> seconds since 1970, of a text that matches.
        write: (UTC) -> the text.
    """

    words: str
    matches: Callable[[str], object]
    read: Callable[[str], float]
    write: Callable[[datetime], str]


def _seconds(at: datetime) -> str:
    return str(int(at.timestamp()))


def _milliseconds(at: datetime) -> str:
    return str(int(at.timestamp()) * 1000 + at.microsecond // 1000)


# Python reads six digits of a fraction at most in some versions, Twitch writes nine.
_FRACTION: Final = re.compile(r"(\.[0-9]{1,6})[0-9]*")


_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
).fullmatch


def _is_rfc3339(text: str) -> bool:
    if _RFC3339(text) is None:
        return False
    try:
        _of_rfc3339(text)
    except ValueError:  # a day that there isn't, or a leap second
        return False
    return True


def _of_rfc3339(text: str) -> float:
    return datetime.fromisoformat(_FRACTION.sub(r"\1", text)).timestamp()


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


SECONDS: Final = TimeForm(
    "1 to 11 ASCII digits, seconds since 1970",
    re.compile(r"[0-9]{1,11}").fullmatch,
    int,
    _seconds,
)
TEN_DIGITS: Final = TimeForm(
    "10 ASCII digits, seconds since 1970", re.compile(r"[0-9]{10}").fullmatch, int, _seconds
)
MILLISECONDS: Final = TimeForm(
    "13 ASCII digits, milliseconds since 1970",
    re.compile(r"[0-9]{13}").fullmatch,
    lambda text: int(text) / 1000,
    _milliseconds,
)
RFC3339: Final = TimeForm(
    "a time of RFC 3339 with its zone",
    _is_rfc3339,
    _of_rfc3339,
    _rfc3339,
)
