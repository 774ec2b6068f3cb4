"""A NumericDate: the seconds since 1970 by which a token names a moment. RFC 7519 §2."""

from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from pratique.core.obligation import FRESH

from .jws import TokenRefused

LAST_SECOND: Final = 253_402_300_799
"""9999-12-31T23:59:59Z: the last that a datetime holds."""


def is_numeric_date(value: object) -> TypeGuard[float]:
    """Say whether a JSON value is a number of seconds that a datetime holds; true is none."""
    return (type(value) is int or type(value) is float) and 0 <= value <= LAST_SECOND


def seconds_of(members: Mapping[str, Any], name: str) -> float:
    """Return the seconds since 1970 that a member says.

    Args:
        members: Of a claims set, or of an object like one.
        name: "exp", "iat", "nbf".

    Raises:
        Refused: FRESH, code "bad_date".

    Source: RFC 7519 §2, "NumericDate".
    """
    value = members.get(name)
    if is_numeric_date(value):
        return value
    raise TokenRefused(
        f"{name} is missing, or no number of seconds between 1970 and 9999",
        code="bad_date",
        obligation=FRESH,
    )
