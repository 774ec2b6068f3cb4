"""No naked route: each one is guarded, public with a reason, or somebody else's by name."""

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from pratique.core.action import Action
from pratique.core.boundary import Boundary
from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError
from pratique.core.route import Route, RouteState, where_is
from pratique.report.lock import legacy_routes, read_lock

from .before import note_view
from .plan import ACTION, PLAN
from .proving import Owed

V = TypeVar("V", bound=Callable[..., Any])
PUBLIC_MARK: Final = "__pratique_public__"
BOUNDARY: Final = "__pratique_boundary__"
SHADOWS: Final = "__pratique_shadows__"
FASTAPIS_OWN: Final = "FastAPI's own"
FLASKS_OWN: Final = "Flask's own"
"""Pages and files of a framework: they are known, and nothing proves who calls them."""
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


def mark_crossing(view: V, boundary: Boundary, shadows: object) -> V:
    """Mark a view of `endpoint`, so that the start knows where a boundary stands; it is given back.

    Args:
        view: A door's own.
        boundary: Whose deliveries it takes.
        shadows: The view that was there before; None where there was none.
    """
    view.__name__ = view.__qualname__ = f"cross_{boundary.name}"
    view.__doc__ = f'Deliveries to the {boundary.kind} boundary "{boundary.name}".'
    setattr(view, BOUNDARY, boundary)
    setattr(view, SHADOWS, shadows)
    note_view(view)
    return view


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


def get_debts(routes: Iterable[tuple[str, Any]], perimeter: Perimeter) -> Iterator[str]:
    """Yield which boundary's sender asks by GET whether the endpoint is ours, and can't.

    Args:
        routes: Path and route, which has an `endpoint` and `methods`.
        perimeter: What guards them.
    """
    methods: dict[str, set[str]] = {}
    for _, route in routes:
        boundary = getattr(getattr(route, "endpoint", None), BOUNDARY, None)
        if boundary is not None:
            methods.setdefault(boundary.name, set()).update(getattr(route, "methods", None) or ())
    for boundary in perimeter.boundaries:
        if boundary.takes_get and "GET" not in methods.get(boundary.name, {"GET"}):
            yield (
                f'Boundary "{boundary.name}": its sender asks by GET whether the endpoint is ours, '
                'and no route of it takes one. Route it with methods=["GET", "POST"].'
            )


@dataclass(frozen=True, slots=True)
class Leaf:
    """A route that answers by itself, as a door sees it.

    Args:
        path: Whole, as the framework has it.
        view: What answers.
        methods: By which it is reached.
        proven_by: Boundaries and actions that prove its requests; "" where none does.
        is_mount: It answers what is below its path, and nothing else.
        shadowed_by: Boundaries and actions that only observe its requests.
    """

    path: str
    view: Any
    methods: Iterable[str] = ()
    proven_by: str = ""
    is_mount: bool = False
    shadowed_by: str = ""


def stated(
    leaves: Iterable[Leaf], *, others: Iterable[Elsewhere], legacy: Container[str] = ()
) -> list[Route]:
    """Return what each route says of itself.

    Args:
        leaves: Every route.
        others: What somebody else guards.
        legacy: Keys of the routes that were naked when the baseline was written.
    """
    named = tuple(others)
    return [_stated(leaf, named, legacy) for leaf in leaves]


def naked_debts(routes: Iterable[Route], perimeter: Perimeter) -> Iterator[str]:
    """Yield one sentence for each route that doesn't say what it is.

    Args:
        routes: What they say of themselves.
        perimeter: Only one that declares a client or service boundary asks it of every route.

    Source: OWASP API5:2023, API9:2023; CWE-862.
    """
    if not any(boundary.kind in KINDS for boundary in perimeter.boundaries):
        return
    for route in routes:
        if route.state is RouteState.NAKED:
            yield (
                f"Route {route.path or 'without a path'} is naked: nothing proves who calls it. "
                'Let it take what is proven, mark it @Public("reason"), name who guards it, '
                "elsewhere(prefix, by=…), or let it stay as legacy by a lock: "
                "pratique lock --baseline."
            )


def proven_by(view: object) -> str:
    """Return the boundary and the actions that a view of ours proves; "" for any other."""
    boundary, action = getattr(view, BOUNDARY, None), getattr(view, ACTION, None)
    plan = getattr(view, PLAN, None)
    if boundary is not None:
        return str(boundary.name)
    if action is not None:
        return shown(action)
    return "" if plan is None else ", ".join(shown(each.action) for each in plan.owed.values())


def shadowed_by(view: object) -> str:
    """Return the boundaries and actions that only observe the requests of a view of ours."""
    plan = getattr(view, PLAN, None)
    return "" if plan is None else ", ".join(observed(each) for each in plan.shadows.values())


def observed(owed: Owed) -> str:
    """Return "observed until 2026-12-24 by shop order.read"."""
    observe = owed.action.boundary.observe
    until = f" until {observe.until}" if observe is not None else ""
    return f"observed{until} by {shown(owed.action)}"


def shown(action: Action) -> str:
    """Return "shop order.read"."""
    return f"{action.boundary.name} {action.name}"


def legacy_of(lock: str | Path | None) -> frozenset[str]:
    """Return the routes that a lock names as legacy; none where there is no lock.

    Raises:
        BoundaryError: it is there, and can't be read.
    """
    if lock is None or not Path(lock).exists():
        return frozenset()
    try:
        return legacy_routes(read_lock(Path(lock).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise BoundaryError(
            f"lock={str(lock)!r} can't be read: {type(error).__name__}. Write it: pratique lock."
        ) from None


def lock_debts(
    lock: str | Path | None, command: str = "pratique lock --baseline --app MODULE:ATTRIBUTE"
) -> list[str]:
    """Return one sentence where a lock is named and isn't there.

    A debt and no exception, so that `pratique lock` can still look at the application.

    Args:
        lock: Its file; None where none is named.
        command: That writes it.
    """
    if lock is None or Path(lock).exists():
        return []
    debt = (
        f"lock={str(lock)!r} isn't there, seen from {Path.cwd()}. Write it, which takes the routes "
        f"that are naked now as legacy: {command}"
    )
    return [debt]


def _stated(leaf: Leaf, others: tuple[Elsewhere, ...], legacy: Container[str]) -> Route:
    view, mark = leaf.view, getattr(leaf.view, PUBLIC_MARK, None)
    # A mount at /static answers what is below /static/, and nothing else.
    place = f"{leaf.path}/" if leaf.is_mount else leaf.path
    guards = next((other.by for other in others if other.names(place)), "")
    state, named = RouteState.NAKED, ""
    judged = _judged_by(view)
    if leaf.proven_by and not judged:
        is_frameworks = leaf.proven_by in (FASTAPIS_OWN, FLASKS_OWN)  # nothing proves who calls it
        state = RouteState.PUBLIC if is_frameworks else RouteState.GUARDED
        named = leaf.proven_by
    elif mark is not None:
        state, named = RouteState.PUBLIC, mark.reason
    elif guards:
        state, named = RouteState.ELSEWHERE, guards
    methods = tuple(sorted(set(leaf.methods) - {"HEAD"}))  # answered by GET
    found = Route(leaf.path, methods, state, named, where_is(view))
    shadowed = judged or leaf.shadowed_by
    if state is RouteState.NAKED and (shadowed or found.key in legacy):
        return replace(found, state=RouteState.LEGACY, named=shadowed)
    return found


def _judged_by(view: object) -> str:
    """Return the boundary that only observes what an endpoint is sent; "" for any other."""
    boundary: Any = getattr(view, BOUNDARY, None)
    observe = getattr(boundary, "observe", None)
    return "" if observe is None else f"observed until {observe.until} by {boundary.name}"
