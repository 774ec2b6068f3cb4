"""What an operator changes of a perimeter without code: each setting narrows, or adds a record."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from .core.break_glass import VARIABLE
from .core.perimeter import Perimeter
from .core.refusal import BoundaryError
from .core.settings import read_table, read_variables, require_known, words_of
from .events import JsonLines

__all__ = ["configure"]

PREFIX: Final = "PRATIQUE_"
SECTION: Final = "tool.pratique"
"""The table of a pyproject.toml; in any other file the words stand at the top."""


def configure(
    perimeter: Perimeter,
    path: str | Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Let a TOML file, and then the environment, set what an operator may set.

    Call it after the boundaries are declared. A variable replaces what the file says; neither goes
    beyond the code: see docs/reference/settings.md.

    Args:
        perimeter: It hasn't started.
        path: "pratique.toml", or a pyproject.toml with a table [tool.pratique]. None: no file.
        environment: By default the process's.

    Raises:
        BoundaryError: the perimeter has started; the file can't be read; a word isn't known, is
            empty, of another type, or would widen what the code says.
    """
    if perimeter.is_started:
        raise BoundaryError("configure(perimeter) comes after the start. Call it before.")
    given: dict[str, tuple[str, Any]] = {}
    if path is not None:
        name = Path(path).name
        found = read_table(path, SECTION if name == "pyproject.toml" else "")
        require_known(name, found, (*SETTINGS, *TABLES))
        given |= {word: (f"{name}: {word}", value) for word, value in found.items()}
    variables = read_variables(PREFIX, environment)
    variables.pop(VARIABLE.removeprefix(PREFIX).lower(), None)  # the start reads it
    require_known(f"{PREFIX}…", variables, tuple(SETTINGS))
    given |= {word: (f"{PREFIX}{word.upper()}", text) for word, text in variables.items()}
    for word, (where, value) in given.items():
        if word in SETTINGS:
            SETTINGS[word](perimeter, where, value)


def _deadline(perimeter: Perimeter, where: str, value: Any) -> None:
    try:
        seconds = float(value) if not isinstance(value, bool) else -1.0
        span = timedelta(seconds=seconds)
    except (TypeError, ValueError, OverflowError):
        raise BoundaryError(f"{where} is no number of seconds.") from None
    try:
        perimeter.narrow(deadline=span)
    except BoundaryError as error:
        raise BoundaryError(f"{where}: {error}") from None


def _events(perimeter: Perimeter, where: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise BoundaryError(f"{where} names no file.")
    if not Path(value.strip()).absolute().parent.is_dir():
        raise BoundaryError(f"{where} names a file in a folder that isn't there.")
    perimeter.recorder.add(JsonLines(value.strip()))


def _observe(perimeter: Perimeter, where: str, value: Any) -> None:
    ends: dict[str, Any] = {}
    if isinstance(value, str):
        pairs = (each.partition("=") for each in words_of(value))
        ends = {name: day for name, _, day in pairs}
    elif isinstance(value, Mapping):
        ends = dict(cast("Mapping[str, Any]", value))
    if not ends:
        raise BoundaryError(f"{where} names no boundary with the day on which it ends.")
    known = {b.name: b for b in perimeter.boundaries if b.observe is not None}
    require_known(f"{where} (boundaries that observe)", ends, known or ("none",))
    for name, told in ends.items():
        boundary, until = known[name], _day(where, name, told)
        observe = boundary.observe
        if observe is None or until > observe.until:
            said = "" if observe is None else f" on {observe.until}"
            raise BoundaryError(
                f"{where}: {name} would observe until {until}, and the code ends it{said}. "
                "A setting ends it earlier, never later."
            )
        boundary.observe = replace(observe, until=until)


def _day(where: str, name: str, told: Any) -> date:
    if isinstance(told, date) and not isinstance(told, datetime):
        return told
    try:
        return date.fromisoformat(told if isinstance(told, str) else "")
    except ValueError:
        raise BoundaryError(f"{where}: {name} is no day, as 2026-12-01 is one.") from None


SETTINGS: Final[Mapping[str, Callable[[Perimeter, str, Any], None]]] = {
    "deadline": _deadline,
    "events": _events,
    "observe": _observe,
}
"""How each word is applied. One that isn't here isn't known."""
TABLES: Final = ("fetch", "forwarded")
"""Tables of the same file that policies are loaded from, by name, in code."""
