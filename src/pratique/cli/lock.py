"""`pratique routes | lock | check | diff`: what is guarded, kept in git and compared."""

import subprocess
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from pratique.core.refusal import BoundaryError
from pratique.core.route import Route, RouteState
from pratique.core.secret import stand_ins
from pratique.integrations.described import Described
from pratique.integrations.routes import naked_debts
from pratique.report import (
    Change,
    Evidence,
    differences,
    evidence_of,
    legacy_routes,
    lock_of,
    read_lock,
)
from pratique.report.lock import Lock
from pratique.report.review import FORMATS, rendered

from .application import application

LOCK: Final = Path("pratique.lock")
App = Annotated[str | None, typer.Option("--app", help="MODULE:ATTRIBUTE of the application.")]
File = Annotated[Path, typer.Option("--file", help="The lock.")]
StandIns = Annotated[
    bool,
    typer.Option(
        "--stand-ins/--no-stand-ins",
        help="Let random values stand in for secrets that aren't set here.",
    ),
]


def routes(*, app: App = None, file: File = LOCK, secrets: StandIns = True) -> None:
    """List every route: guarded, public, elsewhere, legacy, naked."""
    with looked_at(app, secrets=secrets) as (told, _):
        for route in sorted(baselined(told, legacy_in(file))):
            typer.echo(f"{route.state:<9} {route.key}  {route.named}".rstrip())


def lock(
    *,
    app: App = None,
    file: File = LOCK,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Take the routes that are naked now as legacy.")
    ] = False,
    secrets: StandIns = True,
) -> None:
    """Write the lock. Legacy may only shrink, unless --baseline says otherwise."""
    with looked_at(app, secrets=secrets) as (told, debts):
        legacy = frozenset(r.key for r in told.routes()) if baseline else legacy_in(file)
        found = baselined(told, legacy)
        _fail(debts)
        _fail(_naked(found))
        text = lock_of(evidence_of(told.perimeter, found))
    file.write_text(text, encoding="utf-8")
    typer.echo(f"{file}: {_counted(found)}")


def check(*, app: App = None, file: File = LOCK, secrets: StandIns = True) -> None:
    """Fail where the application isn't what its lock says: drift, debts, a new naked route."""
    if not file.is_file():
        raise typer.BadParameter(f"there is no {file}: write it, pratique lock --baseline")
    with looked_at(app, secrets=secrets) as (told, debts):
        found = baselined(told, legacy_in(file))
        now = evidence_of(told.perimeter, found)
        _fail([*debts, *_wrong(told), *_drift(_parsed(file), now), *_naked(found)])
    typer.echo(f"{file}: as it says. {_counted(found)}")


def diff(
    revision: Annotated[str, typer.Argument(help="Of git, to compare with: main, HEAD~1.")],
    *,
    file: File = LOCK,
    form: Annotated[str, typer.Option("--format", help=", ".join(FORMATS))] = "text",
) -> None:
    """Tell how the lock differs from a revision's: the reviewer's view of a change."""
    if form not in FORMATS:
        raise typer.BadParameter(f"--format is one of {', '.join(FORMATS)}")
    before = _at(revision, file)
    if not before:
        typer.echo(f"{revision} has no {file}: all that it lists is new", err=True)
    found = differences(before, _parsed(file) if file.is_file() else {})
    typer.echo(rendered(found, form, revision=revision, file=file.as_posix()))
    if any(each.change is Change.WEAKER for each in found):
        raise typer.Exit(1)


@contextmanager
def looked_at(
    app: str | None, *, secrets: bool, at: datetime | None = None
) -> Generator[tuple[Described, list[str]]]:
    """Look at an application: what it tells, and the debts that its start would refuse.

    Args:
        app: See `application`.
        secrets: Let random values stand in for those that aren't set.
        at: UTC; when it is looked at, where that isn't now.
    """
    with stand_ins() if secrets else nullcontext():
        told = application(app)
        if at is not None:
            told.perimeter.clock = lambda: at
        # Asked before anything is read off: what the store proves is a part of the declarations.
        debts = told.perimeter.debts()
        yield told, debts


def baselined(told: Described, legacy: frozenset[str]) -> list[Route]:
    """Return the routes, those that the lock knows as legacy as such."""
    return [
        replace(route, state=RouteState.LEGACY)
        if route.state is RouteState.NAKED and route.key in legacy
        else route
        for route in told.routes()
    ]


def _wrong(told: Described) -> Iterator[str]:
    """Yield what the start would refuse of the routes; which are naked, the lock says."""
    naked = frozenset(naked_debts(told.routes(), told.perimeter))
    return (debt for debt in told.debts() if debt not in naked)


def _naked(found: list[Route]) -> Iterator[str]:
    return (f"{each.key}: a new naked route" for each in found if each.state is RouteState.NAKED)


def _drift(before: Lock, now: Evidence) -> Iterator[str]:
    for each in differences(before, read_lock(lock_of(now))):
        yield f"{each}. If it is meant, write the lock: pratique lock"


def legacy_in(file: Path) -> frozenset[str]:
    """Return the routes that a lock knows as legacy; none where there is no lock."""
    return legacy_routes(_parsed(file)) if file.is_file() else frozenset()


def _parsed(file: Path) -> Lock:
    try:
        return read_lock(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BoundaryError) as error:
        raise typer.BadParameter(f"{file}: {error}") from None


def _at(revision: str, file: Path) -> Lock:
    if revision.startswith("-"):
        raise typer.BadParameter(f"{revision} is no revision")
    asked = subprocess.run(  # noqa: S603  arguments of our own, no shell
        ["git", "show", f"{revision}:./{file.as_posix()}"],  # noqa: S607  whichever git is theirs
        capture_output=True,
        check=False,
        timeout=30,
    )
    if asked.returncode:
        known = subprocess.run(  # noqa: S603
            ["git", "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"],  # noqa: S607
            capture_output=True,
            check=False,
            timeout=30,
        )
        if known.returncode:
            raise typer.BadParameter(f"git knows no revision {revision}")
        return {}  # it had no lock
    try:
        return read_lock(asked.stdout.decode("utf-8"))
    except (UnicodeDecodeError, BoundaryError) as error:
        raise typer.BadParameter(f"{revision}:{file}: {error}") from None


def _counted(found: list[Route]) -> str:
    counts = {state: sum(1 for each in found if each.state is state) for state in RouteState}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "no routes"


def _fail(problems: Iterable[str]) -> None:
    lines = list(problems)
    for line in lines:
        typer.echo(line, err=True)
    if lines:
        raise typer.Exit(1)
