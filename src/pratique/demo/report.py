"""The report of the reference system: what its guarded APIs declare, and what their logs saw."""

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pratique.integrations.described import described
from pratique.report import Evidence, evidence_of
from pratique.report.html import html_of
from pratique.report.observed import read_events
from pratique.report.page import page_of
from pratique.report.report import report_of

from .table import Scenario

NAME: Final = "the reference system"


def write_report(played: Sequence[Scenario]) -> Path:
    """Write one page about every guarded API that was attacked; return its file.

    It stands in a folder of its own, beside the log that it counts, and stays there.

    Args:
        played: While the databases of their APIs are there.

    Raises:
        BoundaryError: a log can't be read.
    """
    folder = Path(tempfile.mkdtemp(prefix="pratique-demo-"))
    log = folder / "events.jsonl"
    log.write_bytes(
        b"".join(
            path.read_bytes() for scenario in played for path in scenario.events if path.exists()
        )
    )
    found = report_of(evidence(played), of=NAME, on=datetime.now(UTC).date(), log=read_events(log))
    page = folder / "report.html"
    page.write_text(html_of(page_of(found)), encoding="utf-8")
    return page


def evidence(played: Sequence[Scenario]) -> Evidence:
    """Return what all guarded APIs declare, as if they were one application."""
    told = [
        evidence_of(found.perimeter, found.routes(), [*found.perimeter.debts(), *found.debts()])
        for scenario in played
        for app in scenario.apps()
        if (found := described(app)) is not None
    ]
    return Evidence(
        boundaries=tuple(
            sorted((each for one in told for each in one.boundaries), key=lambda facts: facts.name)
        ),
        routes=tuple(each for one in told for each in one.routes),
        debts=tuple(each for one in told for each in one.debts),
    )
