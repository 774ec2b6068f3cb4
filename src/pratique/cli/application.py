"""Finds the application or the perimeter that a command is about, without starting it."""

import os
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import typer

from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError
from pratique.integrations.described import Described, described

VARIABLE: Final = "PRATIQUE_APP"
DJANGO: Final = "django"


def application(place: str | None) -> Described:
    """Return what an application tells of itself.

    Args:
        place: "shop.main:app", a guarded application or a perimeter; "django" for the project whose
            settings DJANGO_SETTINGS_MODULE names. Where it is left out the variable PRATIQUE_APP,
            then `app` in `[tool.pratique]` of pyproject.toml.

    Raises:
        typer.BadParameter: there is none, or it isn't guarded.
    """
    named = named_place(place)
    if named == DJANGO:
        return _project()
    found = loaded(named)
    if isinstance(found, Perimeter):
        return Described(found, tuple, tuple)
    told = described(found)
    if told is None:
        raise typer.BadParameter(f"{named} is neither a guarded application nor a perimeter")
    return told


def named_place(place: str | None) -> str:
    """Return the name of the application that is meant; see `application`.

    Raises:
        typer.BadParameter: none is named.
    """
    named = place or os.environ.get(VARIABLE) or _of_project()
    if not named:
        message = (
            "say which application: --app MODULE:ATTRIBUTE, the variable PRATIQUE_APP, or app= in "
            "[tool.pratique] of pyproject.toml"
        )
        raise typer.BadParameter(message)
    return named


def loaded(place: str) -> Any:
    """Import "module:attribute"; without an attribute its `perimeter`, else its `app`.

    Raises:
        typer.BadParameter: there is no such module or attribute, or its import declares wrongly.
    """
    module, _, attribute = place.partition(":")
    _look_here()
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise typer.BadParameter(f"{place}: there is no module {error.name}") from None
    except BoundaryError as error:  # it says the mend; the way to it is the application's own
        raise typer.BadParameter(f"{place}: {error}") from None
    names = attribute.split(".") if attribute else [_either(found)]
    for name in names:
        found = getattr(found, name, None)
    if found is None:
        raise typer.BadParameter(f"{place}: there is no {attribute or 'app or perimeter'} in it")
    return found


def _project() -> Described:
    _look_here()
    try:
        from django.core.exceptions import ImproperlyConfigured

        from pratique.integrations.django.settings import described_project
    except ModuleNotFoundError as error:
        raise typer.BadParameter(f"{DJANGO}: {error.name} is not installed") from None
    try:
        return described_project()
    except (ImportError, ImproperlyConfigured, BoundaryError) as error:
        raise typer.BadParameter(f"{DJANGO}: {error}") from None


def _look_here() -> None:
    """Look for modules in the working directory, as uvicorn does: a script has only its own."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


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
