"""Finds the application or the perimeter that a command is about, without starting it."""

import os
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import typer

from pratique.core.perimeter import Perimeter
from pratique.integrations.described import Described, described

VARIABLE: Final = "PRATIQUE_APP"


def application(place: str | None) -> Described:
    """Return what an application tells of itself.

    Args:
        place: "shop.main:app", a guarded application or a perimeter; where it is left out the
            variable PRATIQUE_APP, then `app` in `[tool.pratique]` of pyproject.toml.

    Raises:
        typer.BadParameter: there is none, or it isn't guarded.
    """
    named = place or os.environ.get(VARIABLE) or _of_project()
    if not named:
        message = (
            "say which application: --app MODULE:ATTRIBUTE, the variable PRATIQUE_APP, or app= in "
            "[tool.pratique] of pyproject.toml"
        )
        raise typer.BadParameter(message)
    found = loaded(named)
    if isinstance(found, Perimeter):
        return Described(found, tuple, tuple)
    told = described(found)
    if told is None:
        raise typer.BadParameter(f"{named} is neither a guarded application nor a perimeter")
    return told


def loaded(place: str) -> Any:
    """Import "module:attribute"; without an attribute its `perimeter`, else its `app`.

    Raises:
        typer.BadParameter: there is no such module or attribute.
    """
    module, _, attribute = place.partition(":")
    if str(Path.cwd()) not in sys.path:  # as uvicorn does: a script has only its own folder there
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise typer.BadParameter(f"{place}: there is no module {error.name}") from None
    names = attribute.split(".") if attribute else [_either(found)]
    for name in names:
        found = getattr(found, name, None)
    if found is None:
        raise typer.BadParameter(f"{place}: there is no {attribute or 'app or perimeter'} in it")
    return found


def _either(module: object) -> str:
    return "perimeter" if isinstance(getattr(module, "perimeter", None), Perimeter) else "app"


def _of_project() -> str:
    try:
        told = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise typer.BadParameter(f"pyproject.toml can't be read: {error}") from None
    return str(told.get("tool", {}).get("pratique", {}).get("app", ""))
