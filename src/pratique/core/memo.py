"""What was worked out before, up to a bound, so that a stranger can't fill the memory (CWE-770)."""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(dict[K, V]):
    """A dict of what is remembered; one more than it may hold begins anew.

    It is read as a dict, so a hit costs what a dict costs. Nothing is ordered by use: where there
    are more than it holds, working it out again is cheaper than to keep the order at each hit.

    Args:
        most: Entries.
    """

    __slots__ = ("most",)

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def keep(self, key: K, value: V) -> V:
        """Remember a value, and return it."""
        if len(self) >= self.most and key not in self:
            self.clear()
        self[key] = value
        return value
