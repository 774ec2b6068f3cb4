"""Every route of a URLconf, and what is wrong with each: what the start refuses."""

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.db import connections
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import LocalePrefixPattern, RegexPattern

from pratique.client import SignIn
from pratique.core.boundary import Boundary
from pratique.core.perimeter import Perimeter
from pratique.integrations.before import above_debt, around_debt
from pratique.integrations.plan import ACTION, PLAN, view_debts
from pratique.integrations.routes import (
    BOUNDARY,
    PUBLIC_MARK,
    Elsewhere,
    Leaf,
    boundary_debts,
    naked_debts,
    proven_by,
    shadowed_by,
    stated,
)

PROVES_ALL: Final = "__pratique_debts__"
"""On a class of views that proves each of its requests before a handler runs: (path, actions) ->
its debts; on a permission of Django REST framework that requires it: (path, class of views)."""
_METHODS: Final = ("get", "post", "put", "patch", "delete", "head", "options", "trace")
LEADS: Final = "__pratique_leads__"
"""On a class of views that proves each request: which of its methods lead to the proof."""
_HAND_ON: Final = frozenset(
    {
        ("django.views.decorators.cache", "never_cache"),
        ("django.views.decorators.csrf", "csrf_exempt"),
        ("django.views.decorators.http", "require_http_methods"),
    }
)
_MAKE: Final = ("django.views.generic.base", "rest_framework.viewsets")
"""Modules whose `as_view` makes the function that is routed."""
_KNOWN: Final = ("django.", "rest_framework.", "pratique.")
_HOW: Final = 'path("…", endpoint({name}))'


@dataclass(frozen=True, slots=True)
class Routed:
    """One route that answers by itself.

    Attributes:
        path: From the root: "/orders/<int:order_id>/". A part that isn't a plain beginning, as a
            regular expression that may match elsewhere, stands in parentheses.
        view: What answers.
    """

    path: str
    view: Any


def routes_of(urlconf: Any = None) -> list[Routed]:
    """Return every route of a URLconf, those that are included too.

    Args:
        urlconf: Module or its name; ROOT_URLCONF by default.
    """
    return list(_leaves(get_resolver(urlconf).url_patterns, "/"))


def debts_of(
    routes: Iterable[Routed],
    perimeter: Perimeter,
    *,
    others: Iterable[Elsewhere],
    legacy: Container[str] = (),
    is_root: bool,
) -> list[str]:
    """Return what is wrong with routes.

    Args:
        routes: All of a URLconf.
        perimeter: What guards them.
        others: What somebody else guards.
        legacy: Keys of the routes that may be naked.
        is_root: They are all that there are, so that a boundary without a route is a debt.
    """
    known = list(routes)
    views = [(each.path, each.view) for each in known]
    told: Iterable[str] = boundary_debts(views, perimeter, how=_HOW)
    if not is_root:
        told = (debt for debt in told if not debt.startswith("Boundary "))
    leaves = [leaf for each in known for leaf in leaves_of(each)]
    naked = naked_debts(stated(leaves, others=others, legacy=legacy), perimeter)
    wrong = (debt for each in known for debt in _wrong(each))
    atomic = (debt for each in known for debt in _atomic_debts(each, perimeter))
    return [*told, *wrong, *atomic, *dict.fromkeys(naked)]


def leaves_of(route: Routed) -> Iterator[Leaf]:
    """Yield what a route says of itself: a class of views method by method."""
    path, view, kind = route.path, route.view, _class_of(route.view)
    if kind is None or hasattr(view, PUBLIC_MARK) or proven_by(view):
        yield Leaf(path, view, (), proven_by(view), shadowed_by=shadowed_by(view))
        return
    if getattr(kind, PUBLIC_MARK, None) is not None:
        yield Leaf(path, kind)
        return
    handlers = list(_handlers(view, kind))
    # What goes around the handlers proves for all of them, or nobody does.
    around, by = _around(path, view, kind), proven_by(getattr(kind, "dispatch", None))
    if _proves_all(view, kind) is not None:
        yield Leaf(path, view, [method for _, method in handlers], "" if around else kind.__name__)
        return
    for handler, method in handlers:
        proves = by or ("" if around else proven_by(handler))
        yield Leaf(path, handler, (method,), proves, shadowed_by=shadowed_by(handler))
    if not handlers:
        yield Leaf(path, view)


def proves_method(view: Any, method: str) -> bool:
    """Say whether a class of views proves the requests of one method by itself."""
    kind = _class_of(view)
    if kind is None:
        return False
    if _proves_all(view, kind) is not None or proven_by(getattr(kind, "dispatch", None)):
        return True
    return any(
        proven_by(handler) != "" for handler, name in _handlers(view, kind) if name == method
    )


def boundary_of(view: Any) -> Boundary | None:
    """Return the boundary that proves the requests of a view; None where none does."""
    kind = _class_of(view)
    handlers = [view] if kind is None else [handler for handler, _ in _handlers(view, kind)]
    handlers = handlers if kind is None else [getattr(kind, "dispatch", None), *handlers]
    for handler in handlers:
        found = getattr(handler, BOUNDARY, None)
        if found is None and hasattr(handler, PLAN):
            found = getattr(handler, PLAN).boundaries[0]
        if found is None and hasattr(handler, ACTION):
            found = getattr(handler, ACTION).boundary
        if isinstance(found, Boundary):
            return found
    own: Any = getattr(kind, "boundary", None) if hasattr(kind, PROVES_ALL) else None
    return own if isinstance(own, Boundary) else None


def _wrong(route: Routed) -> Iterator[str]:
    view, kind = route.view, _class_of(route.view)
    if kind is None:
        # `endpoint` and `does` answer 405 to all but POST.
        methods = () if hasattr(view, ACTION) or hasattr(view, BOUNDARY) else ("GET", "POST")
        yield from view_debts(route.path, seen_through(view), methods)
        return
    own: Any = getattr(kind, "dispatch", None)
    yield from view_debts(route.path, own, ())
    proves_all, known = _proves_all(view, kind), list(_handlers(view, kind))
    if proves_all is not None or any(proven_by(handler) for handler, _ in known):
        told = (_around(route.path, view, kind), _above(route.path, view))
        yield from filter(None, told)
    if proves_all is not None:
        yield from proves_all(route.path)
        return
    for handler, method in _handlers(view, kind):
        yield from view_debts(route.path, handler, (method,))


def _atomic_debts(route: Routed, perimeter: Perimeter) -> Iterator[str]:
    """Yield the view around which Django opens a transaction, and whose identity is used up.

    What is used up must stay so when the view is rolled back: else it works twice.
    """
    using = getattr(perimeter.store, "using", None)
    if not isinstance(using, str) or not connections.settings[using]["ATOMIC_REQUESTS"]:
        return
    if using in getattr(route.view, "_non_atomic_requests", ()):
        return
    boundary = boundary_of(route.view)
    identity = getattr(boundary, "identity", None)
    if boundary is not None and (
        getattr(identity, "needs_store", False) or isinstance(identity, SignIn)
    ):
        yield (
            f"Route {route.path}: ATOMIC_REQUESTS opens a transaction on the database {using} "
            f'before "{boundary.name}" proves, and what {type(identity).__name__} uses up or '
            "counts would be rolled back with the view. Decorate the view with "
            f'transaction.non_atomic_requests(using="{using}"); a row that is locked has a '
            "transaction of its own."
        )


def _proves_all(view: Any, kind: type[Any]) -> Callable[[str], Iterable[str]] | None:
    """Return what tells the debts of a class that proves each request; None where it doesn't."""
    own: Any = getattr(kind, PROVES_ALL, None)
    if own is not None:
        return lambda path: own(path, getattr(view, "actions", None))
    # What stands in as_view(…) is not what stands in the class.
    given: dict[str, Any] = getattr(view, "initkwargs", None) or {}
    if "authentication_classes" in given:
        return None
    permissions: Any = given.get("permission_classes", getattr(kind, "permission_classes", None))
    for permission in permissions or ():
        required: Any = getattr(permission, PROVES_ALL, None)
        if required is not None:
            return partial(_required, required, kind)
    return None


def seen_through(view: Any) -> Any:
    """Return the view beneath decorators of Django's that hand every request on or refuse it."""
    while True:
        code = getattr(view, "__code__", None)
        named = getattr(view, "__globals__", {}).get("__name__")
        if code is None or (named, code.co_qualname.partition(".")[0]) not in _HAND_ON:
            return view
        view = getattr(view, "__wrapped__", None)


def _above(path: str, view: Any) -> str:
    """Return that something stands above what `as_view` made."""
    made = seen_through(view)
    is_made = getattr(made, "__globals__", {}).get("__name__") in _MAKE
    return above_debt(path, made, made if is_made else _class_of(view))


def _around(path: str, view: Any, kind: type[Any]) -> str:
    """Return what goes around the handlers of a class of views, and isn't proven itself."""
    if proven_by(getattr(kind, "dispatch", None)):
        return ""
    names = ["dispatch", "as_view"]
    if _proves_all(view, kind) is not None:
        names += getattr(kind, LEADS, ("initial", "check_permissions", "get_authenticators"))
    return around_debt(path, kind, names, frameworks=_KNOWN)


def _required(required: Any, kind: type[Any], path: str) -> Iterable[str]:
    found: Iterable[str] = required(path, kind)
    return found


def _leaves(patterns: Iterable[Any], prefix: str) -> Iterator[Routed]:
    for pattern in patterns:
        path = prefix + _text_of(pattern.pattern, is_first=prefix == "/")
        if isinstance(pattern, URLResolver):
            yield from _leaves(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield Routed(path, pattern.callback)


def _text_of(pattern: Any, *, is_first: bool) -> str:
    if isinstance(pattern, LocalePrefixPattern):
        return ""  # a language each; who guards a part of the site guards it in all of them
    text = str(pattern)
    if not isinstance(pattern, RegexPattern):
        return text.removeprefix("/") if is_first else text
    # "^accounts/|secret" begins with accounts/ and leads elsewhere too; "admin/" is searched for
    # anywhere in the path: neither is a beginning that somebody else can be said to guard.
    if text.startswith("^") and "|" not in text:
        return text[1:].removesuffix("$").replace("\\Z", "")
    return f"({text})"


def _class_of(view: Any) -> Any:
    kind = getattr(view, "view_class", None) or getattr(view, "cls", None)
    return kind if isinstance(kind, type) else None


def _handlers(view: Any, kind: type[Any]) -> Iterator[tuple[Any, str]]:
    """Yield each handler of a class of views, with the method by which it is reached."""
    # Of a view set of Django REST framework; what isn't in it is looked for in the class.
    actions: dict[str, str] = getattr(view, "actions", None) or {}
    for method, name in actions.items():
        yield getattr(kind, name, None), method.upper()
    given: dict[str, Any] = (
        getattr(view, "view_initkwargs", None) or getattr(view, "initkwargs", None) or {}
    )
    own: Iterable[str] = given.get("http_method_names", getattr(kind, "http_method_names", ()))
    for method in dict.fromkeys((*_METHODS, *own)):
        handler = None if method in actions else getattr(kind, method, None)
        if handler is not None and not _only_lists_methods(method, handler):
            yield handler, method.upper()


def _only_lists_methods(method: str, handler: Any) -> bool:
    module = str(getattr(handler, "__module__", ""))
    return method == "options" and module in ("django.views.generic.base", "rest_framework.views")
