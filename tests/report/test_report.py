"""The report says first what is not guarded, and of each answer how it is established."""

from pathlib import Path

import pytest

from pratique.report import Evidence
from pratique.report.claims import Status
from pratique.report.observed import count, read_events
from pratique.report.report import report_of
from pratique.report.requirements import requirements
from pratique.report.unguarded import LEVELS, Kind, Level
from tests.report.apps import (
    TODAY,
    as_json,
    boundary,
    demo_evidence,
    empty_report,
    full_report,
    records,
    tried,
    waiver,
)

KINDS = ["webhook", "fetch", "partner", "service", "client", "forwarded"]


def established(number: int, **more: object) -> tuple[Status, ...]:
    """Return how an answer of one boundary is established."""
    report = report_of(Evidence((boundary(),), ()), of="a", on=TODAY, **more)
    return report.boundaries[0].answers[number - 1].established


def test_every_sort_of_hole_is_told() -> None:
    """Each kind appears once it is there; the worst stand first."""
    holes = full_report().not_guarded
    assert set(Kind) - {hole.kind for hole in holes} == {
        Kind.EGRESS_NOT_WATCHED,
        Kind.NO_ROUTES_SEEN,
    }
    levels = [list(Level).index(LEVELS.get(hole.kind, Level.NOTE)) for hole in holes]
    assert levels == sorted(levels)


def test_what_cannot_be_seen_is_told_too() -> None:
    """An application without routes and without a watch isn't said to be without holes."""
    told = {hole.kind for hole in empty_report().not_guarded}
    assert told == {Kind.EGRESS_NOT_WATCHED, Kind.NO_ROUTES_SEEN}


def test_a_claim_is_declared_tested_and_observed() -> None:
    """Each status comes from its own source, and is gone with it."""
    assert established(4) == (Status.DECLARED,)
    log = count(records(), source="events")
    assert established(4, log=log) == (Status.DECLARED, Status.OBSERVED)
    against = {"WH-03": ("authentic",)}
    assert established(4, tested=[tried()], against=against) == (Status.DECLARED, Status.TESTED)
    assert established(3, tested=[tried()]) == (Status.DECLARED, Status.TESTED, Status.NOT_COVERED)
    assert established(9)[-1] is Status.NOT_COVERED


@pytest.mark.parametrize("result", [tried(digest="of another"), tried("failed")])
def test_a_result_that_does_not_hold_counts_for_nothing(result: object) -> None:
    """A test of another declaration, or one that failed, establishes nothing."""
    assert Status.TESTED not in established(3, tested=[result])


def test_a_failed_test_is_a_hole_while_the_declaration_stands() -> None:
    """It is told first; once the declaration has changed it says nothing any more."""
    for result, is_hole in ((tried("failed"), True), (tried("failed", "of another"), False)):
        report = report_of(Evidence((boundary(),), ()), of="a", on=TODAY, tested=[result])
        assert any(hole.kind is Kind.FAILED_TEST for hole in report.not_guarded) is is_hole


def test_what_is_waived_is_not_covered() -> None:
    """The row of a waived obligation says so, beside those that are declared."""
    facts = boundary(waivers=(waiver(),))
    rows = report_of(Evidence((facts,), ()), of="a", on=TODAY).boundaries[0].claims[0].rows
    told = {row.obligation: row.established for row in rows}
    assert told["fresh"] == (Status.NOT_COVERED,)
    assert told["authentic"] == (Status.DECLARED,)


def test_counts_come_with_their_time() -> None:
    """Proven, refused, from when to when."""
    log = count(records(), source="events")
    report = report_of(Evidence((boundary(),), ()), of="a", on=TODAY, log=log)
    linked = next(r for r in report.boundaries[0].claims[0].rows if r.obligation == "linked")
    assert linked.observed == (
        "proven 2 times, refused once, from 2026-11-26T10:00:00+00:00 to 2026-11-26T12:00:00+00:00"
    )


def test_a_line_that_is_no_record_is_counted_as_that(tmp_path: Path) -> None:
    """A log that was cut, or written by somebody else, doesn't stop the report."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"crossing_id": 1}\n\xff\n[[[[\n')
    log = read_events(path)
    assert (log.records, log.unreadable) == (0, 3)


def test_a_scenario_without_a_boundary_is_not_covered() -> None:
    """One that is there covers; one that only observes is named, and covers nothing."""
    facts = (boundary(), boundary("watched", "partner", mode="observed until …"))
    found = {s.kind: s for s in report_of(Evidence(facts, ()), of="a", on=TODAY).scenarios}
    assert found["webhook"].boundaries == ("payments",)
    assert (found["partner"].boundaries, found["partner"].idle) == ((), ("watched",))
    assert (found["fetch"].boundaries, found["fetch"].idle) == ((), ())


def test_the_guarded_applications_of_the_demo_have_all_six_kinds(tmp_path: Path) -> None:
    """Each owed obligation of each is declared, and each scenario has its boundary."""
    evidence = demo_evidence(tmp_path)
    report = report_of(evidence, of="demo", on=TODAY)
    assert sorted(each.facts.kind for each in report.boundaries) == sorted(KINDS)
    assert evidence.debts == ()
    for each in report.boundaries:
        owed = [row for claim in each.claims for row in claim.rows if row.is_owed]
        assert [row for row in owed if row.established == (Status.NOT_COVERED,)] == []
    assert all(scenario.boundaries for scenario in report.scenarios)


def test_the_same_input_gives_the_same_report() -> None:
    """Nothing of it depends on the run."""
    assert as_json(full_report()) == as_json(full_report())


def test_each_id_that_a_question_leads_to_exists() -> None:
    """ASVS 5.0.0 has 345 requirements; what isn't mapped is listed as unseen."""
    found = requirements()
    every = found.every_id()
    mapped = {each.partition(" ")[0] for asked in found.question for each in asked.asvs}
    assert (len(every), len(set(every))) == (345, 345)
    assert mapped <= set(every)
    assert mapped | set(found.unseen()) == set(every)
    assert [asked.number for asked in found.question] == list(range(1, 11))
