"""What a declaration may pin of a sender, and whether what it pins is in its form."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeGuard

from pratique.core.refusal import BoundaryError

from .opened import Envelope


@dataclass(frozen=True, slots=True)
class Pin:
    """A fact of the declaration that the signed content must repeat, or that the scheme needs.

    Args:
        name: The keyword of `open` and of the sender: "livemode".
        type: What it is.
        of: Reads the same fact from the envelope; None where the scheme itself reads the pin.
        code: The refusal where they differ; the obligation is `linked`.
        is_owed: Nothing opens without it.
        fits: (value) -> whether it is in its form; by default, whether it is empty.
    """

    name: str
    type: type
    of: Callable[[Envelope], object] | None = None
    code: str = ""
    is_owed: bool = False
    fits: Callable[[Any], object] = bool


def require_owed(sender: str, pins: Iterable[Pin], given: Mapping[str, Any]) -> None:
    """Refuse a declaration without a pin that is owed.

    Raises:
        BoundaryError: it lacks one.
    """
    missing = [pin.name for pin in pins if pin.is_owed and pin.name not in given]
    if missing:
        message = f"{sender} opens nothing without {', '.join(missing)}. Pass it."
        raise BoundaryError(message)


def require_known(sender: str, pins: Iterable[Pin], given: Mapping[str, Any]) -> None:
    """Refuse a pin that the sender hasn't, or that isn't in its form.

    Raises:
        BoundaryError: there is one.
    """
    known = {pin.name: pin for pin in pins}
    for name, value in given.items():
        if name not in known:
            near = get_close_matches(name, known) or sorted(known)
            message = f"{sender} has no pin {name!r}; it has: {', '.join(near) or 'none'}."
            raise BoundaryError(message)
        if not isinstance(value, known[name].type) or value == "":
            message = f"{sender}: {name}= is a non-empty {known[name].type.__name__}."
            raise BoundaryError(message)
        if value is not False and not known[name].fits(value):
            message = f"{sender}: {name}= isn't in the sender's form, or empty."
            raise BoundaryError(message)


def held(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is given, its collections copied: a list may grow after it was declared."""
    return {name: _copied(value) for name, value in given.items()}


def told(given: Mapping[str, Any]) -> tuple[tuple[str, object], ...]:
    """Return what `held` returns, as it compares and is hashed."""
    return tuple(
        (name, value if isinstance(value, Hashable) else id(value)) for name, value in given.items()
    )


def _copied(value: object) -> object:
    if not _is_several(value):
        return value
    return frozenset(value) if isinstance(value, AbstractSet) else tuple(value)


def _is_several(value: object) -> TypeGuard[Collection[object]]:
    is_one = isinstance(value, str | bytes) or callable(value)
    return not is_one and isinstance(value, Collection)
