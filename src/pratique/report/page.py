"""The report as a page, before it is HTML or Markdown."""

from collections.abc import Iterator

from .blocks import (
    Block,
    Bullets,
    Cell,
    Heading,
    Link,
    Mark,
    Page,
    Picture,
    Sentence,
    Table,
    without_empty_columns,
)
from .boundary_page import boundary_blocks
from .claims import Status, times
from .report import Report
from .requirements_page import requirement_blocks, scenario_blocks
from .svg import destination, map_of
from .unguarded import MEANING, Kind, Level

TITLE = "What {} proves, and what it does not"


def page_of(report: Report) -> Page:
    """Return the page of a report; what is not guarded comes first."""
    return Page(
        TITLE.format(report.of),
        (
            Heading(1, TITLE.format(report.of), "top"),
            Sentence(
                f"Written for {report.on} from the live declarations of the application. "
                "It tells evidence, not a verdict: people judge."
            ),
            *_not_guarded(report),
            *_how_to_read(report),
            *_map(report),
            *_matrix(report),
            *(
                block
                for number, each in enumerate(report.boundaries, 1)
                for block in boundary_blocks(number, each)
            ),
            *scenario_blocks(report),
            *requirement_blocks(report),
            *_log(report),
        ),
    )


def _not_guarded(report: Report) -> Iterator[Block]:
    yield Heading(2, "What is not guarded", "not-guarded")
    levels = [hole.level for hole in report.not_guarded]
    counts = ", ".join(
        f"{levels.count(each)} {each}{'s' * (levels.count(each) != 1)}" for each in Level
    )
    yield Sentence(f"{counts}; worst first.")
    if not report.not_guarded:
        yield Sentence("Nothing was found of what can be seen from here.")
    for kind in Kind:
        found = [hole for hole in report.not_guarded if hole.kind is kind]
        if not found:
            continue
        yield Heading(3, f"{MEANING[kind]} ({len(found)})", f"hole-{list(Kind).index(kind)}")
        table = without_empty_columns(
            Table(
                f"{found[0].level.title()}: {kind.replace('_', ' ')}",
                ("What", "Why, by whom, until when", "Where"),
                tuple((hole.what, hole.why or "-", hole.where or "-") for hole in found),
            )
        )
        yield table if len(table.header) > 1 else Bullets(tuple(row[0] for row in table.rows))
    yield Heading(3, "What pratique cannot see", "blind")
    yield Bullets(report.blind)


def _how_to_read(report: Report) -> Iterator[Block]:
    yield Heading(2, "How to read this", "how-to-read")
    yield Bullets(
        (
            "declared: the application says so in its code, and would not start without.",
            "tested: an attack was tried on this very declaration, and ended as it should.",
            "observed: the event log has crossings that proved or refused it.",
            "not covered: nothing of that is known here.",
            "own code: a callable of the application. We ran it; we don't judge that it is right.",
        )
    )
    told = (
        f"{report.tested} results of tests count" if report.tested else "No result of a test counts"
    )
    stale = f"; {report.stale} are of other declarations and don't" if report.stale else ""
    yield Sentence(f"{told}{stale}. {_log_told(report)}")


def _log_told(report: Report) -> str:
    if report.log is None:
        return "No event log was read: nothing here is observed."
    return f"The event log {report.log.source} has {report.log.records} records."


def _map(report: Report) -> Iterator[Block]:
    yield Heading(2, "Boundary map", "map")
    if not report.boundaries:
        yield Sentence("The application declares no boundary.")
        return
    yield Picture(map_of(report.of, tuple(each.facts for each in report.boundaries)))
    yield Table(
        "The map in words",
        ("Boundary", "Kind", "Mode", "Who originally says it", "What goes out", "Roots of trust"),
        tuple(
            (
                Link(each.facts.name, f"b{number}"),
                each.facts.kind,
                each.facts.mode,
                each.facts.origin,
                destination(each.facts) or "-",
                tuple(each.facts.controllers) or "-",
            )
            for number, each in enumerate(report.boundaries, 1)
        ),
    )


def _matrix(report: Report) -> Iterator[Block]:
    if not report.boundaries:
        return
    yield Heading(2, "The ten questions at a glance", "questions")
    names = tuple(
        each.facts.name if each.facts.mode == "enforced" else f"{each.facts.name} (not enforced)"
        for each in report.boundaries
    )
    asked = report.boundaries[0].answers
    yield Table(
        "How each answer is established",
        ("Question", *names),
        tuple(
            (
                f"{question.asked.number}. {question.question}",
                *(marks(each.answers[row].established) for each in report.boundaries),
            )
            for row, question in enumerate(asked)
        ),
    )


def marks(established: tuple[Status, ...]) -> Cell:
    """Return the words, one below the other."""
    return tuple(Mark(str(each)) for each in established)


def _log(report: Report) -> Iterator[Block]:
    if report.log is None:
        return
    yield Heading(2, "The event log", "log")
    told = (
        f", and {times(report.log.unreadable)} a line is no record" if report.log.unreadable else ""
    )
    yield Sentence(f"{_log_told(report)[:-1]}{told}. Refusals before authentic are sampled there.")
    if report.log.seen:
        yield Table(
            "Crossings by outcome",
            ("Boundary", "Kind of claim", "Outcomes", "From", "To", "Last refusal"),
            tuple(
                (
                    each.boundary,
                    each.claim or "before it was known",
                    tuple(f"{outcome}: {n}" for outcome, n in each.outcomes.items()),
                    each.first.isoformat(),
                    each.last.isoformat(),
                    each.last_refusal or "-",
                )
                for each in report.log.seen
            ),
        )
