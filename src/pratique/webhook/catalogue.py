"""Every sender that has a file in `providers/`, found by its name."""

import sys
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from pratique.core.refusal import BoundaryError

from .scheme import Scheme

_schemes: Final[dict[str, Scheme]] = {}


def load(package: str) -> None:
    """Import every module of the folder.

    Give the package each module's `SCHEME` under the module's name.

    Raises:
        BoundaryError: the folder is empty, or two of its files declare one name.
    """
    face = sys.modules[package]
    for module in iter_modules(face.__path__):
        loaded = import_module(f"{package}.{module.name}")
        scheme = getattr(loaded, "SCHEME", None)
        if isinstance(scheme, Scheme):
            if _schemes.setdefault(scheme.name, scheme) is not scheme:
                message = f"two files of {package} declare {scheme.name!r}. Rename one."
                raise BoundaryError(message)
            setattr(face, module.name, scheme)
        elif hasattr(loaded, module.name):
            setattr(face, module.name, getattr(loaded, module.name))
    if not _schemes:
        message = "no sender is declared: the folder of providers is empty."
        raise BoundaryError(message)


def names() -> tuple[str, ...]:
    """Return every sender's name, sorted."""
    return tuple(sorted(_schemes))


def get(name: str) -> Scheme:
    """Return the scheme of that name; "_" and "-" are one.

    Raises:
        LookupError: there is none; the near names are listed.
    """
    scheme = _schemes.get(name.replace("_", "-").lower())
    if scheme is None:
        near = get_close_matches(name, _schemes) or names()
        message = f"no sender {name!r}; did you mean: {', '.join(near)}?"
        raise LookupError(message)
    return scheme


def attribute(name: str) -> Scheme:
    """Return `providers.NAME` as its scheme.

    AttributeError, with the near names, where there is none.
    """
    try:
        return get(name)
    except LookupError as error:
        raise AttributeError(str(error)) from None
