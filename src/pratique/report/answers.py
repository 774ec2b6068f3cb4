"""The ten questions at one boundary, each with what there is to show for its answer."""

from collections.abc import Iterator
from typing import Final

import msgspec

from .claims import ClaimReport, Status, held, told, window
from .evidence import BoundaryFacts, Question
from .observed import Observed
from .requirements import Asked, requirements

_CHANGES: Final = 1
_FORGED: Final = 3
_POLICY: Final = 10
Shown = tuple[Status | None, str]
"""What a piece of evidence establishes, if anything, and its sentence; "" where it has none."""


class Answer(msgspec.Struct, frozen=True):
    """One of the ten questions at one boundary.

    Attributes:
        evidence: A sentence each: places, attack ids, counts with their time, digests.
    """

    asked: Asked
    question: str
    text: str
    established: tuple[Status, ...]
    evidence: tuple[str, ...]


def answers(
    boundary: BoundaryFacts, claims: tuple[ClaimReport, ...], seen: tuple[Observed, ...]
) -> tuple[Answer, ...]:
    """Return the ten answers of one boundary.

    Args:
        boundary: What it declares.
        claims: Its kinds of claim, with their evidence.
        seen: What an event log has of it, also of claims that it doesn't declare.
    """
    asked = {each.number: each for each in requirements().question}
    return tuple(
        _answer(boundary, each, asked[each.number], claims, seen) for each in boundary.questions
    )


def _answer(
    boundary: BoundaryFacts,
    question: Question,
    asked: Asked,
    claims: tuple[ClaimReport, ...],
    seen: tuple[Observed, ...],
) -> Answer:
    shown: list[Shown] = []
    if question.status != Status.NOT_COVERED:
        digests = ", ".join(f"{each.facts.name or 'it'} {each.facts.digest}" for each in claims)
        shown.append((Status.DECLARED, f"declared as {digests}" if digests else ""))
    for claim in claims:
        shown += _of_rows(claim, asked)
        if asked.number == _CHANGES and claim.facts.effect:
            shown.append((None, f"own code {claim.facts.effect}"))
        if asked.number == _FORGED:
            shown += _of_tests(claim)
    if asked.number in (_CHANGES, _POLICY):
        shown += [(Status.OBSERVED, _counts(each)) for each in seen]
    if boundary.mode != "enforced":
        shown.append((None, f"not enforced: {boundary.mode}"))
    found = {status for status, _ in shown}
    return Answer(
        asked,
        question.question,
        question.text,
        tuple(each for each in Status if each in found) or (Status.NOT_COVERED,),
        tuple(dict.fromkeys(sentence for _, sentence in shown if sentence)),
    )


def _of_rows(claim: ClaimReport, asked: Asked) -> Iterator[Shown]:
    place = _place(claim)
    for row in claim.rows:
        if row.obligation not in asked.obligations:
            continue
        # What isn't owed and has no proof says nothing; what is waived says that it isn't covered.
        if row.is_owed or row.established != (Status.NOT_COVERED,):
            yield from ((status, "") for status in row.established)
        yield from ((None, f"own code {each.where}") for each in row.proofs if each.where)
        if row.waiver is not None:
            yield (
                Status.NOT_COVERED,
                f"{place}: {row.obligation} is waived until {row.waiver.until}",
            )
        yield from ((None, f"{place}: tested, {each}") for each in row.tested)
        if row.observed:
            yield None, f"{place}: {row.obligation} {row.observed}"


def _of_tests(claim: ClaimReport) -> Iterator[Shown]:
    for each in claim.tested:
        yield (
            Status.TESTED if held(each) else None,
            f"{_place(claim)}: tested, {told(each)}",
        )


def _counts(seen: Observed) -> str:
    counts = ", ".join(f"{outcome} {number}" for outcome, number in seen.outcomes.items())
    return f"{seen.claim or 'before its kind was known'}: {counts}, {window(seen)}"


def _place(claim: ClaimReport) -> str:
    return claim.facts.name or "it"
