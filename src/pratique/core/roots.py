"""Roots of trust, who controls them, and which of them suffice for which attack."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Final

from .obligation import Obligation

if TYPE_CHECKING:
    from .boundary import Declaration, Proof


class RootKind(StrEnum):
    """What a proof can rest on."""

    PARTY = "party"
    SECRET = "secret"  # noqa: S105  the kind's name, not a secret
    KEY = "key"
    CA = "ca"
    DNS = "dns"
    NETWORK = "net"
    CLOCK = "clock"
    STORE = "store"
    CODE = "own"


@dataclass(frozen=True, slots=True, order=True)
class Root:
    """Something that must not be owned by an attacker for a proof to mean anything.

    Args:
        kind: What it is.
        name: Which one: "stripe", "net:10.0.0.0/8", "payments/STRIPE_WEBHOOK_SECRET".
        controller: Who controls it; two roots of one controller fall together.
        known_to: Roots whose owner has this one too (an HMAC secret is known to its party), or can
            have it used (a signing oracle, an issuer).
    """

    kind: RootKind
    name: str
    controller: str = "us"
    known_to: tuple["Root", ...] = ()

    def __str__(self) -> str:
        """Write it as "kind:name"."""
        return f"{self.kind}:{self.name}"


CLOCK: Final = Root(RootKind.CLOCK, "our clock")
OWN_CODE: Final = Root(RootKind.CODE, "code")

Way = frozenset[Root]
"""Roots that together suffice to make one proof lie."""


class Goal(StrEnum):
    """What an attacker wants who already holds honest claims and an ordinary account."""

    INVENT = "invent"
    REPEAT = "repeat"
    MISDIRECT = "misdirect"
    ESCALATE = "escalate"
    SUPPRESS = "suppress"


STANDS_AGAINST: Final[dict[Goal, tuple[Obligation, ...]]] = {
    Goal.INVENT: (Obligation.AUTHENTIC, Obligation.CONFIRMED),
    Goal.REPEAT: (Obligation.FRESH, Obligation.UNIQUE),
    Goal.MISDIRECT: (Obligation.LINKED,),
    Goal.ESCALATE: (Obligation.ALLOWED,),
}
"""All of these proofs must lie before the goal is reached. To suppress, one is enough."""


def ways(*roots: Root) -> tuple[Way, ...]:
    """Return the alternatives in which each root alone suffices."""
    return tuple(frozenset((root,)) for root in roots)


def minimal_sets(declaration: "Declaration", goal: Goal) -> tuple[Way, ...]:
    """Return the smallest sets of roots whose owner reaches *goal*.

    An empty set means that nothing stands in the way.

    A waived or observed proof contributes nothing to a set.
    """
    if goal is Goal.SUPPRESS:
        return _minimal(way for proof in declaration.proofs for way in _closed(proof))
    needed: list[tuple[Way, ...]] = []
    for obligation in STANDS_AGAINST[goal]:
        proofs = [
            p
            for p in declaration.proofs
            if p.obligation is obligation and not declaration.is_waived(obligation)
        ]
        needed.extend(_minimal(_closed(proof)) for proof in proofs)
    if not needed:
        return (frozenset(),)
    return _minimal(frozenset[Root]().union(*choice) for choice in product(*needed))


def controllers(way: Way) -> frozenset[str]:
    """Return who would have to fall for this set."""
    return frozenset(root.controller for root in way)


def independent(declaration: "Declaration", goal: Goal = Goal.INVENT) -> int:
    """Return how many controllers must fall, at the least, before *goal* is reached."""
    return min(len(controllers(way)) for way in minimal_sets(declaration, goal))


def thief_can(declaration: "Declaration", root: Root) -> tuple[Goal, ...]:
    """Return the goals that the owner of this one root reaches alone."""
    return tuple(
        goal
        for goal in Goal
        if any(_owned_by(way, root) for way in minimal_sets(declaration, goal))
    )


def every_root(declarations: Iterable["Declaration"]) -> tuple[Root, ...]:
    """Return every root that the declarations name, with the parties that know them, sorted."""
    found: set[Root] = set()
    for declaration in declarations:
        for proof in declaration.proofs:
            for root in proof.roots:
                found.add(root)
                found.update(root.known_to)
    return tuple(sorted(found, key=str))


def _owned_by(way: Way, thief: Root) -> bool:
    return all(root == thief or thief in root.known_to for root in way)


def _closed(proof: "Proof") -> list[Way]:
    """Close the ways of one proof under *known to*: whoever owns the party owns the secret."""
    closed: list[Way] = []
    for way in proof.ways:
        owners: Sequence[tuple[Root, ...]] = [(root, *root.known_to) for root in way]
        closed.extend(frozenset(choice) for choice in product(*owners))
    return closed


def _minimal(found: Iterable[Way]) -> tuple[Way, ...]:
    every = set(found)
    least = [way for way in every if not any(other < way for other in every)]
    return tuple(sorted(least, key=lambda way: (len(way), sorted(map(str, way)))))
