"""The commands."""

from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated

import typer

from pratique.core.break_glass import break_glass
from pratique.core.event import Record
from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.store import AsyncStore
from pratique.events import JsonLines, SqliteEvents
from pratique.events.sqlite import is_sqlite
from pratique.stores import asweep
from pratique.stores import sweep as sweep_of

from . import lock
from .application import application, named_place
from .events import events as events_of
from .forwarded import forwarded
from .inbox import inbox
from .issuer import issuer
from .opened import asked
from .report import report
from .webhook import webhook
from .wording import counted

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # a local can be a secret
    help="No claim crosses without proof.",
)
app.add_typer(events_of, name="events")
app.add_typer(forwarded, name="forwarded")
app.add_typer(inbox, name="inbox")
app.add_typer(issuer, name="issuer")
app.add_typer(webhook, name="webhook")
for command in (lock.routes, lock.lock, lock.check, lock.diff, report):
    app.command()(command)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(version_of("pratique"))


@app.command()
def demo(
    *,
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep the processes running until Ctrl-C.")
    ] = False,
) -> None:
    """Attack a webhook, a preview, a partner's score, orders and a gateway, guarded and not."""
    from pratique.demo.run import run_demo

    raise typer.Exit(run_demo(keep_serving=serve))


@app.command()
def why(
    crossing_id: Annotated[str, typer.Argument(help="From the crossing-id field of an answer.")],
    events: Annotated[
        Path | None, typer.Option(help="Written by JsonLines or SqliteEvents.")
    ] = None,
    perimeter: Annotated[
        str | None, typer.Option(help="module:attribute; without --events else PRATIQUE_APP.")
    ] = None,
) -> None:
    """Tell one crossing: what came, what was owed, what to do."""
    if events is None and perimeter is None:
        try:
            perimeter = named_place(None)
        except typer.BadParameter:
            message = (
                "say where to look: --events FILE of a sink, --perimeter MODULE:ATTRIBUTE, or the "
                "variable PRATIQUE_APP"
            )
            raise typer.BadParameter(message) from None
    record: Record | None = None
    if events is not None:
        if not events.is_file():
            message = f"{events} is no file"
            raise typer.BadParameter(message)
        sink = SqliteEvents(events) if is_sqlite(events) else JsonLines(events)
        record = sink.find(crossing_id)
    if record is None and perimeter is not None:
        record = _stored(application(perimeter).perimeter, crossing_id)
    if record is None:
        typer.echo(
            f"{crossing_id}: not recorded there. A store keeps effects and refusals after "
            "`authentic`; duplicates, ignored ones and earlier refusals go to the sinks alone, "
            "and refusals before `authentic` are sampled there.",
            err=True,
        )
        raise typer.Exit(1)
    for line in told(record):
        typer.echo(line)


@app.command()
def sweep(
    perimeter: Annotated[str, typer.Argument(help="module:attribute of the perimeter.")],
) -> None:
    """Delete what can't matter any more of what its store keeps: see `pratique.stores.sweep`."""
    store = application(perimeter).perimeter.store
    if store is None:
        message = f"{perimeter} has no store"
        raise typer.BadParameter(message)
    try:
        deleted = asked(
            store, on_loop=lambda _: asweep(store), here=lambda _: sweep_of(store), nothing=0
        )
    except (BoundaryError, StoreError) as error:
        typer.echo(f"the store can't be swept: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(counted(deleted, "key or content was deleted", "keys and contents were deleted"))


@app.command()
def warnings(
    perimeter: Annotated[str, typer.Argument(help="module:attribute of the perimeter.")],
) -> None:
    """List what isn't proven and ends soon: observing boundaries, waivers, a broken glass."""
    found = application(perimeter).perimeter
    debts = break_glass(found.boundaries, found.clock())
    for sentence in (*debts, *found.warnings()):
        typer.echo(sentence)
    if debts:
        raise typer.Exit(1)


def told(record: Record) -> list[str]:
    """Return a record in words, a line each."""
    lines = [f"{record.crossing_id} at {record.at.isoformat()}"]
    lines.append(f"boundary    {record.boundary} ({record.kind}) {record.declaration}".rstrip())
    lines.append(f"outcome     {record.outcome}")
    for name in (
        "obligation",
        "code",
        "detail",
        "hint",
        "error",
        "secret",
        "key",
        "within",
        "incident",
    ):
        value = getattr(record, name)
        if value:
            lines.append(f"{name:<11} {value}")
    if record.marks:
        lines.append(f"marks       {', '.join(record.marks)}")
    lines.append(f"proven      {', '.join(record.proofs) or 'nothing'}")
    return lines


def _stored(perimeter: Perimeter, crossing_id: str) -> Record | None:
    found, store = perimeter.recorder.find(crossing_id), perimeter.store
    if found is not None or store is None:
        return found

    async def on_loop(face: AsyncStore) -> Record | None:
        return await face.find(crossing_id)

    try:
        return asked(store, on_loop=on_loop, here=lambda face: face.find(crossing_id), nothing=None)
    except (BoundaryError, StoreError) as error:
        typer.echo(f"the store can't be asked: {error}", err=True)
        raise typer.Exit(1) from None
