"""Everything that a perimeter declares, as plain facts that a lock or a report is written from."""

from collections.abc import Iterable, Sequence
from datetime import date
from hashlib import sha256

import msgspec

from pratique.core.boundary import Boundary, Declaration, Proof
from pratique.core.checklist import blast_radius, ten_questions
from pratique.core.obligation import Obligation, named
from pratique.core.perimeter import Perimeter
from pratique.core.roots import Goal, every_root, minimal_sets
from pratique.core.route import Route


class ProofFacts(msgspec.Struct, frozen=True):
    """How one obligation is discharged.

    Attributes:
        obligation: Which.
        method: In one phrase.
        roots: What it rests on, sorted.
        where: "file.py:12 name" of our user's own callable, "" where the method is ours.
    """

    obligation: str
    method: str
    roots: tuple[str, ...]
    where: str


class WaiverFacts(msgspec.Struct, frozen=True):
    """What isn't proven for a time."""

    obligation: str
    reason: str
    owner: str
    until: date
    bound: str


class ClaimFacts(msgspec.Struct, frozen=True):
    """One kind of claim that may cross a boundary.

    Attributes:
        name: "invoice.paid", "order.read".
        digest: Of what is declared, without line numbers: what was tested is tested of this.
        proofs: One or more an obligation.
        waivers: What isn't proven for a time.
        effect: Where state changes, "" where nothing does.
        reached: Per goal of an attacker, the smallest sets of roots that suffice; an empty set
            means that nothing stands in the way.
        facts: More for the reviewer, name and sentence: "outbound", "forwarded".
    """

    name: str
    digest: str
    proofs: tuple[ProofFacts, ...]
    waivers: tuple[WaiverFacts, ...]
    effect: str
    reached: dict[str, tuple[tuple[str, ...], ...]]
    facts: dict[str, str] = {}


class Question(msgspec.Struct, frozen=True):
    """One of the guide's ten questions, answered from the declarations."""

    number: int
    question: str
    status: str
    text: str


class BoundaryFacts(msgspec.Struct, frozen=True):
    """One boundary.

    Attributes:
        mode: "enforced", "disabled", or "observed until … by …: reason".
        owes: The obligations of its kind, in their order.
        thieves: Root -> what its thief can do alone.
        controllers: Root -> who controls it.
    """

    name: str
    kind: str
    origin: str
    mode: str
    owes: tuple[str, ...]
    claims: tuple[ClaimFacts, ...]
    questions: tuple[Question, ...]
    thieves: dict[str, str]
    controllers: dict[str, str]


class RouteFacts(msgspec.Struct, frozen=True):
    """One route; see `pratique.core.route.Route`."""

    key: str
    state: str
    named: str
    where: str


class Evidence(msgspec.Struct, frozen=True):
    """What an application declares: all of it, and nothing that isn't declared.

    Attributes:
        debts: What stops its start, one sentence each.
    """

    boundaries: tuple[BoundaryFacts, ...]
    routes: tuple[RouteFacts, ...]
    debts: tuple[str, ...] = ()


def evidence_of(
    perimeter: Perimeter, routes: Iterable[Route] = (), debts: Iterable[str] = ()
) -> Evidence:
    """Collect what a perimeter and the routes of its application declare.

    Args:
        perimeter: Its boundaries need not have started; what only `Perimeter.debts` or a start can
            tell (which secret is set, which store proves `unique`) is then not said.
        routes: As the application's door sees them.
        debts: What is known to stop the start; they are neither looked for nor judged here.
    """
    return Evidence(
        boundaries=tuple(
            _boundary(each) for each in sorted(perimeter.boundaries, key=lambda b: b.name)
        ),
        routes=tuple(
            RouteFacts(route.key, str(route.state), route.named, route.where)
            for route in sorted(routes, key=lambda r: (r.path, r.methods))
        ),
        debts=tuple(sorted(set(debts))),
    )


def _boundary(boundary: Boundary) -> BoundaryFacts:
    declared = boundary.declarations()
    return BoundaryFacts(
        name=boundary.name,
        kind=boundary.kind,
        origin=boundary.origin,
        mode=_mode(boundary),
        owes=tuple(str(each) for each in named(boundary.owed_bits)),
        claims=tuple(_claim(boundary, each) for each in sorted(declared, key=lambda d: d.name)),
        questions=tuple(
            Question(each.number, each.question, str(each.status), each.text)
            for each in ten_questions(boundary)
        ),
        thieves=dict(blast_radius(boundary)),
        controllers={str(root): root.controller for root in every_root(declared)},
    )


def _mode(boundary: Boundary) -> str:
    if boundary.is_disabled:
        return "disabled"
    observe = boundary.observe
    if observe is not None:
        return f"observed until {observe.until} by {observe.owner}: {observe.reason}"
    return "enforced"


def _claim(boundary: Boundary, declared: Declaration) -> ClaimFacts:
    proofs = tuple(
        ProofFacts(
            str(each.obligation), each.method, tuple(str(root) for root in each.roots), each.where
        )
        for each in sorted(declared.proofs, key=_order)
    )
    waivers = tuple(
        WaiverFacts(str(each.obligation), each.reason, each.owner, each.until, each.bound)
        for each in declared.waivers
    )
    return ClaimFacts(
        name=declared.name,
        digest=digest_of(boundary, declared.name, proofs, waivers),
        proofs=proofs,
        waivers=waivers,
        effect=declared.effect,
        reached={
            str(goal): tuple(tuple(sorted(map(str, way))) for way in minimal_sets(declared, goal))
            for goal in Goal
        },
        facts=dict(sorted(declared.facts.items())),
    )


def _order(proof: Proof) -> tuple[int, str]:
    return list(Obligation).index(proof.obligation), proof.method


def digest_of(
    boundary: Boundary,
    name: str,
    proofs: Sequence[ProofFacts],
    waivers: Sequence[WaiverFacts],
) -> str:
    """Return 16 hex digits over what is declared of one kind of claim, without line numbers."""
    told = [
        boundary.kind,
        boundary.name,
        name,
        [(p.obligation, p.method, p.roots, unnumbered(p.where)) for p in proofs],
        [(w.obligation, w.until, w.bound) for w in waivers],
    ]
    return sha256(msgspec.json.encode(told)).hexdigest()[:16]


def unnumbered(where: str) -> str:
    """Return "file.py name" for "file.py:12 name": a line that moved isn't a change."""
    place, _, name = where.partition(" ")
    return f"{place.partition(':')[0]} {name}".strip()
