"""The door for FastAPI: Starlette's, and the refusals in the OpenAPI document."""

from collections.abc import Iterable
from dataclasses import dataclass
from inspect import isfunction
from pathlib import Path
from typing import Any, Final, TypeVar

from fastapi import FastAPI, routing

from pratique.core.perimeter import Perimeter

from .fastapi_actions import called, does, listed, owned
from .fastapi_debts import (
    annotation_debts,
    content_debts,
    override_debts,
    perform_debts,
    place_debts,
    proves,
    shadow_debts,
    shadows,
    socket_debts,
)
from .fastapi_reach import Perform, Reach, perform, reach
from .fastapi_shadow import shadow
from .routes import BOUNDARY, FASTAPIS_OWN, Elsewhere, Public, elsewhere, observed, shown
from .starlette import Routes, endpoint, origin
from .starlette import guard as _guard
from .starlette_actions import context_of

__all__ = [
    "Elsewhere",
    "Perform",
    "Public",
    "Reach",
    "called",
    "context_of",
    "does",
    "elsewhere",
    "endpoint",
    "guard",
    "listed",
    "origin",
    "owned",
    "perform",
    "reach",
    "shadow",
]

A = TypeVar("A", bound=FastAPI)
_REFUSALS: Final = {
    "400": "Not fresh or not valid: stale, from the future, malformed.",
    "401": "Not authentic. Every refusal of this kind is the same.",
    "403": "Not linked or not allowed: another account, another mode.",
    "408": "Not valid: the content came too slowly.",
    "413": "Not valid: the content is too large.",
    "503": "Not decided: retry after the seconds in Retry-After.",
}
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457 problem details.",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status"],
}


def guard(
    app: A,
    perimeter: Perimeter,
    *,
    elsewhere: Iterable[Elsewhere] = (),
    lock: str | Path | None = None,
) -> A:
    """Put the perimeter around an application, and its refusals into the OpenAPI document.

    See the Starlette door.
    """
    guarded = _guard(app, perimeter, elsewhere=elsewhere, lock=lock, routes=_FastApiRoutes())
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        _document(document, app)
        return document

    setattr(app, "openapi", openapi)  # noqa: B010  FastAPI's own way to extend the document
    return guarded


@dataclass(frozen=True, slots=True)
class _Files:
    """What is known of a directory that is served, as of a route."""

    dependant: Any
    dependency_overrides_provider: Any
    methods: frozenset[str] = frozenset({"GET", "HEAD"})


class _FastApiRoutes(Routes):
    def each(self, routes: Iterable[Any]) -> Iterable[Any]:
        """Unfold the routers that are included: newer versions keep each as one route.

        Without the function the version is an older one, which copies their routes.
        """
        unfold = getattr(routing, "iter_route_contexts", None)
        return routes if unfold is None else unfold(list(routes))

    def proven_by(self, route: Any) -> str:
        view = getattr(route, "endpoint", None)
        # Its own docs are functions; an application as a view has that module too.
        module = str(getattr(view, "__module__", ""))
        if isfunction(view) and module.startswith("fastapi."):
            return FASTAPIS_OWN
        return super().proven_by(route) or ", ".join(shown(action) for action in proves(route))

    def shadowed_by(self, route: Any) -> str:
        return super().shadowed_by(route) or ", ".join(observed(each) for each in shadows(route))

    def beside(self, router: Any) -> Iterable[tuple[str, Any]]:
        """Yield the files that newer versions serve where no route matches: app.frontend(…)."""
        listed = getattr(router, "_iter_low_priority_routes", tuple)
        for each in listed():
            prefix = getattr(each, "frontend_prefix", "")
            for route in getattr(getattr(each, "original_route", each), "routes", ()):
                provider = getattr(each, "dependency_overrides_provider", None)
                files = _Files(getattr(each, "dependant", None), provider)
                yield f"{prefix}{route.path}".rstrip("/") + "/*", files
        for route in router.routes:
            below = getattr(getattr(route, "_base_app", None), "router", None)
            if below is not None:
                yield from ((f"{route.path}{path}", each) for path, each in self.beside(below))

    def debts(self, path: str, route: Any) -> Iterable[str]:
        yield from place_debts(path, route)
        yield from shadow_debts(path, route)
        yield from content_debts(path, route)
        yield from super().debts(path, route)
        yield from override_debts(path, route)
        yield from perform_debts(path, route)
        yield from socket_debts(path, route)
        if getattr(route, "endpoint", None) is not None and hasattr(route, "dependant"):
            yield from annotation_debts(path, route)


def _document(document: dict[str, Any], app: FastAPI) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for route in _FastApiRoutes().each(app.routes):
        if getattr(getattr(route, "endpoint", None), BOUNDARY, None) is None:
            continue
        schemas["Problem"] = _PROBLEM
        for operation in document["paths"].get(getattr(route, "path", ""), {}).values():
            problem = {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }
            for status, description in _REFUSALS.items():
                operation["responses"][status] = {"description": description, "content": problem}
