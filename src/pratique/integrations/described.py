"""What a guarded application tells of itself to the command line, whatever its framework."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pratique.core.perimeter import Perimeter
from pratique.core.recorder import Recorder
from pratique.core.route import Route, RouteState
from pratique.core.watcher import Sample

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


class RouteWatch:
    """Counts the routes of a guarded application by what they say of themselves.

    Args:
        told: The application.
    """

    def __init__(self, told: Described) -> None:
        self._told = told

    def started(self, recorder: Recorder) -> None:
        """See `Watcher.started`: there is nothing to begin."""

    def closed(self, recorder: Recorder) -> None:
        """See `Watcher.closed`: nothing is held."""

    def samples(self) -> Iterable[Sample]:
        """Return `pratique_routes`: a zero for each state that no route is in."""
        states = [route.state for route in self._told.routes()]
        for state in RouteState:
            yield Sample("pratique_routes", {"state": state.value}, states.count(state))


def described(app: object) -> Described | None:
    """Return what a door noted at an application; None where it isn't guarded."""
    found = getattr(app, DESCRIBED, None)
    return found if isinstance(found, Described) else None


def describe(app: object, told: Described) -> None:
    """Note at an application what it tells of itself; its perimeter counts its routes."""
    setattr(app, DESCRIBED, told)
    told.perimeter.attach(RouteWatch(told))
