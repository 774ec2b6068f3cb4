"""No naked route: each one is guarded, public with a reason, or somebody else's by name."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError

V = TypeVar("V", bound=Callable[..., Any])
PUBLIC_MARK: Final = "__pratique_public__"
BOUNDARY: Final = "__pratique_boundary__"
SHADOWS: Final = "__pratique_shadows__"
KINDS: Final = frozenset({"client", "service"})
"""With one of these declared, every route of the application says what it is."""


class Public:
    """Marks a view as one that anybody may call, with the reason for the reviewer.

        @app.get("/health")
        @Public("says only that the process runs")
        async def health() -> dict[str, bool]: ...

    Args:
        reason: Why it may be.

    Raises:
        BoundaryError: the reason is empty.
    """

    def __init__(self, reason: str) -> None:
        given: object = reason  # the view itself, where the reason is left out
        if not isinstance(given, str) or not given.strip():
            raise BoundaryError('@Public("…") needs a reason that a reviewer can judge.')
        self.reason = reason

    def __call__(self, view: V) -> V:
        """Mark the view; it is given back."""
        setattr(view, PUBLIC_MARK, self)
        return view


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Routes below a prefix that somebody else guards. Named, and unproven. Made by `elsewhere`."""

    prefix: str
    by: str

    def names(self, place: str) -> bool:
        """Say whether a path is the prefix itself or below it: "/admin" isn't "/administrators"."""
        below = self.prefix if self.prefix.endswith("/") else f"{self.prefix}/"
        return place == self.prefix or place.startswith(below)


def elsewhere(prefix: str, *, by: str) -> Elsewhere:
    """Say that the routes below a prefix are guarded by something else.

    Args:
        prefix: "/accounts/".
        by: What guards them: "authlib's own views".

    Raises:
        BoundaryError: the prefix is the whole application, or nobody is named.
    """
    if not prefix.startswith("/") or prefix == "/" or not by.strip():
        raise BoundaryError(
            f'elsewhere({prefix!r}, by={by!r}): name a part of the application, "/accounts/", '
            "and who guards it."
        )
    return Elsewhere(prefix, by)


def boundary_debts(
    views: Iterable[tuple[str, Any]], perimeter: Perimeter, *, how: str
) -> Iterator[str]:
    """Yield what is wrong with where the boundaries stand.

    One of another perimeter, one that observes with nothing behind it, one without a route.

    Args:
        views: Path and view of every route.
        perimeter: What guards them.
        how: One is routed, with a place for its name: "app.post(path)(endpoint({name}))".
    """
    mounted: set[str] = set()
    for path, view in views:
        boundary = getattr(view, BOUNDARY, None)
        if boundary is None:
            continue
        mounted.add(boundary.name)
        if boundary not in perimeter.boundaries:
            yield (
                f'Route {path}: boundary "{boundary.name}" is not declared in this '
                "perimeter: perimeter.declare(…)."
            )
        if boundary.observe is not None and getattr(view, SHADOWS, None) is None:
            yield (
                f"Route {path}: the boundary only observes, and nothing handles its "
                "deliveries meanwhile: endpoint(boundary, shadows=the_old_view)."
            )
    for boundary in perimeter.boundaries:
        if boundary.kind == "webhook" and boundary.name not in mounted:
            yield (
                f'Boundary "{boundary.name}" is declared and no route leads to it: '
                f"{how.format(name=boundary.name)}."
            )


def naked_routes(
    routes: Iterable[tuple[str, Any]],
    perimeter: Perimeter,
    *,
    others: Iterable[Elsewhere],
    is_proven: Callable[[Any], bool],
) -> Iterator[str]:
    """Yield one sentence for each route that doesn't say what it is.

    Args:
        routes: Whole path and route.
        perimeter: Only one that declares a client or service boundary asks it of every route.
        others: What somebody else guards.
        is_proven: (route) -> whether a boundary proves its requests.

    Source: OWASP API5:2023, API9:2023; CWE-862.
    """
    if not any(boundary.kind in KINDS for boundary in perimeter.boundaries):
        return
    named = tuple(others)
    for path, route in routes:
        view = getattr(route, "endpoint", None)
        # A mount at /static answers what is below /static/, and nothing else.
        place = path if getattr(route, "routes", None) is None else f"{path}/"
        is_told = getattr(view, PUBLIC_MARK, None) is not None or any(
            other.names(place) for other in named
        )
        if not is_told and not is_proven(route):
            yield (
                f"Route {path or 'without a path'} is naked: nothing proves who calls it. "
                "Let a dependency prove it, "
                'mark it @Public("reason"), or name who guards it: elsewhere(prefix, by=…).'
            )
