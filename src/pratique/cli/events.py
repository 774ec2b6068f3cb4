"""`pratique events`: ships what the file of a sink holds, and tells whether it was changed."""

import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import msgspec
import typer

from pratique.core.event import Record, decode_record
from pratique.core.refusal import BoundaryError
from pratique.core.secret import Secret
from pratique.events.head import Head
from pratique.events.ocsf import ocsf_event
from pratique.events.ocsf_storm import Storms
from pratique.events.sqlite import is_sqlite, rows_of
from pratique.events.verify import Finding, Problem, Verification, heads_in

from .wording import counted

FORMATS: Final = ("ocsf",)
MAX_LINE_BYTES: Final = 1 << 20
EXITS: Final = {
    Problem.BROKEN: 3,
    Problem.MISSING: 5,
    Problem.TRUNCATED: 4,
    Problem.BEHEADED: 6,
}
"""With which `verify` ends; where several are found, the first of these."""
events = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a local can be a secret
    help="Ship the records of crossings, and verify them.",
)


@events.callback()
def group() -> None:
    """Keep each a command of its own name."""


@events.command()
def export(
    file: Annotated[Path, typer.Argument(help="Written by JsonLines or SqliteEvents.")],
    *,
    form: Annotated[str, typer.Option("--format", help=", ".join(FORMATS))] = "ocsf",
    out: Annotated[Path | None, typer.Option(help="Where to; standard output by default.")] = None,
) -> None:
    """Write each record as an event of OCSF 1.8, a line each, and a finding for each storm."""
    if form not in FORMATS:
        raise typer.BadParameter(f"--format is one of {', '.join(FORMATS)}")
    unreadable: list[int] = []
    try:
        lines = rendered(_records(file, unreadable))
        if out is None:
            for line in lines:
                sys.stdout.buffer.write(line)
            sys.stdout.flush()
        else:
            with out.open("wb") as target:
                target.writelines(lines)
    except OSError as error:
        raise typer.BadParameter(f"{error.filename or file}: {error.strerror}") from None
    if unreadable:
        shown = ", ".join(map(str, unreadable[:10]))
        what = counted(
            len(unreadable), "line is no record, and was", "lines are no records, and were"
        )
        typer.echo(f"{what} left out: {shown}", err=True)
        raise typer.Exit(1)


@events.command()
def verify(
    files: Annotated[list[Path], typer.Argument(help="Of chained lines, the oldest first.")],
    *,
    heads: Annotated[Path, typer.Option(help="What the witness has: a head a line.")],
    key: Annotated[list[str], typer.Option(help="Variable with the chain's key; several: rolled.")],
    since: Annotated[
        datetime | None, typer.Option(help="What is older was deleted on purpose. UTC.")
    ] = None,
) -> None:
    """Tell whether lines are as they were written: 0.

    3 broken, 4 truncated, 5 a writer is missing, 6 cut off at the beginning.
    """
    at = since.replace(tzinfo=UTC) if since is not None else None
    checked = Verification(_keys(key), _heads(heads), since=at)
    worst: set[Problem] = set()
    for found in _found(checked, files):
        worst.add(found.problem)
        typer.echo(f"{found.problem}: {found.told}")
    lines = counted(checked.lines, "line", "lines")
    are = "is as it was" if checked.lines == 1 else "are as they were"
    writers = counted(checked.writers, "writer", "writers")
    typer.echo(
        f"{lines} of {writers} {are} written, "
        f"{checked.unwitnessed} came after the newest head of their writer"
    )
    if checked.beheaded:
        what = counted(checked.beheaded, "chain begins in its", "chains begin in their")
        typer.echo(f"{what} middle: the first line is unproven")
    if checked.fragments:
        what = counted(
            checked.fragments,
            "line is a part of one, and no record",
            "lines are parts of one, and no records",
        )
        typer.echo(what)
    for problem in Problem:
        if problem in worst:
            raise typer.Exit(EXITS[problem])


def rendered(records: Iterable[Record]) -> Iterator[bytes]:
    """Yield the events of some records as lines, and the finding of a storm when it is over."""
    encode, watch = msgspec.json.Encoder().encode, Storms()
    for record in records:
        yield encode(ocsf_event(record)) + b"\n"
        yield from (encode(found) + b"\n" for found in watch.see(record))
    yield from (encode(found) + b"\n" for found in watch.rest())


def _found(checked: Verification, files: list[Path]) -> Iterator[Finding]:
    for file in files:
        try:
            with file.open("rb") as source:
                yield from checked.read(_lines(source), name=file.name)
        except OSError as error:
            raise typer.BadParameter(f"{file}: {error.strerror}") from None
    yield from checked.end()


def _keys(variables: list[str]) -> list[bytes]:
    for name in variables:
        if name not in os.environ:  # a Secret's own advice is for boundaries
            raise typer.BadParameter(f"the variable {name} isn't set: give it the chain's key")
    try:
        return [live.value.encode() for name in variables for live in Secret.env(name).read()]
    except BoundaryError as error:
        raise typer.BadParameter(str(error)) from None


def _heads(path: Path) -> list[Head]:
    try:
        found = heads_in(path.read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise typer.BadParameter(f"{path}: a line is no head: {error}") from None
    if not found:
        raise typer.BadParameter(f"{path} holds no head: nothing was witnessed")
    return found


def _lines(source: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: source.readline(MAX_LINE_BYTES), b"")


def _records(file: Path, unreadable: list[int]) -> Iterator[Record]:
    for number, line in enumerate(rows_of(file) if is_sqlite(file) else _lines_of(file), 1):
        try:
            yield decode_record(line)
        except ValueError:
            if line.strip():  # one that ends a torn line may be empty
                unreadable.append(number)


def _lines_of(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        yield from _lines(source)
