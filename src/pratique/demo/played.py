"""How one API fared under every attack, and how three of them become a scenario's table."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from .table import GUARDED, KINDS, Row


class Titled(Protocol):
    """What a row says of its attack."""

    @property
    def id(self) -> str:
        """Return its id in docs/explanation/attacks."""
        ...

    @property
    def title(self) -> str:
        """Return what is sent."""
        ...


@dataclass
class Played:
    """One API under every attack: whether it was sound, and what refused, row by row.

    Args:
        kind: Which of the three.
        url: Where it listens.
        sound: See `Row.sound`; one an attack.
        stopped: See `Row.stopped`; one an attack.
    """

    kind: str
    url: str
    sound: list[bool | None] = field(default_factory=list[bool | None])
    stopped: list[str] = field(default_factory=list[str])


P = TypeVar("P", bound=Played)


def play_each(play: Callable[[str], P]) -> list[P]:
    """Play all three at once, each in a thread: much of it is waiting.

    Args:
        play: (kind) -> how that API fared.
    """
    with ThreadPoolExecutor(len(KINDS)) as pool:
        return list(pool.map(play, KINDS))


def rows_of(played: Sequence[Played], attacks: Sequence[Titled]) -> list[Row]:
    """Return a row an attack.

    Args:
        played: In the order of `KINDS`.
        attacks: In the order in which they were sent.
    """
    stopped = played[KINDS.index(GUARDED)].stopped
    return [
        Row(attack.id, attack.title, [one.sound[n] for one in played], stopped[n])
        for n, attack in enumerate(attacks)
    ]
