"""Views that prove before they run: `endpoint`, `guarded`, `does`, `context_of`."""

from collections.abc import Callable
from inspect import iscoroutinefunction, signature
from typing import Any, Final, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase

from pratique.core.boundary import Boundary
from pratique.core.claim import Claim
from pratique.core.once import OneTime
from pratique.core.refusal import BoundaryError, Refused
from pratique.integrations.context import known_context
from pratique.integrations.limits import DEFAULT_CAP
from pratique.integrations.plan import Arguments, Plan, mark_doing, mark_proving, place_of
from pratique.integrations.reply import accepted, not_there, refusal, told
from pratique.integrations.routes import mark_crossing
from pratique.integrations.shadow import observes
from pratique.service import Context

from .ownership import Locking
from .request import (
    Held,
    claim_once,
    claim_to_look_at,
    context_held_by,
    held_by,
    response_of,
)

View = Callable[..., HttpResponseBase]
Run = Callable[[Arguments, object], Any]
Named = dict[str, Any]
V = TypeVar("V", bound=Callable[..., Any])
ON_THE_LOOP: Final = "__pratique_on_the_loop__"
"""The mark of a view that has an asynchronous twin, for a request that is served on a loop."""


def endpoint(boundary: Boundary, *, shadows: Callable[..., Any] | None = None) -> View:
    """Return the view of a boundary: reads the raw content under a cap, proves, answers.

        path("webhooks/stripe/", endpoint(payments))

    It takes POST alone, and GET where the sender asks by one whether the endpoint is ours; no CSRF
    token, and no transaction of ATOMIC_REQUESTS: the effect has its own.

    Args:
        boundary: Declared in the perimeter that guards the project.
        shadows: The view that was there before: while the boundary only observes, it still decides
            and acts, and is given the same request. Owed by a boundary with `observe=`.

    Raises:
        BoundaryError: at the request, where the project is not guarded by the perimeter that
            declares the boundary.
    """

    def cross(request: HttpRequest) -> HttpResponseBase:
        answer = _unread(request, boundary)
        if answer is not None:
            return answer
        held, claim = _read(request, boundary)
        try:
            crossed = held.perimeter.admit(boundary, claim)
            reply = accepted(crossed.crossing_id, receipt=boundary.receipt)
        except Refused as refused:
            reply = refusal(refused)
        old = _old_view(boundary, claim, shadows)
        return response_of(reply) if old is None else _sync(old)(request)

    async def across(request: HttpRequest) -> HttpResponseBase:
        answer = _unread(request, boundary)
        if answer is not None:
            return answer
        held, claim = _read(request, boundary)
        try:
            crossed = await held.perimeter.aadmit(boundary, claim)
            reply = accepted(crossed.crossing_id, receipt=boundary.receipt)
        except Refused as refused:
            reply = refusal(refused)
        old = _old_view(boundary, claim, shadows)
        return response_of(reply) if old is None else await _async(old)(request)

    mark_crossing(cross, boundary, shadows)
    return _outside_transactions(cross, across)


def guarded(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return the view that proves what the parameters of a view owe, then runs it.

        MyOrder = Annotated[Proven[Order, Literal["read"]], owned(shop, Order.owner, "read")]

        @guarded
        def read(request: HttpRequest, order: MyOrder) -> HttpResponse: ...

        path("orders/<int:order_id>/", read)

    It takes no CSRF token: an identity in a cookie owes the check of the origin. One that only
    observes, `shadow(owned(…))`, goes on taking what it took before: CSRF tokens, sign-ins,
    ATOMIC_REQUESTS.

    Args:
        view: (request, …) -> response, also a method of a class of views. The request comes first;
            each other parameter is proven (`owned`, `called`), `opened`, or a place of the path by
            its name. An async view proves on the loop.

    Raises:
        BoundaryError: no parameter owes a proof, an annotation can't be read, or an async view
            wants a row locked: Django has no transaction on a loop.
    """
    plan = Plan(view)
    first, *others = plan.boundaries
    takes = signature(view).parameters
    takes_all = any(each.kind is each.VAR_KEYWORD for each in takes.values())
    every = {**plan.owed, **plan.shadows}
    locked = [name for name, each in every.items() if isinstance(each.session, Locking)]
    if plan.is_async and locked:
        raise BoundaryError(
            f"guarded({plan.name}): {', '.join(locked)} is locked in a transaction, and Django has "
            "none for an async view. Make it a plain def, or say lock=False."
        )

    def asked(args: tuple[Any, ...], places: dict[str, Any]) -> tuple[Held, Claim | None, Run]:
        request = _request_of(args)
        for boundary in others:
            held_by(request, boundary)
        at = held_by(request, first).perimeter.clock()
        read = claim_to_look_at if plan.lets_go(at) else claim_once
        held, claim = read(request, first, plan.max_content_bytes)

        def run(arguments: Arguments, context: object) -> Any:
            held.context = context
            named = {name: value for name, value in places.items() if takes_all or name in takes}
            return view(*args, **{**named, **arguments})

        return held, claim, run

    def prove(*args: Any, **places: Any) -> HttpResponseBase:
        held, claim, run = asked(args, places)
        here = held.perimeter.carry_here  # a connection of Django's belongs to a thread
        answer: HttpResponseBase = plan.call(held.perimeter, claim, places, run, carry=here)
        return answer

    async def aprove(*args: Any, **places: Any) -> HttpResponseBase:
        held, claim, run = asked(args, places)
        answer: HttpResponseBase = await plan.acall(held.perimeter, claim, places, run)
        return answer

    made: Callable[..., Any] = aprove if plan.is_async else prove
    made.__name__ = made.__qualname__ = f"guarded_{getattr(view, '__name__', 'view')}"
    made.__doc__ = view.__doc__
    if not plan.owed:  # the view of before may rest on a CSRF token, or on who is signed in
        vars(made).update(vars(view))
        return mark_proving(made, plan)
    return _proves_by_itself(mark_proving(made, plan))


def does(action: OneTime, *, key: str | None = None) -> View:
    """Return the view of a one-time action; it takes POST alone.

        path("coupons/<str:coupon_id>/redemption/", does(redeem))

    The answer is the handler's, as JSON. A client that sends an Idempotency-Key may ask again.

    Args:
        action: Made by `Client.once` or `Service.once`.
        key: Name of the place in the path; "coupon_id" for "coupon.redeem" by default. Not used
            where the action has no object.
    """
    place, boundary = place_of(action, key), action.boundary

    def do(request: HttpRequest, **places: Any) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        held, claim = claim_once(request, boundary, boundary.max_content_bytes)
        named = "" if place is None else str(places[place])
        done = held.perimeter.perform(
            boundary, claim, lambda crossing: action.flow(crossing, key=named)
        )
        return response_of(told(done.content, done.crossing_id))

    async def ado(request: HttpRequest, **places: Any) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        held, claim = claim_once(request, boundary, boundary.max_content_bytes)
        named = "" if place is None else str(places[place])
        done = await held.perimeter.aperform(
            boundary, claim, lambda crossing: action.flow(crossing, key=named)
        )
        return response_of(told(done.content, done.crossing_id))

    mark_doing(do, action, place)
    return _outside_transactions(do, ado)


def context_of(request: HttpRequest) -> Context:
    """Return for whom this request was proven, so that the next call can be for no more.

    Args:
        request: Of a view that proves an action of a service boundary.

    Raises:
        BoundaryError: none does.
    """
    return known_context(context_held_by(request), asked="context_of(request)")


def _outside_transactions(view: View, on_the_loop: Callable[..., Any]) -> View:
    """Mark a view whose effect has a transaction of its own, with its asynchronous twin."""
    setattr(view, ON_THE_LOOP, on_the_loop)
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(view)
    return _proves_by_itself(view)


def _proves_by_itself(view: V) -> V:
    """Mark a view as one that neither CSRF tokens nor LoginRequiredMiddleware stand before."""
    setattr(view, "csrf_exempt", True)  # noqa: B010  a function has what it is given
    setattr(view, "login_required", False)  # noqa: B010
    return view


def _unread(request: HttpRequest, boundary: Boundary) -> HttpResponseBase | None:
    """Return the answer to what isn't even read."""
    methods = ["GET", "POST"] if boundary.takes_get else ["POST"]
    if request.method not in methods:
        return HttpResponseNotAllowed(methods)
    return response_of(not_there()) if boundary.is_disabled else None


def _read(request: HttpRequest, boundary: Boundary) -> tuple[Held, Claim]:
    return claim_once(request, boundary, _cap(boundary))


def _old_view(
    boundary: Boundary, claim: Claim, shadows: Callable[..., Any] | None
) -> Callable[..., Any] | None:
    """Return the view that decides while the boundary only observes."""
    return shadows if observes(boundary, claim.received_at) else None


def _sync(view: Callable[..., Any]) -> Callable[..., Any]:
    return async_to_sync(view) if iscoroutinefunction(view) else view


def _async(view: Callable[..., Any]) -> Callable[..., Any]:
    return view if iscoroutinefunction(view) else sync_to_async(view)


def _cap(boundary: Boundary) -> int:
    return int(getattr(boundary, "max_content_bytes", DEFAULT_CAP))


def _request_of(args: tuple[Any, ...]) -> HttpRequest:
    for each in args[:2]:  # a method's own object may come first
        if isinstance(each, HttpRequest):
            return each
        inner = getattr(each, "_request", None)  # of Django REST framework
        if isinstance(inner, HttpRequest):
            return inner
    raise BoundaryError("a guarded view is called with no request: (request, …).")
