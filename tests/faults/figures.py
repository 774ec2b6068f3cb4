"""What a fuzz counts, for how long it goes on, and how it is run by hand."""

import argparse
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
KEPT = 50
"""Disagreements that are told in full; the rest is counted."""


@dataclass
class Figures:
    """What a run found."""

    tried: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    """Kinds of what was let through."""
    refused: Counter[str] = field(default_factory=Counter)
    """Codes of ours."""
    wrong: int = 0
    told: list[str] = field(default_factory=list)

    def disagree(self, what: str) -> None:
        """Count a disagreement, and tell the first ones."""
        self.wrong += 1
        if len(self.told) < KEPT:
            self.told.append(what)

    def lines(self) -> Iterator[str]:
        """Yield what was counted, a sentence a line."""
        yield (f"{self.tried} tried, {self.accepted.total()} accepted, {self.wrong} disagreements")
        yield f"accepted: {listed(self.accepted)}"
        yield f"refused: {listed(self.refused)}"


def listed(counted: Counter[str]) -> str:
    """Return names with their counts, the commonest first."""
    return ", ".join(f"{name} {n}" for name, n in counted.most_common()) or "none"


def some(samples: Iterable[T], *, count: int | None, seconds: float | None) -> Iterator[T]:
    """Yield so many of them, or for so many seconds."""
    ends_at = time.monotonic() + (seconds or float("inf"))
    for sample in islice(samples, count):
        if time.monotonic() >= ends_at:
            return
        yield sample


def run_by_hand(name: str, about: str | None, run: Callable[[int, float], Figures]) -> int:
    """Read the arguments, run, print the figures. Return 1 where anybody disagrees.

    Args:
        name: Of the module.
        about: Its docstring.
        run: (seed, seconds) -> what was found.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=about)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    found = run(given.seed, given.seconds)
    print(*found.lines(), *(f"  {what}" for what in found.told), sep="\n")
    return 1 if found.wrong or not found.accepted else 0
