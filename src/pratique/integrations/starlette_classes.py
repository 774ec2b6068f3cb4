"""Classes of views of Starlette: which of their methods a request reaches, and past what."""

from collections.abc import Iterable
from typing import Any, Final

from starlette import __version__
from starlette.endpoints import HTTPEndpoint

from .before import around_debt
from .routes import proven_by

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")
CALLS_ANYTHING: Final = tuple(map(int, __version__.split(".")[:2])) < (1, 1)
"""A class of views calls whatever it has by the name of a method that came: CVE-2026-48817."""


def handlers(view: object) -> list[tuple[Any, tuple[str, ...]]]:
    """Return the methods of a class of views, each with the one by which it is reached."""
    if not isinstance(view, type):
        return []
    names = [name for name in _METHODS if hasattr(view, name.lower())]
    return [(getattr(view, name.lower()), (name,)) for name in names]


def class_debts(path: str, view: object, *, named: bool) -> Iterable[str]:
    """Yield what of a class of views a request reaches past its proofs.

    Args:
        path: Of the route.
        view: What answers it; of a function nothing is known here.
        named: The route names its methods.
    """
    if not isinstance(view, type):
        return
    if CALLS_ANYTHING and not named:
        yield from _reachable_debts(path, view)
    if any(proven_by(each) for each, _ in handlers(view)):
        leads = ("dispatch", "__await__")
        debt = around_debt(path, view, leads, frameworks=("starlette.", "fastapi."))
        yield from filter(None, (debt,))


def _reachable_debts(path: str, view: type[Any]) -> Iterable[str]:
    """Yield what of a class of views a request reaches by a method of that name."""
    named = (name for name in dir(view) if name.islower() and not hasattr(HTTPEndpoint, name))
    others = [name for name in named if name.upper() not in _METHODS]
    reached = ", ".join(name for name in others if callable(getattr(view, name)))
    if reached:
        yield (
            f"Route {path}: Starlette {__version__} calls {view.__name__}'s {reached} for a method "
            "of that name, past its guards (CVE-2026-48817). Take Starlette 1.1, or name the "
            "methods: Route(…, methods=[…])."
        )
