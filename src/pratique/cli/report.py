"""`pratique report`: what an application proves, and first what it does not."""

from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer

from pratique.client import attacks as client
from pratique.core.refusal import BoundaryError
from pratique.fetch import naked
from pratique.integrations.described import Described
from pratique.report import evidence_of
from pratique.report.html import html_of
from pratique.report.json import json_of
from pratique.report.markdown import markdown_of
from pratique.report.observed import read_events
from pratique.report.page import page_of
from pratique.report.report import Report, report_of
from pratique.report.sarif import sarif_of
from pratique.report.tested import read_tested
from pratique.service import attacks as service
from pratique.webhook import attacks as webhook

from .application import named_place
from .lock import LOCK, App, File, StandIns, baselined, legacy_in, looked_at
from .sources import sources_under

TESTED: Final = Path(".pratique/tested.json")


class Format(StrEnum):
    """In which form."""

    HTML = "html"
    MD = "md"
    JSON = "json"
    SARIF = "sarif"


def report(
    *,
    app: App = None,
    format: Annotated[Format, typer.Option(help="In which form.")] = Format.HTML,
    events: Annotated[Path | None, typer.Option(help="An event log: a file of JSON lines.")] = None,
    tested: Annotated[Path, typer.Option(help="Results of the test kit.")] = TESTED,
    out: Annotated[Path | None, typer.Option(help="Where to write it; else it is printed.")] = None,
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day on which waivers are judged; today, UTC."),
    ] = None,
    file: File = LOCK,
    secrets: StandIns = True,
) -> None:
    """Answer the ten questions with evidence, and say first what is not guarded."""
    day = (on or datetime.now(UTC)).replace(tzinfo=UTC)
    with looked_at(app, secrets=secrets, at=on and day) as (told, debts):
        try:
            found = report_of(
                evidence_of(
                    told.perimeter, baselined(told, legacy_in(file)), [*debts, *told.debts()]
                ),
                of=named_place(app),
                on=day.date(),
                log=None if events is None else read_events(events),
                tested=read_tested(tested),
                against=_refused_by(),
                egress=_egress(told),
            )
        except BoundaryError as error:
            raise typer.BadParameter(str(error)) from None
    text = written(found, format)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{out} can't be written: {error.strerror}"
        raise typer.BadParameter(message) from None


def _refused_by() -> dict[str, tuple[str, ...]]:
    """Return the obligation that refuses each attack of the test kit that only one may refuse."""
    every = (*webhook.ATTACKS, *client.ATTACKS, *service.ATTACKS)
    alone = (attack for attack in every if len(attack.refused_by) == 1)
    return {attack.id: tuple(map(str, attack.refused_by)) for attack in alone}


def written(found: Report, format: Format) -> str:
    """Return a report in a form."""
    if format is Format.JSON:
        return json_of(found)
    if format is Format.SARIF:
        sources = sources_under(Path.cwd())
        return sarif_of(found, version=version("pratique"), sources=sources)
    page = page_of(found)
    return html_of(page) if format is Format.HTML else markdown_of(page)


def _egress(told: Described) -> dict[str, str] | None:
    watches = [each for each in told.perimeter.watchers if isinstance(each, naked.Watch)]
    if not watches:
        return None
    return {module: why for each in watches for module, why in each.elsewhere.items()}
