"""The report: the ten questions with their evidence, and first what is not guarded."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

import msgspec

from .answers import Answer, answers
from .claims import NOTHING, Against, ClaimReport, claim_report
from .evidence import BoundaryFacts, Evidence
from .observed import Log
from .requirements import requirements
from .tested import Tried
from .unguarded import Unguarded, unguarded

BLIND: Final = (
    "Handlers and rules of the application: callables of its own are run, not judged.",
    "What unsafe.vouch lets pass: its reason is logged, and stands in no declaration.",
    "Routes of other applications, processes and hosts, and what a gateway answers by itself.",
    "Messages of a websocket, and what lies behind a mount of another framework.",
    "Connections that code in C opens by itself (libpq, libcurl, gRPC), and lookups of names.",
    "How secrets are stored and rotated, how TLS is configured, who may change the declarations.",
    "Browsers, log-in, sessions' storage, files at rest: no proof of a boundary is about them.",
)
"""What pratique cannot see, whatever is declared."""


class BoundaryReport(msgspec.Struct, frozen=True):
    """One boundary."""

    facts: BoundaryFacts
    claims: tuple[ClaimReport, ...]
    answers: tuple[Answer, ...]


class ScenarioReport(msgspec.Struct, frozen=True):
    """One of the guide's scenarios.

    Attributes:
        boundaries: Names of those of its kind that enforce; empty: not covered.
        idle: Names of those of its kind that don't.
    """

    title: str
    mistake: str
    kind: str
    boundaries: tuple[str, ...]
    idle: tuple[str, ...]


class Report(msgspec.Struct, frozen=True):
    """Everything that a report says; each format shows the same.

    Attributes:
        of: The application, as it was named.
        on: The day for which it is written, UTC.
        stale: How many results of tests are of other declarations than these.
    """

    of: str
    on: date
    not_guarded: tuple[Unguarded, ...]
    blind: tuple[str, ...]
    boundaries: tuple[BoundaryReport, ...]
    scenarios: tuple[ScenarioReport, ...]
    unseen: tuple[str, ...]
    log: Log | None
    tested: int
    stale: int


def report_of(
    evidence: Evidence,
    *,
    of: str,
    on: date,
    log: Log | None = None,
    tested: Iterable[Tried] = (),
    against: Against = NOTHING,
    egress: Mapping[str, str] | None = None,
) -> Report:
    """Return what is known of an application.

    Args:
        evidence: What it declares.
        of: How to call it: "shop.main:app".
        on: The day, UTC, on which waivers are judged.
        log: What an event log saw.
        tested: Results of the test kit; those of other declarations count for nothing.
        against: Attack -> the obligations that may refuse it, as far as they are known.
        egress: Modules that connect by themselves, each with its reason; None where nothing counts
            connections.
    """
    results = tuple(tested)
    boundaries = tuple(_boundary(each, log, results, against) for each in evidence.boundaries)
    current = sum(len(claim.tested) for each in boundaries for claim in each.claims)
    return Report(
        of=of,
        on=on,
        not_guarded=unguarded(evidence, on=on, log=log, tested=results, egress=egress),
        blind=BLIND,
        boundaries=boundaries,
        scenarios=_scenarios(evidence.boundaries),
        unseen=requirements().unseen(),
        log=log,
        tested=current,
        stale=len(results) - current,
    )


def _boundary(
    facts: BoundaryFacts, log: Log | None, tested: tuple[Tried, ...], against: Against
) -> BoundaryReport:
    seen = {each.claim: each for each in (log.seen if log else ()) if each.boundary == facts.name}
    claims = tuple(
        claim_report(facts, each, seen.get(each.name), tested, against) for each in facts.claims
    )
    return BoundaryReport(facts, claims, answers(facts, claims, tuple(seen.values())))


def _scenarios(boundaries: tuple[BoundaryFacts, ...]) -> tuple[ScenarioReport, ...]:
    return tuple(
        ScenarioReport(
            each.title,
            each.mistake,
            each.kind,
            tuple(b.name for b in boundaries if b.kind == each.kind and b.mode == "enforced"),
            tuple(b.name for b in boundaries if b.kind == each.kind and b.mode != "enforced"),
        )
        for each in requirements().scenario
    )
