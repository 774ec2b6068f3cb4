"""One boundary's part of the page: its proofs, its ten questions, its blast radius."""

from collections.abc import Iterator

from .answers import Answer
from .blocks import Anchored, Block, Bullets, Cell, Heading, Link, Mark, Part, Sentence, Table
from .claims import ClaimReport, Row, Status, told
from .evidence import ProofFacts
from .report import BoundaryReport

_ASKED = frozenset({"outbound", "forwarded"})
"""Facts that answer questions 7 and 8."""
OWN_CODE = "own code {}: we ran it; we don't judge that it is right"


def boundary_blocks(number: int, boundary: BoundaryReport) -> Iterator[Block]:
    """Yield everything of one boundary.

    Args:
        number: From 1; its anchors begin with it.
        boundary: What is known of it.
    """
    facts, anchor = boundary.facts, f"b{number}"
    yield Heading(2, f"Boundary {facts.name}", anchor)
    yield Sentence(
        f"Kind: {facts.kind}. Who originally says it: {facts.origin}. Mode: {facts.mode}. "
        f"Owes: {', '.join(facts.owes) or 'nothing'}."
    )
    for place, claim in enumerate(boundary.claims, 1):
        yield from _claim(number, place, facts.name, claim)
    yield Heading(3, f"The ten questions, of {facts.name}", f"{anchor}-questions")
    yield Table(
        f"Answers of {facts.name}",
        ("Question", "Answer", "Established", "Evidence"),
        tuple(_answer(number, answer) for answer in boundary.answers),
    )
    yield Heading(3, f"Blast radius, of {facts.name}", f"{anchor}-radius")
    yield Sentence(
        "What the owner of each root can do alone, with honest claims and an ordinary account."
    )
    yield Table(
        f"Roots of {facts.name}",
        ("Root", "Who controls it", "What its thief can do alone"),
        tuple((root, facts.controllers.get(root, "-"), can) for root, can in facts.thieves.items()),
    )
    yield Table(
        f"Smallest sets of roots, of {facts.name}",
        ("Kind of claim", "invent", "repeat", "misdirect", "escalate", "suppress"),
        tuple(
            (
                claim.facts.name or "-",
                *(_sets(claim.facts.reached.get(goal, ())) for goal in _GOALS),
            )
            for claim in boundary.claims
        ),
    )


_GOALS = ("invent", "repeat", "misdirect", "escalate", "suppress")


def _sets(ways: tuple[tuple[str, ...], ...]) -> Cell:
    if () in ways:
        return (Mark("not covered"), "nothing declared stands in the way")
    return tuple(" and ".join(way) for way in ways) or "no set suffices"


def _claim(number: int, place: int, boundary: str, claim: ClaimReport) -> Iterator[Block]:
    facts = claim.facts
    name = f"{boundary} {facts.name}".rstrip()
    yield Heading(3, f"Proofs of {name}", f"b{number}-c{place}")
    changes = f"It changes state in {facts.effect}. " if facts.effect else "It changes nothing. "
    yield Sentence(f"{changes}Digest of the declaration: {facts.digest}.")
    yield Table(
        f"Obligations of {name}",
        ("Obligation", "Established", "Proof", "Rests on", "Tested", "Observed"),
        tuple(_row(row) for row in claim.rows),
    )
    more = [f"{name}: {text}" for name, text in facts.facts.items() if name not in _ASKED]
    if more:
        yield Sentence("Declared besides:")
        yield Bullets(tuple(more))
    if claim.tested:
        yield Sentence(f"Tested: {'; '.join(told(each) for each in claim.tested)}.")


def _row(row: Row) -> tuple[Cell, ...]:
    proofs: list[Part] = [text for proof in row.proofs for text in _proof(proof)]
    if row.waiver is not None:
        waiver = row.waiver
        proofs.append(
            f"WAIVED until {waiver.until} by {waiver.owner}: {waiver.reason}; bound: {waiver.bound}"
        )
    if not proofs:
        proofs.append("none" if row.is_owed else "none; not owed here")
    roots = dict.fromkeys(root for proof in row.proofs for root in proof.roots)
    return (
        row.obligation,
        tuple(Mark(str(each), is_calm=_is_calm(row, each)) for each in row.established),
        tuple(proofs),
        tuple(roots) or "-",
        row.tested or "-",
        row.observed or "-",
    )


def _is_calm(row: Row, status: Status) -> bool:
    return status is Status.NOT_COVERED and not row.is_owed and row.waiver is None


def _proof(proof: ProofFacts) -> tuple[str, ...]:
    own = (OWN_CODE.format(proof.where),) if proof.where else ()
    return (proof.method, *own)


def _answer(number: int, answer: Answer) -> tuple[Cell, ...]:
    asked = f"{answer.asked.number}. {answer.question}"
    return (
        (
            Anchored(asked, f"b{number}-q{answer.asked.number}"),
            Link("Ids", f"ids-q{answer.asked.number}"),
        ),
        answer.text,
        tuple(Mark(str(each)) for each in answer.established),
        answer.evidence or "-",
    )
