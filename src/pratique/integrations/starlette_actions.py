"""Actions of a client or service boundary as Starlette's own views: `guarded`, `does`."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from pratique.core.claim import Claim
from pratique.core.once import OneTime
from pratique.core.refusal import Refused
from pratique.service import Context

from .asgi import claim_once, perimeter_of
from .context import CONTEXT_KEY, known_context
from .plan import Arguments, Plan, mark_doing, mark_proving, place_of
from .reply import told
from .shadow import Replay

Endpoint = Callable[..., Awaitable[Response]]


def guarded(view: Callable[..., Any]) -> Endpoint:
    """Return the view that proves what the parameters of a view owe, then runs it.

        MyOrder = Annotated[
            Proven[Order, Literal["read"]], owned(shop, Order.owner_id, "read", session=NewSession)
        ]

        async def read(request: Request, order: MyOrder) -> Response: ...

        Route("/orders/{order_id}", guarded(read))

    Args:
        view: (request, …) -> response, also a method of an `HTTPEndpoint`. The request comes
            first; each other parameter is proven (`owned`, `called`) or `opened`. One that is not
            async runs on a thread.

    Raises:
        BoundaryError: no parameter owes a proof, or an annotation can't be read.
    """
    plan = Plan(view)
    asked, *others = plan.boundaries

    async def prove(*args: Any) -> Response:
        request: Request = args[-1]
        scope, receive = request.scope, request.receive
        for boundary in others:
            perimeter_of(scope, boundary)
        claim: Claim | None = None
        whole = None if plan.owed else Replay(receive)
        try:
            read = receive if whole is None else whole.first
            perimeter, claim = await claim_once(scope, read, asked, plan.max_content_bytes)
        except Refused:
            perimeter = perimeter_of(scope, asked)
            if not plan.lets_go(perimeter.clock()):
                raise
        if whole is not None:
            args = (*args[:-1], Request(scope, whole.again))

        def run(arguments: Arguments, context: object) -> Any:
            scope[CONTEXT_KEY] = context
            if plan.is_async:
                return view(*args, **arguments)
            return run_in_threadpool(view, *args, **arguments)

        answer: Response = await plan.acall(perimeter, claim, request.path_params, run)
        return answer

    prove.__name__ = prove.__qualname__ = f"guarded_{getattr(view, '__name__', 'view')}"
    prove.__doc__ = view.__doc__
    return mark_proving(prove, plan)


def does(action: OneTime, *, key: str | None = None) -> Endpoint:
    """Return the view of a one-time action.

        Route("/coupons/{coupon_id}/redemption", does(redeem), methods=["POST"])

    The answer is the handler's, as JSON. A client that sends an Idempotency-Key may ask again.

    Args:
        action: Made by `Client.once` or `Service.once`.
        key: Name of the place in the path; "coupon_id" for "coupon.redeem" by default. Not used
            where the action has no object.
    """
    place = place_of(action, key)

    async def do(request: Request) -> Response:
        boundary = action.boundary
        perimeter, claim = await claim_once(
            request.scope, request.receive, boundary, boundary.max_content_bytes
        )
        named = "" if place is None else str(request.path_params[place])
        done = await perimeter.aperform(
            boundary, claim, lambda crossing: action.flow(crossing, key=named)
        )
        reply = told(done.content, done.crossing_id)
        return Response(reply.content, reply.status, reply.fields)

    return mark_doing(do, action, place)


def context_of(request: Request) -> Context:
    """Return for whom this request was proven, so that the next call can be for no more.

    Args:
        request: Of a view that proves an action of a service boundary.

    Raises:
        BoundaryError: none does.
    """
    return known_context(request.scope.get(CONTEXT_KEY), asked="context_of(request)")
