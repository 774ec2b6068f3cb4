"""Finds a guarded application by its name."""

import sys
from importlib import import_module
from pathlib import Path

import typer

from pratique.core.perimeter import Perimeter
from pratique.integrations.described import Described, described


def described_at(place: str) -> Described:
    """Return what the application at a place tells of itself.

    Args:
        place: "shop.main:app", or with "()" at its end where it is made by a function.

    Raises:
        typer.BadParameter: there is none, or it isn't guarded.
    """
    module, _, attribute = place.partition(":")
    name = attribute.removesuffix("()") or "app"
    sys.path.insert(0, str(Path.cwd()))  # as uvicorn does: a script has only its own folder there
    try:
        found = getattr(import_module(module), name, None)
    except (ModuleNotFoundError, ValueError) as error:
        missing = getattr(error, "name", None) or module
        message = f"{place}: there is no module {missing}"
        raise typer.BadParameter(message) from None
    if attribute.endswith("()") and callable(found):
        found = found()
    if isinstance(found, Perimeter):
        return Described(found, tuple, tuple)
    told = described(found)
    if told is None:
        message = f"{place} is no guarded application: guard(app, perimeter)"
        raise typer.BadParameter(message)
    return told
