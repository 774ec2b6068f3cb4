"""The ten questions of the guide's review checklist (section 12).

They are answered from a boundary's own declarations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from .boundary import Boundary, Declaration
from .obligation import ALLOWED, AUTHENTIC, CONFIRMED, FRESH, LINKED, UNIQUE, Obligation, named
from .roots import every_root, thief_can

QUESTIONS: Final = (
    "Does this endpoint accept a claim that changes internal state?",
    "Who originally created that claim?",
    "Can the claim be forged, replayed, modified, or confused?",
    "Do we authenticate the sender or merely identify it?",
    "Do we verify freshness and uniqueness?",
    "Do we re-check ownership, tenant, scope, or role server-side?",
    "Does this input influence outbound requests or infrastructure behavior?",
    "Do we trust headers that should only come from a trusted proxy?",
    "If the upstream service is compromised, what can this service be tricked into doing?",
    "Can we replace blind trust with verification or constrained policy?",
)


class Status(StrEnum):
    """How an answer is established.

    `tested` comes with a result of the test kit, never from a declaration.
    """

    DECLARED = "declared"
    OBSERVED = "observed"
    NOT_COVERED = "not covered"


@dataclass(frozen=True, slots=True)
class Answered:
    """One of the ten questions, with its answer for one boundary."""

    number: int
    question: str
    status: Status
    text: str


def ten_questions(boundary: Boundary) -> tuple[Answered, ...]:
    """Answer the ten questions for one boundary, from what it declares and nothing else."""
    declared = boundary.declarations()
    texts = (
        _changes(declared),
        boundary.origin,
        _proofs(declared, AUTHENTIC, FRESH, UNIQUE, CONFIRMED),
        _proofs(declared, AUTHENTIC),
        _proofs(declared, FRESH, UNIQUE),
        _proofs(declared, LINKED, ALLOWED),
        _fact(declared, "outbound"),
        _fact(declared, "forwarded"),
        "; ".join(f"owner of {root}: {can}" for root, can in blast_radius(boundary)),
        _open(boundary, declared),
    )
    answers = [
        Answered(number, question, _status(boundary, text), text or "not declared here")
        for number, (question, text) in enumerate(zip(QUESTIONS, texts, strict=True), 1)
    ]
    if any(_acts_elsewhere(declaration) for declaration in declared):
        answers[0] = replace(answers[0], status=Status.NOT_COVERED)
    return tuple(answers)


def blast_radius(boundary: Boundary) -> tuple[tuple[str, str], ...]:
    """Say for each root what its thief can do alone.

    The thief has honest claims and an ordinary account at hand.
    """
    declared = boundary.declarations()
    found: list[tuple[str, str]] = []
    for root in every_root(declared):
        goals = sorted(
            {str(goal) for declaration in declared for goal in thief_can(declaration, root)}
        )
        found.append((str(root), ", ".join(goals) or "nothing alone"))
    return tuple(found)


def _status(boundary: Boundary, text: str) -> Status:
    if not text:
        return Status.NOT_COVERED
    return Status.OBSERVED if boundary.observe is not None else Status.DECLARED


def _changes(declared: Sequence[Declaration]) -> str:
    effects = [f"{d.name or 'it'} changes state in {d.effect}" for d in declared if d.effect]
    views: dict[str, list[str]] = {}
    for declaration in filter(_acts_elsewhere, declared):
        views.setdefault(declaration.facts["acts"], []).append(declaration.name)
    effects += [f"{', '.join(names)}: {said}" for said, names in views.items()]
    return "; ".join(effects) or "no: it changes nothing"


def _acts_elsewhere(declaration: Declaration) -> bool:
    """Say whether what is done with the claim stands outside of what is declared."""
    return not declaration.effect and "acts" in declaration.facts


def _proofs(declared: Sequence[Declaration], *obligations: Obligation) -> str:
    lines: dict[str, list[str]] = {}
    for declaration in declared:
        for obligation in obligations:
            methods = [
                _method(proof.method, proof.where)
                for proof in declaration.proofs
                if proof.obligation is obligation
            ]
            if declaration.is_waived(obligation):
                methods = ["WAIVED"]
            if methods:
                lines.setdefault(f"{obligation}: {' and '.join(methods)}", []).append(
                    declaration.name
                )
    return "; ".join(lines)


def _method(method: str, where: str) -> str:
    return (
        f"{method} (own code {where}: we ran it, we don't judge that it is right)"
        if where
        else method
    )


def _fact(declared: Sequence[Declaration], name: str) -> str:
    return "; ".join(dict.fromkeys(d.facts[name] for d in declared if name in d.facts))


def _open(boundary: Boundary, declared: Sequence[Declaration]) -> str:
    waived = [
        f"{declaration.name}: {waiver.obligation} waived until {waiver.until} by {waiver.owner} "
        f"({waiver.reason}; bound: {waiver.bound})"
        for declaration in declared
        for waiver in declaration.waivers
    ]
    return (
        "; ".join(waived)
        or f"nothing is waived; {', '.join(named(boundary.owed_bits))}: each has a proof"
    )
