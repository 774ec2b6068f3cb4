"""The door for Flask: `Pratique(perimeter).init_app(app)`, `endpoint`, `guarded`, `does`."""

import re
from collections.abc import Callable, Iterable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any, Final

from flask import Flask, current_app, request
from flask.views import MethodView
from flask.wrappers import Response

from pratique.core.boundary import Boundary
from pratique.core.claim import Claim
from pratique.core.closing import store_refusal
from pratique.core.once import OneTime
from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError, Refused, StoreError
from pratique.core.route import Route
from pratique.service import Context

from .before import above_debt, around_debt
from .context import CONTEXT_KEY, known_context
from .described import Described, describe
from .plan import Arguments, Plan, mark_doing, mark_proving, place_of, view_debts
from .proving import called, listed, opened, owned
from .reply import Reply, refusal, told
from .routes import (
    FLASKS_OWN,
    Elsewhere,
    Leaf,
    Public,
    boundary_debts,
    elsewhere,
    legacy_of,
    lock_debts,
    mark_crossing,
    naked_debts,
    proven_by,
    shadowed_by,
    stated,
)
from .shadow import Rewound, shadow
from .wsgi import claim_of, deliver, origin, read_content
from .wsgi_edge import WsgiEdge, send_reply, wsgi_edge_of

__all__ = [
    "Elsewhere",
    "Pratique",
    "Public",
    "called",
    "context_of",
    "does",
    "elsewhere",
    "endpoint",
    "guarded",
    "listed",
    "opened",
    "origin",
    "owned",
    "shadow",
]

View = Callable[..., Any]
NAME: Final = "pratique"
CLAIM_KEY: Final = "pratique.claim"
_FLASKS_OWN: Final = re.compile(r"flask\.[\w.]+:(Flask|Blueprint)\.")


class Pratique:
    """Puts the perimeter around a Flask application.

    The first request starts the perimeter, in each worker; where that is refused, each request
    raises, and while the store is down each is answered 503. What a view of its own lets through (a
    fetch or a partner that is refused) is answered with the refusal's problem details.

    Args:
        perimeter: What it is guarded by. With a client or service boundary in it, no route may be
            naked.
        elsewhere: Routes that somebody else guards, see `elsewhere`.
        lock: See Starlette's `guard`.

    Raises:
        BoundaryError: the lock can't be read.
    """

    def __init__(
        self,
        perimeter: Perimeter,
        *,
        elsewhere: Iterable[Elsewhere] = (),
        lock: str | Path | None = None,
    ) -> None:
        self.perimeter = perimeter
        self._elsewhere, self._legacy = tuple(elsewhere), legacy_of(lock)
        self._unwritten = lock_debts(lock)

    def init_app(self, app: Flask) -> None:
        """Guard an application, outermost of what is there by then.

        Raises:
            BoundaryError: the application is guarded.
        """
        if NAME in app.extensions:
            message = "the application is guarded twice. One perimeter guards one application."
            raise BoundaryError(message)
        app.extensions[NAME] = self
        if Refused not in app.error_handler_spec[None][None]:
            app.register_error_handler(Refused, _refused)
        inner = app.wsgi_app
        edge: WsgiEdge | None = None
        is_checked = False

        def wsgi_app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            nonlocal is_checked, edge
            if not (is_checked and self.perimeter.is_started):
                debts = self.debts(app)
                if debts:
                    raise BoundaryError(*debts)
                try:
                    self.perimeter.start()
                except StoreError as error:  # it may be there at the next request
                    return send_reply(refusal(store_refusal(error)), start_response)
                edge = wsgi_edge_of(self.perimeter)
                is_checked = True
            if edge is not None:
                try:
                    reply = edge.enter(environ)
                except Refused as refused:
                    reply = refusal(refused)
                if reply is not None:
                    return send_reply(reply, start_response)
            return inner(environ, start_response)

        setattr(wsgi_app, "app", inner)  # noqa: B010  what is mounted within is looked for
        setattr(app, "wsgi_app", wsgi_app)  # noqa: B010  Flask's own way to add a layer
        told = Described(self.perimeter, lambda: self.routes(app), lambda: self.debts(app))
        describe(app, told)

    def routes(self, app: Flask) -> list[Route]:
        """Return what each route of an application says of itself."""
        leaves = (
            *(
                Leaf(path, view, methods, _proven_by(view), shadowed_by=shadowed_by(view))
                for path, view, methods in _leaves(app)
            ),
            *(Leaf(path, view, is_mount=True) for path, view in _mounted(app.wsgi_app)),
        )
        return stated(leaves, others=self._elsewhere, legacy=self._legacy)

    def debts(self, app: Flask) -> list[str]:
        """Return what is wrong with the routes of an application, one sentence each."""
        if self._unwritten:
            return self._unwritten
        leaves = list(_leaves(app))
        views = [(path, view) for path, view, _ in leaves]
        how = "app.add_url_rule(path, view_func=endpoint({name}))"
        return [
            *boundary_debts(views, self.perimeter, how=how),
            *(debt for each in leaves for debt in view_debts(*each)),
            *_around_debts(app),
            *naked_debts(self.routes(app), self.perimeter),
        ]


def endpoint(boundary: Boundary, *, shadows: View | None = None) -> View:
    """Return the view of a boundary: reads the raw content under a cap, proves, answers.

        app.add_url_rule("/hooks/github", view_func=endpoint(pushes))

    Args:
        boundary: Declared in the perimeter that guards the application.
        shadows: The view that was there before: while the boundary only observes, it still decides
            and acts, and is given the same request. Owed by a boundary with `observe=`.

    Raises:
        BoundaryError: at the request, where the application is not guarded by the perimeter that
            declares the boundary.
    """

    def cross(**places: Any) -> Any:
        reply = deliver(_perimeter_of(boundary), boundary, request.environ)
        if reply.shadowed is not None and shadows is not None:
            return current_app.ensure_sync(shadows)(**places)
        return _response(reply)

    methods = ["GET", "POST"] if boundary.takes_get else ["POST"]
    setattr(cross, "methods", methods)  # noqa: B010  Flask's own mark
    return mark_crossing(cross, boundary, shadows)


def guarded(view: View) -> View:
    """Return the view that proves what the parameters of a view owe, then runs it.

        MyOrder = Annotated[
            Proven[Order, Literal["read"]], owned(shop, Order.owner_id, "read", session=NewSession)
        ]

        @app.get("/orders/<order_id>")
        @guarded
        def read(order: MyOrder) -> dict[str, object]: ...

    The other way round, `@guarded` above `@app.get`, the route stays naked and the application
    doesn't start.

    Args:
        view: Each parameter is proven (`owned`, `called`), `opened`, or a place of the path. Also a
            method of a `MethodView`.

    Raises:
        BoundaryError: no parameter owes a proof, or an annotation can't be read.
    """
    plan = Plan(view)
    asked, *others = plan.boundaries
    known = signature(view).parameters

    def prove(*args: Any, **places: Any) -> Any:
        perimeter = _perimeter_of(asked)
        for boundary in others:
            _perimeter_of(boundary)
        claim = _claim_of_view(plan, perimeter)

        def run(arguments: Arguments, context: object) -> Any:
            request.environ[CONTEXT_KEY] = context
            wanted = {name: value for name, value in places.items() if name in known}
            return current_app.ensure_sync(view)(*args, **{**wanted, **arguments})

        return plan.call(perimeter, claim, places, run)

    prove.__name__ = getattr(view, "__name__", "view")
    prove.__doc__ = view.__doc__
    prove.__module__ = view.__module__
    return mark_proving(prove, plan)


def does(action: OneTime, *, key: str | None = None) -> View:
    """Return the view of a one-time action.

        app.add_url_rule("/coupons/<coupon_id>/redemption", view_func=does(redeem))

    The answer is the handler's, as JSON. A client that sends an Idempotency-Key may ask again.

    Args:
        action: Made by `Client.once` or `Service.once`.
        key: Name of the place in the path; "coupon_id" for "coupon.redeem" by default. Not used
            where the action has no object.
    """
    place = place_of(action, key)

    def do(**places: Any) -> Response:
        boundary = action.boundary
        perimeter, claim = _claim_once(boundary, boundary.max_content_bytes)
        named = "" if place is None else str(places[place])
        done = perimeter.perform(boundary, claim, lambda crossing: action.flow(crossing, key=named))
        return _response(told(done.content, done.crossing_id))

    setattr(do, "methods", ["POST"])  # noqa: B010  Flask's own mark
    return mark_doing(do, action, place)


def context_of() -> Context:
    """Return for whom this request was proven, so that the next call can be for no more.

    Raises:
        BoundaryError: the view proves no action of a service boundary.
    """
    return known_context(request.environ.get(CONTEXT_KEY), asked="context_of()")


def _proven_by(view: View) -> str:
    name = f"{getattr(view, '__module__', '')}:{getattr(view, '__qualname__', '')}"
    # Static files of an application or a blueprint. Flask's own send_from_directory, as a view,
    # serves whatever directory it is given.
    if _FLASKS_OWN.match(name):
        return FLASKS_OWN
    return proven_by(view)


def _leaves(app: Flask) -> Iterator[tuple[str, View, Iterable[str]]]:
    """Yield path, view and methods of each route; a class of views as each of its methods."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        methods = set(rule.methods or ())
        if getattr(rule, "provide_automatic_options", False):
            methods -= {"OPTIONS"}  # Flask answers it itself
        kind = getattr(view, "view_class", None)
        if kind is None or proven_by(view):
            yield rule.rule, view, methods
            continue
        if _goes_around(rule.rule, kind):  # its handlers prove nothing: they may not be asked
            yield rule.rule, getattr(kind, "dispatch_request"), methods  # noqa: B009
            continue
        for method in sorted(methods):
            handler = getattr(kind, method.lower(), None)
            if handler is None and method == "HEAD":
                continue  # it is answered by GET
            yield rule.rule, handler or getattr(kind, "dispatch_request"), (method,)  # noqa: B009


def _around_debts(app: Flask) -> Iterator[str]:
    """Yield the class of views with handlers that prove, and a way around them."""
    for rule in app.url_map.iter_rules():
        view: Any = app.view_functions[rule.endpoint]
        kind = getattr(view, "view_class", None)
        names = [method.lower() for method in rule.methods or ()]
        if kind is None or not any(proven_by(getattr(kind, name, None)) for name in names):
            continue
        debt = _goes_around(rule.rule, kind)
        if debt and not proven_by(getattr(kind, "dispatch_request")):  # noqa: B009
            yield debt
        # What as_view makes is Flask's own function; its decorators stand above it.
        is_made = getattr(view, "__globals__", {}).get("__name__") == "flask.views"
        yield from filter(None, (above_debt(rule.rule, view, view if is_made else kind),))


def _goes_around(path: str, kind: Any) -> str:
    if not issubclass(kind, MethodView):
        return ""  # what it dispatches by is its one handler
    return around_debt(path, kind, ("dispatch_request", "as_view"), frameworks=("flask.",))


def _mounted(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yield what werkzeug's DispatcherMiddleware hands on, unless it is guarded itself."""
    while layer is not None:
        mounts: dict[str, Any] = getattr(layer, "mounts", {})
        for path, below in mounts.items():
            if NAME not in getattr(below, "extensions", ()):
                yield f"{path}/", below
        layer = getattr(layer, "app", None)


def _perimeter_of(boundary: Boundary) -> Perimeter:
    found = current_app.extensions.get(NAME)
    if not isinstance(found, Pratique) or boundary.perimeter is not found.perimeter:
        raise BoundaryError(
            f'Boundary "{boundary.name}" stands in an application that isn\'t guarded: '
            "Pratique(perimeter).init_app(app)."
        )
    return found.perimeter


def _claim_once(boundary: Boundary, cap: int) -> tuple[Perimeter, Claim]:
    """Read the claim once a request, whoever of its proofs asks first."""
    perimeter, environ = _perimeter_of(boundary), request.environ
    known: Claim | None = environ.get(CLAIM_KEY)
    if known is None:
        try:
            known = environ[CLAIM_KEY] = claim_of(environ, read_content(environ, cap), perimeter)
        except Refused as refused:
            raise perimeter.refuse(boundary, refused)  # noqa: B904  the same refusal, recorded
    return perimeter, known


def _claim_of_view(plan: Plan, perimeter: Perimeter) -> Claim | None:
    """Read the claim of a view; None where it is refused, and the view runs whatever comes."""
    asked, environ = plan.boundaries[0], request.environ
    if not plan.lets_go(perimeter.clock()):
        return _claim_once(asked, plan.max_content_bytes)[1]
    environ["wsgi.input"] = whole = Rewound(environ["wsgi.input"])
    try:
        return _claim_once(asked, plan.max_content_bytes)[1]
    except Refused:
        environ["wsgi.input"] = whole.again()
        return None


def _refused(refused: Refused) -> Response:
    return _response(refusal(refused))


def _response(reply: Reply) -> Response:
    return current_app.response_class(reply.content, reply.status, reply.fields)
