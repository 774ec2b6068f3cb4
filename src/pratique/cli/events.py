"""`pratique events`: ships what the file of a sink holds to those who read other formats."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import msgspec
import typer

from pratique.core.event import Record, decode_record
from pratique.events.ocsf import ocsf_event
from pratique.events.ocsf_storm import Storms

FORMATS: Final = ("ocsf",)
MAX_LINE_BYTES: Final = 1 << 20
events = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a local can be a secret
    help="Ship the records of crossings.",
)


@events.callback()
def group() -> None:
    """Keep each a command of its own name."""


@events.command()
def export(
    file: Annotated[Path, typer.Argument(help="Of JSON lines, written by JsonLines.")],
    *,
    form: Annotated[str, typer.Option("--format", help=", ".join(FORMATS))] = "ocsf",
    out: Annotated[Path | None, typer.Option(help="Where to; standard output by default.")] = None,
) -> None:
    """Write each record as an event of OCSF 1.8, a line each, and a finding for each storm."""
    if form not in FORMATS:
        raise typer.BadParameter(f"--format is one of {', '.join(FORMATS)}")
    unreadable: list[int] = []
    try:
        with file.open("rb") as source:
            lines = rendered(_records(source, unreadable))
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
        typer.echo(f"{len(unreadable)} lines are no records, and were left out: {shown}", err=True)
        raise typer.Exit(1)


def rendered(records: Iterable[Record]) -> Iterator[bytes]:
    """Yield the events of some records as lines, and the finding of a storm when it is over."""
    encode, watch = msgspec.json.Encoder().encode, Storms()
    for record in records:
        yield encode(ocsf_event(record)) + b"\n"
        yield from (encode(found) + b"\n" for found in watch.see(record))
    yield from (encode(found) + b"\n" for found in watch.rest())


def _records(source: BinaryIO, unreadable: list[int]) -> Iterator[Record]:
    for number, line in enumerate(iter(lambda: source.readline(MAX_LINE_BYTES), b""), 1):
        try:
            yield decode_record(line)
        except ValueError:
            unreadable.append(number)
