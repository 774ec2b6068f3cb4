"""One route of an application, as its door sees it: what it says of itself."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from .callback import place_of


class RouteState(StrEnum):
    """What a route says of itself. `naked` says nothing; `legacy` is naked and known."""

    GUARDED = "guarded"
    PUBLIC = "public"
    ELSEWHERE = "elsewhere"
    LEGACY = "legacy"
    NAKED = "naked"


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """One route.

    Args:
        path: As the framework has it, with all that it is mounted below.
        methods: By which it is reached, sorted; empty for a mount or a websocket.
        state: What it says of itself.
        named: The boundaries that prove it, the reason why it is public, or who guards it.
        where: Its view, as "file.py:12 name".
    """

    path: str
    methods: tuple[str, ...]
    state: RouteState
    named: str = ""
    where: str = ""

    @property
    def key(self) -> str:
        """Return "GET,POST /orders/{id}", by which a lock knows it."""
        return f"{','.join(self.methods) or '*'} {self.path or '/'}"


def where_is(view: object) -> str:
    """Return the place of a view, "" where there is none."""
    found: Callable[..., object] | None = view if callable(view) else None
    return "" if found is None else place_of(found)
