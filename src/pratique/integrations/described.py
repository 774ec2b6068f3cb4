"""What a guarded application tells of itself to the command line, whatever its framework."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pratique.core.perimeter import Perimeter
from pratique.core.route import Route

DESCRIBED: Final = "__pratique__"
"""Attribute of a guarded application."""


@dataclass(frozen=True, slots=True)
class Described:
    """A guarded application.

    Args:
        perimeter: What guards it.
        routes: () -> what each route says of itself, as it is now.
        debts: () -> what is wrong with its routes, as it is now.
    """

    perimeter: Perimeter
    routes: Callable[[], Sequence[Route]]
    debts: Callable[[], Sequence[str]]


def described(app: object) -> Described | None:
    """Return what a door noted at an application; None where it isn't guarded."""
    found = getattr(app, DESCRIBED, None)
    return found if isinstance(found, Described) else None
