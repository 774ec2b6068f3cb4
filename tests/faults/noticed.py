"""One mutant and whether it was noticed: a proof that is deleted, or that is a no-op."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from pratique.core.boundary import Declaration
from pratique.core.refusal import BoundaryError

NoOps = Mapping[str, tuple[str, Sequence[Any], Mapping[str, Any]]]
"""What each proof is called: the attack that it stops, the patches for its place, what `attack` is given."""


@dataclass(frozen=True)
class Row:
    """One mutant and whether it was noticed."""

    mutant: str
    expected: str
    found: str

    @property
    def is_noticed(self) -> bool:
        """Say whether what was found is what is owed."""
        return self.expected in self.found


def without(
    declaration_of: Callable[..., Declaration], obligation: str
) -> Callable[..., Declaration]:
    """Return what declares all but the proofs of one obligation."""

    def declared(*args: Any) -> Declaration:
        made = declaration_of(*args)
        return replace(made, proofs=tuple(p for p in made.proofs if p.obligation != obligation))

    return declared


def deletion(
    name: str,
    start: Callable[[], object],
    refusing: tuple[type[Exception], ...] = (BoundaryError,),
) -> Row:
    """Start without something; it has to refuse unless "nothing" is what it is without."""
    try:
        start()
        found = "started"
    except refusing as error:
        found = f"refused: {type(error).__name__}"
    return Row(f"delete {name}", "started" if name == "nothing" else "refused", found)


def with_no_ops(no_ops: NoOps, attack: Callable[..., Sequence[str]]) -> list[Row]:
    """Put each no-op in its place and attack; before that once with none of them, the twin.

    Args:
        no_ops: Of which each is tried alone.
        attack: Runs every attack; returns the names of those that succeeded.
    """
    rows = [Row("none (the twin)", "nothing", ", ".join(attack()) or "nothing")]
    for name, (expected, patches, given) in no_ops.items():
        with ExitStack() as stack:
            for each in patches:
                stack.enter_context(each)
            found = attack(**given)
        rows.append(Row(f"no-op {name}", expected, ", ".join(found) or "nothing"))
    return rows


def report(rows: Sequence[Row]) -> int:
    """Print the table. Return 1 where a mutant wasn't noticed."""
    for row in rows:
        print(f"{'noticed' if row.is_noticed else 'SURVIVED':9} {row.mutant:36} {row.found[:160]}")
    return 0 if all(row.is_noticed for row in rows) else 1
