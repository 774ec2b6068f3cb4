"""The door for Starlette, and what FastAPI's door stands on.

`guard(app, perimeter)`, `endpoint(boundary)`, `guarded(view)`, `does(action)`.
"""

from collections.abc import Awaitable, Callable, Iterable, Sized
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Router

from pratique.core.boundary import Boundary
from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.route import Route
from pratique.forwarded import Origin

from .asgi import Guarded, Message, Receive, deliver, perimeter_of
from .cors import cors_debts
from .described import Described, describe
from .edge import ORIGIN_KEY
from .plan import view_debts
from .proving import called, listed, opened, owned
from .reply import Reply, refusal
from .routes import (
    BOUNDARY,
    Elsewhere,
    Leaf,
    Public,
    boundary_debts,
    elsewhere,
    get_debts,
    legacy_of,
    lock_debts,
    mark_crossing,
    naked_debts,
    proven_by,
    shadowed_by,
    stated,
)
from .shadow import shadow
from .starlette_actions import context_of, does, guarded
from .starlette_classes import class_debts, handlers

__all__ = [
    "Elsewhere",
    "Public",
    "called",
    "context_of",
    "does",
    "elsewhere",
    "endpoint",
    "guard",
    "guarded",
    "listed",
    "opened",
    "origin",
    "owned",
    "shadow",
]

A = TypeVar("A", bound=Starlette)
Endpoint = Callable[[Request], Awaitable[Response]]


def endpoint(boundary: Boundary, *, shadows: Endpoint | None = None) -> Endpoint:
    """Return the view of a boundary: reads the raw content under a cap, proves, answers.

    Args:
        boundary: Declared in the perimeter that guards the application.
        shadows: The view that was there before: while the boundary only observes, it still decides
            and acts, and is given the same request. Owed by a boundary with `observe=`.

    Raises:
        BoundaryError: at the request, where the application is not guarded by the perimeter that
            declares the boundary.
    """

    async def cross(request: Request) -> Response:
        perimeter = perimeter_of(request.scope, boundary)
        reply = await deliver(perimeter, boundary, request.scope, request.receive)
        if reply.shadowed is not None and shadows is not None:
            return await shadows(Request(request.scope, _again(reply.shadowed)))
        return _response(reply)

    return mark_crossing(cross, boundary, shadows)


def origin(request: HTTPConnection) -> Origin:
    """Return where a request comes from, as the forwarded boundary proved it.

    `origin(request).client` is the key of a rate limiter: one client is one text, however it was
    spelt.

    Raises:
        BoundaryError: no forwarded boundary guards the application.
    """
    found = request.scope.get(ORIGIN_KEY)
    if not isinstance(found, Origin):
        raise BoundaryError(
            "origin(request): nothing proves where this request comes from. Declare "
            "Forwarded(…) in the perimeter that guards the application."
        )
    return found


class Routes:
    """What is known of a route. FastAPI's door knows more."""

    def each(self, routes: Iterable[Any]) -> Iterable[Any]:
        """Return the routes, with those of an included router in its place."""
        return routes

    def proven_by(self, route: Any) -> str:
        """Return the boundaries and actions that prove a route's requests; "" where none does."""
        view = getattr(route, "endpoint", None)
        proofs = [proven_by(each) for each, _ in handlers(view) or [(view, ())]]
        return ", ".join(dict.fromkeys(proofs)) if all(proofs) else ""

    def shadowed_by(self, route: Any) -> str:
        """Return what only observes a route's requests, where something does each of them."""
        view = getattr(route, "endpoint", None)
        shadows = [
            shadowed_by(each) or proven_by(each) for each, _ in handlers(view) or [(view, ())]
        ]
        return ", ".join(dict.fromkeys(shadows)) if all(shadows) else ""

    def beside(self, router: Router) -> Iterable[tuple[str, Any]]:  # noqa: ARG002  Starlette's has none
        """Return what a router answers with besides its routes, each with its path."""
        return ()

    def debts(self, path: str, route: Any) -> Iterable[str]:
        """Return what is wrong with how a route is declared."""
        view = getattr(route, "endpoint", None)
        for each, methods in handlers(view) or [(view, getattr(route, "methods", None) or ())]:
            yield from view_debts(path, each, methods)
        yield from class_debts(path, view, named=bool(getattr(route, "methods", None)))


def guard(
    app: A,
    perimeter: Perimeter,
    *,
    elsewhere: Iterable[Elsewhere] = (),
    lock: str | Path | None = None,
    routes: Routes | None = None,
) -> A:
    """Put the perimeter around an application, outermost whatever is added later.

    What a view of its own lets through (a fetch or a partner that is refused) is answered with the
    refusal's problem details, unless the application has a handler for `Refused`.

    Args:
        app: The application; the same one is given back.
        perimeter: What it is guarded by. With a client or service boundary in it, no route may be
            naked.
        elsewhere: Routes that somebody else guards, see `pratique.integrations.routes.elsewhere`.
        lock: `pratique.lock`, where the routes stand that were naked when it was written: they may
            stay so, and no other. Relative to the working directory.
        routes: What a framework above knows of its routes.

    Raises:
        BoundaryError: the application has served already, or is guarded; the lock can't be read.
    """
    if app.middleware_stack is not None:
        message = (
            "guard(app, perimeter) comes after the first request. "
            "Call it where the application is made."
        )
        raise BoundaryError(message)
    if getattr(app.state, "pratique", None) is not None:
        message = "the application is guarded twice. One perimeter guards one application."
        raise BoundaryError(message)
    app.state.pratique = perimeter
    # Not left to Guarded: Starlette would have answered 500 before the exception gets there.
    app.exception_handlers.setdefault(Refused, _refused)
    build = app.build_middleware_stack
    known, others, legacy = routes or Routes(), tuple(elsewhere), legacy_of(lock)
    unwritten = lock_debts(lock)
    counted: list[_Counted] = []

    def answering() -> list[tuple[str, Any]]:
        leaves = _leaves(app.routes, known)
        return [*leaves, *known.beside(app.router), *_defaults(app.router)]

    def states() -> list[Route]:
        leaves = (_leaf(path, route, known) for path, route in answering())
        return stated(leaves, others=others, legacy=legacy)

    def debts() -> list[str]:
        _answer_below(app.routes, known)
        told = (debt for path, route in answering() for debt in known.debts(path, route))
        if unwritten:
            return unwritten
        found = [
            *route_debts(_every(app.routes, known), perimeter),
            *told,
            *naked_debts(states(), perimeter),
            *cors_debts(_middleware(app, known), perimeter),
        ]
        if not found:
            counted[:] = _counted(app.router)
        return found

    def build_guarded() -> Any:
        return Guarded(build(), perimeter, debts, has_grown=partial(_have_changed, counted))

    # An instance attribute: add_middleware, called before or after, always ends up inside.
    setattr(app, "build_middleware_stack", build_guarded)  # noqa: B010  mypy refuses to assign to a method
    describe(app, Described(perimeter, states, debts))
    return app


def route_debts(routes: Iterable[Any], perimeter: Perimeter) -> Iterable[str]:
    """Return what is wrong with the routes.

    A boundary of another perimeter, one without a route, a body read too early.

    Args:
        routes: Every one, also those below a mount or in an included router.
        perimeter: What guards them.
    """
    every = [(str(getattr(route, "path", "")), route) for route in routes]
    views = [(path, getattr(route, "endpoint", None)) for path, route in every]
    yield from boundary_debts(views, perimeter, how="app.post(path)(endpoint({name}))")
    yield from get_debts(every, perimeter)
    for path, route in every:
        is_ours = getattr(getattr(route, "endpoint", None), BOUNDARY, None) is not None
        if is_ours and getattr(route, "body_field", None) is not None:
            yield (
                f"Route {path}: a dependency reads the body before it is proven. "
                "Take it off this route."
            )


def _leaves(routes: Iterable[Any], known: Routes, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield each route that answers by itself, with its whole path."""
    for route in known.each(routes):
        path = prefix + str(getattr(route, "path", None) or "")
        inner = getattr(route, "routes", None)
        if inner:
            yield from _leaves(inner, known, path)
        else:
            yield path, route


def _routers(router: Router) -> Iterable[Router]:
    """Yield a router, and each that is mounted or included below it."""
    yield router
    for route in router.routes:
        for name in ("original_router", "_base_app", "app"):
            below = getattr(route, name, None)
            below = getattr(below, "router", below)
            if isinstance(below, Router):
                yield from _routers(below)
                break


class _Counted(NamedTuple):
    """What was in a list of somebody's."""

    owner: Any
    name: str
    held: Sized
    length: int


def _counted(router: Router) -> list[_Counted]:
    """Count what a look at the routes looked at, and FastAPI's overrides of dependencies."""
    owners = [
        (owner, name)
        for each in _routers(router)
        for owner, name in (
            (each, "routes"),
            (each, "_low_priority_routes"),
            (getattr(each, "dependency_overrides_provider", None), "dependency_overrides"),
        )
        if hasattr(owner, name)
    ]
    found = [(owner, name, getattr(owner, name)) for owner, name in owners]
    return [_Counted(owner, name, held, len(held)) for owner, name, held in found]


def _have_changed(counted: list[_Counted]) -> bool:
    for owner, name, held, length in counted:
        now = getattr(owner, name, ())
        if now is not held or len(now) != length:
            return True
    return False


def _defaults(router: Router) -> Iterable[tuple[str, Any]]:
    """Yield what answers where no route matches, unless it is Starlette's own 404."""
    for each in _routers(router):
        if getattr(each.default, "__self__", None) is not each:
            yield "(where none matches)", _Default(each.default)


@dataclass(frozen=True, slots=True)
class _Default:
    endpoint: Any


def _leaf(path: str, route: Any, known: Routes) -> Leaf:
    view, methods = getattr(route, "endpoint", None), getattr(route, "methods", None) or ()
    is_mount = getattr(route, "routes", None) is not None
    if view is None and is_mount:
        view = getattr(route, "app", None)
    proven = known.proven_by(route)
    return Leaf(path, view, methods, proven, is_mount, known.shadowed_by(route))


def _every(routes: Iterable[Any], known: Routes) -> Iterable[Any]:
    for route in known.each(routes):
        yield route
        yield from _every(getattr(route, "routes", None) or (), known)


def _middleware(app: Starlette, known: Routes) -> Iterable[Middleware | CORSMiddleware]:
    """Yield what stands before the views, where it is an application's, a route's or a mount's."""
    yield from app.user_middleware
    for route in _every(app.routes, known):
        for layer in _layers(getattr(route, "app", None)):
            if isinstance(layer, CORSMiddleware):
                yield layer
            if isinstance(layer, Starlette):
                yield from layer.user_middleware


def _layers(app: object) -> Iterable[object]:
    """Yield an ASGI application and what it stands around, outermost first."""
    while app is not None:
        yield app
        app = getattr(app, "middleware_stack" if isinstance(app, Router) else "app", None)


def _answer_below(routes: Iterable[Any], known: Routes) -> None:
    """Let each mounted application answer a refusal as the outer one does, not with its own 500."""
    for route in _every(routes, known):
        inner = getattr(route, "app", None)
        if isinstance(inner, Starlette) and inner.middleware_stack is None:
            inner.exception_handlers.setdefault(Refused, _refused)


async def _refused(_: Request, refused: Exception) -> Response:
    if not isinstance(refused, Refused):
        raise refused
    return _response(refusal(refused))


def _response(reply: Reply) -> Response:
    return Response(reply.content, reply.status, reply.fields)


def _again(content: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    return receive
