"""What would answer before a view's proof is asked for: a decorator above it, a `dispatch`."""

from collections.abc import Iterable
from typing import Any, Final

VIEW: Final = "__pratique_view__"
"""Mark of a view that proves: the view itself. `functools.wraps` copies it to what stands above."""


def note_view(view: Any) -> None:
    """Note at a view that proves which view that is."""
    setattr(view, VIEW, view)


def above_debt(path: str, view: object, marked: object = None) -> str:
    """Return that something stands above a view that proves; "" where nothing does.

    It would run, and could answer, before anything is proven: a cache by path hands one caller's
    row to the next.

    Args:
        path: Of the route.
        view: What answers it. One without a mark of ours proves nothing, and is naked.
        marked: What would be there where nothing stands above it; by its own mark by default.
    """
    marked = getattr(view, VIEW, view) if marked is None else marked
    if marked is view:
        return ""
    return (
        f"Route {path}: {_written(view)} stands above the view that proves, "
        "and can answer before anything is proven. Let it stand below, next to your own function, "
        "or be a middleware."
    )


def around_debt(
    path: str, kind: type[Any], names: Iterable[str], *, frameworks: tuple[str, ...]
) -> str:
    """Return that a class of views goes its own way before its handlers; "" where it doesn't.

    Args:
        path: Of the route.
        kind: The class.
        names: Methods of the framework's that lead to a handler: "dispatch".
        frameworks: Beginnings of the modules whose own ones are known: "django.".
    """
    for each in kind.__mro__:
        if each is object or f"{each.__module__}.".startswith(frameworks):
            continue
        for name in names:
            if name in vars(each):
                return (
                    f"Route {path}: {each.__name__}.{name} runs before what the handlers of "
                    f"{kind.__name__} prove, and can answer in their place. Leave it out: do it in "
                    "the handlers, below their proofs, or in a middleware."
                )
    return ""


def _written(view: object) -> str:
    """Return where a decorator was written: `functools.wraps` gives it the name of its view."""
    code = getattr(view, "__code__", None)
    if code is None:
        return str(getattr(view, "__qualname__", view))
    module = getattr(view, "__globals__", {}).get("__name__", "")
    return f"{module}.{code.co_qualname.partition('.<locals>')[0]}"
