"""What is wrong with how a FastAPI route proves its requests, told at the start."""

import re
from collections.abc import Iterator
from inspect import isroutine, signature
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from pratique.core.action import Action
from pratique.core.once import OneTime

from .fastapi_actions import PROVES
from .fastapi_reach import REACHES
from .plan import ACTION, SAFE_METHODS
from .proving import Owed
from .shadow import SHADOW, shadow_debt

_PLACE: Final = re.compile(r"\{(\w+)")


def annotation_debts(path: str, route: Any) -> Iterator[str]:
    """Yield what is wrong where an annotation says something else than its dependency proves.

    No type checker looks into `Annotated`. Looked at are the view and each dependency before it,
    and a dependency that stands as a default.
    """
    for dependant in _dependants(route):
        if _action_of(dependant.call) is not None:
            continue
        for name, hint, default in _parameters(dependant.call):
            said, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
            for mark in (*marks, default):
                call = getattr(mark, "dependency", None)
                owed = getattr(call, PROVES, None) or getattr(call, SHADOW, None)
                if isinstance(owed, Owed) and not owed.agrees(said):
                    yield (
                        f"Route {path}: {name} is annotated as {said}, and its dependency proves "
                        f"{owed}."
                    )


def place_debts(path: str, route: Any) -> Iterator[str]:
    """Yield the places of a path that a dependency reads and the route hasn't got."""
    there = set(_PLACE.findall(path))
    for dependant in _dependants(route):
        if not (_is_proof(dependant) or hasattr(dependant.call, SHADOW)):
            continue
        for name in (field.alias for field in dependant.path_params):
            if name not in there:
                yield (
                    f"Route {path}: its dependency reads {{{name}}}, which isn't in the path. "
                    'Name it so there, or say which it is: owned(…, key="…").'
                )


def shadow_debts(path: str, route: Any) -> Iterator[str]:
    """Yield the proof of a boundary that only observes, and the shadow of one that enforces."""
    for dependant in _dependants(route):
        owed = getattr(dependant.call, SHADOW, None) or getattr(dependant.call, PROVES, None)
        if isinstance(owed, Owed) and (debt := shadow_debt(path, owed)):
            yield debt


def shadows(route: Any) -> tuple[Owed, ...]:
    """Return what the dependencies of a route only observe."""
    found = (getattr(each.call, SHADOW, None) for each in _dependants(route))
    return tuple(each for each in found if isinstance(each, Owed))


def content_debts(path: str, route: Any) -> Iterator[str]:
    """Yield the route whose content the framework reads before anything is proven.

    It reads all of it, without a cap, and the boundary then waits for what is gone (CWE-770).
    """
    if getattr(route, "body_field", None) is not None and proves(route):
        yield (
            f"Route {path}: a parameter reads the content before it is proven. Declare it by the "
            "boundary, content=Type, and take the parameter off."
        )


def socket_debts(path: str, route: Any) -> Iterator[str]:
    """Yield the websocket whose proof would be handed a request, which it hasn't got."""
    is_socket = hasattr(route, "dependant") and not getattr(route, "methods", None)
    if is_socket and proves(route):
        yield (
            f"Route {path} is a websocket, and its dependency proves requests: nobody would be let "
            "in. Let a request that is proven hand out what the socket is opened with."
        )


def override_debts(path: str, route: Any) -> Iterator[str]:
    """Yield the proofs of a route that are overridden: the route would be naked.

    FastAPI asks what is put in a dependency's place, and none of that one's own dependencies.
    """
    provider = getattr(route, "dependency_overrides_provider", None)
    overrides = getattr(provider, "dependency_overrides", {})
    for dependant in _dependants(route) if overrides else ():
        if dependant.call in overrides and any(map(_is_proof, _beneath(dependant))):
            yield (
                f"Route {path}: its proof is overridden in dependency_overrides, so that nothing "
                "proves who calls it. Override what the proof asks, the session or the clock."
            )


def perform_debts(path: str, route: Any) -> Iterator[str]:
    """Yield where a one-time action can be asked for by a method that any page can send.

    Source: RFC 9110 §9.2.1; CWE-352.
    """
    safe = sorted(SAFE_METHODS & set(getattr(route, "methods", None) or ()))
    asked = (getattr(each.call, REACHES, None) for each in _dependants(route))
    if safe and any(isinstance(action, OneTime) for action in asked):
        yield (
            f"Route {path}: {', '.join(safe)} changes nothing by its meaning, and its view can do "
            "something once. Let it be asked by POST."
        )


def proves(route: Any) -> tuple[Action, ...]:
    """Return the actions that the dependencies of a route prove."""
    found = (getattr(each.call, ACTION, None) for each in _dependants(route))
    return tuple(each for each in found if isinstance(each, Action))


def _is_proof(dependant: Any) -> bool:
    return _action_of(dependant.call) is not None


def _action_of(call: Any) -> Any:
    """Return the action that a callable proves, or proves as often as it is asked to."""
    return getattr(call, ACTION, None) or getattr(call, REACHES, None)


def _dependants(route: Any) -> Iterator[Any]:
    yield from _beneath(getattr(route, "dependant", None))


def _beneath(dependant: Any) -> Iterator[Any]:
    """Yield a dependant, and each that it depends on."""
    waiting = [dependant]
    while waiting:
        dependant = waiting.pop()
        if dependant is not None:
            yield dependant
            waiting.extend(dependant.dependencies)


def _parameters(call: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, annotation and default of each parameter of a view or dependency."""
    try:
        known = signature(call).parameters.values()
    except (TypeError, ValueError):  # a builtin tells nothing
        return
    hints: dict[str, Any] = {}
    try:
        hints = get_type_hints(call, include_extras=True) if isroutine(call) else {}
    except (NameError, TypeError):  # names of a function's own scope: FastAPI read them, we can't
        hints = {}
    for parameter in known:
        name = parameter.name
        yield name, hints.get(name, parameter.annotation), parameter.default
