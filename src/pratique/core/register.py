"""The boundaries that one perimeter declares, by name, and what they owe together."""

from datetime import datetime
from typing import TYPE_CHECKING

from .boundary import Boundary
from .break_glass import break_glass
from .refusal import BoundaryError
from .store import Store

if TYPE_CHECKING:
    from .perimeter import Perimeter


class Register:
    """The declared boundaries of one perimeter, each name once, in order of declaration."""

    __slots__ = ("_boundaries",)

    def __init__(self) -> None:
        self._boundaries: dict[str, Boundary] = {}

    @property
    def boundaries(self) -> tuple[Boundary, ...]:
        """Return every boundary, in order of declaration."""
        return tuple(self._boundaries.values())

    def add(self, boundary: Boundary, perimeter: "Perimeter") -> None:
        """Add a boundary, which belongs to this perimeter from now on.

        Raises:
            BoundaryError: its name is taken, or it belongs to another perimeter.
        """
        if boundary.name in self._boundaries:
            message = f'Boundary "{boundary.name}" is declared twice. Give each its own name.'
            raise BoundaryError(message)
        if boundary.perimeter not in (None, perimeter):
            message = f'Boundary "{boundary.name}" is declared in another perimeter.'
            raise BoundaryError(message)
        boundary.perimeter = perimeter
        self._boundaries[boundary.name] = boundary

    def require(self, boundary: Boundary) -> None:
        """Let only a declared boundary pass.

        Raises:
            BoundaryError: it isn't declared here; another boundary of that name is not it.
        """
        if self._boundaries.get(boundary.name) is not boundary:
            message = f'Boundary "{boundary.name}" is not declared in this perimeter.'
            raise BoundaryError(message)

    def debts(self, store: Store | None, now: datetime) -> list[str]:
        """Return every debt of every boundary, one sentence each with its mend.

        Args:
            store: The perimeter's.
            now: UTC.
        """
        found: list[str] = []
        if not self._boundaries:
            found.append("the perimeter declares no boundary.")
        taken: dict[str, str] = {}
        for boundary in self._boundaries.values():
            found.extend(boundary.prepare(store))
            found.extend(boundary.debts(now.date()))
            for thing, mend in boundary.exclusive().items():
                other = taken.setdefault(thing, boundary.name)
                if other != boundary.name:
                    found.append(f'Boundaries "{other}" and "{boundary.name}": {mend}')
        return [*found, *break_glass(self.boundaries, now)]
