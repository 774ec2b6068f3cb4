"""The seven obligations that a boundary can owe, always these words, in this order."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final


class Obligation(StrEnum):
    """One question that a claim must answer before it may cross.

    Source: guide sections 8 and 13.
    """

    AUTHENTIC = "authentic"
    """Did the named sender make exactly these bytes?"""
    FRESH = "fresh"
    """Was it said now?"""
    UNIQUE = "unique"
    """Is it the first time?"""
    CONFIRMED = "confirmed"
    """Does the source of truth say so too?"""
    LINKED = "linked"
    """Does it belong to this user, tenant, account, request?"""
    ALLOWED = "allowed"
    """May this principal do this to this object, from the state that it is in now?"""
    VALID = "valid"
    """Is it well-formed and within bounds?"""

    # Equal to its word, so it has the word's hash; that of Enum is a call of Python's each time.
    __hash__ = str.__hash__


AUTHENTIC: Final = Obligation.AUTHENTIC
FRESH: Final = Obligation.FRESH
UNIQUE: Final = Obligation.UNIQUE
CONFIRMED: Final = Obligation.CONFIRMED
LINKED: Final = Obligation.LINKED
ALLOWED: Final = Obligation.ALLOWED
VALID: Final = Obligation.VALID

BIT: Final[dict[Obligation, int]] = {o: 1 << place for place, o in enumerate(Obligation)}
"""One bit an obligation: a crossing keeps what it has proven as one small integer."""


def bits(obligations: Iterable[Obligation]) -> int:
    """Return the obligations as one integer."""
    total = 0
    for obligation in obligations:
        total |= BIT[obligation]
    return total


def named(value: int) -> Iterator[Obligation]:
    """Return the obligations that one integer stands for, in order."""
    return (o for o, bit in BIT.items() if value & bit)
