"""The report's last part: five scenarios, and what others call the ten questions."""

from collections.abc import Iterator

from .blocks import Anchored, Block, Cell, Heading, Link, Mark, Part, Sentence, Table
from .claims import Status
from .report import Report
from .requirements import requirements


def scenario_blocks(report: Report) -> Iterator[Block]:
    """Yield which boundary stands where the guide's five scenarios go wrong."""
    yield Heading(2, "Five scenarios", "scenarios")
    numbers = {each.facts.name: number for number, each in enumerate(report.boundaries, 1)}
    rows: list[tuple[Cell, ...]] = []
    for each in report.scenarios:
        covers: list[Part] = [Link(name, f"b{numbers[name]}") for name in each.boundaries]
        covers += [f"{name} is declared and enforces nothing" for name in each.idle]
        if not covers:
            covers = [Mark(str(Status.NOT_COVERED)), "no such boundary"]
        rows.append((each.title, each.mistake, each.kind, tuple(covers)))
    yield Table(
        "Which boundary stands where",
        ("Scenario", "Boundary mistake", "Kind of boundary", "Here"),
        tuple(rows),
    )


def requirement_blocks(report: Report) -> Iterator[Block]:
    """Yield the ids to which each question leads, and those that nothing here sees."""
    yield Heading(2, "Ids of requirements", "requirements")
    yield Sentence(
        "Where the evidence for an id is to be looked for, which is not the same as its being met: "
        "ASVS asks for verification by people. Sources: OWASP ASVS 5.0.0, OWASP API "
        "Security Top 10 2023; the CWE ids are partly our own choice."
    )
    rows: list[tuple[Cell, ...]] = []
    for row, asked in enumerate(requirements().question):
        here: list[Part] = []
        for number, each in enumerate(report.boundaries, 1):
            found = ", ".join(each.answers[row].established)
            here.append(Link(f"{each.facts.name}: {found}", f"b{number}-q{asked.number}"))
        ids = (
            ", ".join(asked.asvs),
            ", ".join(asked.api),
            ", ".join(f"CWE-{n}" for n in asked.cwe),
        )
        name = Anchored(f"Question {asked.number}", f"ids-q{asked.number}")
        rows.append((name, *ids, tuple(here) or Mark(Status.NOT_COVERED)))
    yield Table(
        "Questions and ids",
        ("Question", "ASVS 5.0.0, with level", "API Top 10", "CWE", "Here"),
        tuple(rows),
    )
    yield Heading(3, "Ids that pratique cannot see", "unseen")
    yield Sentence(
        f"{len(report.unseen)} of the {len(requirements().every_id())} requirements of ASVS 5.0.0: "
        f"{', '.join(_runs(report.unseen))}."
    )


def _runs(ids: tuple[str, ...]) -> Iterator[str]:
    """Yield "V3.1.1", "V3.2.1-3": what follows each other in one section stands together."""
    sections: dict[str, list[list[int]]] = {}
    for each in ids:
        section, _, number = each.rpartition(".")
        runs = sections.setdefault(section, [])
        if runs and int(number) == runs[-1][-1] + 1:
            runs[-1].append(int(number))
        else:
            runs.append([int(number)])
    for section, runs in sections.items():
        for run in runs:
            yield f"{section}.{run[0]}" + (f"-{run[-1]}" if len(run) > 1 else "")
