"""One kind of claim with its evidence: per obligation declared, tested, observed or not covered."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from pratique.core.obligation import Obligation

from .evidence import BoundaryFacts, ClaimFacts, ProofFacts, WaiverFacts
from .observed import Observed
from .tested import Tried
from .unguarded import FAILED

Against = Mapping[str, tuple[str, ...]]
NOTHING: Final[Against] = {}
"""Attack -> the obligations that may refuse it."""


class Status(StrEnum):
    """How an answer is established."""

    DECLARED = "declared"
    TESTED = "tested"
    OBSERVED = "observed"
    NOT_COVERED = "not covered"


class Row(msgspec.Struct, frozen=True):
    """One obligation of one kind of claim.

    Attributes:
        is_owed: By its kind of boundary; what isn't may be proven all the same.
        established: How; one or more.
        tested: "WH-03 refused, 2026-11-26T10:00:00+00:00", those of this declaration alone.
        observed: "proven 12 times, refused 3 times", "" where no log tells of it.
    """

    obligation: str
    is_owed: bool
    established: tuple[Status, ...]
    proofs: tuple[ProofFacts, ...]
    waiver: WaiverFacts | None
    tested: tuple[str, ...]
    observed: str


class ClaimReport(msgspec.Struct, frozen=True):
    """One kind of claim."""

    facts: ClaimFacts
    rows: tuple[Row, ...]
    tested: tuple[Tried, ...]
    seen: Observed | None


def claim_report(
    boundary: BoundaryFacts,
    facts: ClaimFacts,
    seen: Observed | None,
    tested: tuple[Tried, ...],
    against: Against,
) -> ClaimReport:
    """Return one kind of claim with its evidence; only tests of this very declaration count."""
    place = boundary.name, facts.name, facts.digest
    current = tuple(
        sorted(each for each in tested if (each.boundary, each.claim, each.digest) == place)
    )
    rows = tuple(
        _row(
            boundary,
            facts,
            str(obligation),
            seen,
            tuple(each for each in current if obligation in against.get(each.attack, ())),
        )
        for obligation in Obligation
    )
    return ClaimReport(facts, rows, current, seen)


def _row(
    boundary: BoundaryFacts,
    claim: ClaimFacts,
    obligation: str,
    seen: Observed | None,
    tested: tuple[Tried, ...],
) -> Row:
    proofs = tuple(each for each in claim.proofs if each.obligation == obligation)
    waiver = next((each for each in claim.waivers if each.obligation == obligation), None)
    counted = "" if seen is None else _counted(seen, obligation)
    established = [
        status
        for status, is_so in (
            (Status.DECLARED, bool(proofs) and waiver is None),
            (Status.TESTED, any(held(each) for each in tested)),
            (Status.OBSERVED, bool(counted)),
        )
        if is_so
    ]
    return Row(
        obligation,
        obligation in boundary.owes,
        tuple(established) or (Status.NOT_COVERED,),
        proofs,
        waiver,
        tuple(told(each) for each in tested),
        counted,
    )


def held(tested: Tried) -> bool:
    """Say whether it ended as it should."""
    return tested.outcome != FAILED


def told(tested: Tried) -> str:
    """Return a result in a few words."""
    return f"{tested.attack} {tested.outcome}, {tested.at.isoformat()}"


def _counted(seen: Observed, obligation: str) -> str:
    proven, refused = seen.discharged.get(obligation, 0), seen.refused.get(obligation, 0)
    if not proven and not refused:
        return ""
    return f"proven {times(proven)}, refused {times(refused)}, {window(seen)}"


def times(number: int) -> str:
    """Return "once", "3 times"."""
    return "once" if number == 1 else f"{number} times"


def window(seen: Observed) -> str:
    """Return the time in which something was seen."""
    return f"from {seen.first.isoformat()} to {seen.last.isoformat()}"
