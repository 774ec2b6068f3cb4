"""Actions of a client or service boundary as FastAPI's own.

Dependencies that prove (`owned`, `called`), and a view that does (`does`).
"""

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, Final

from fastapi import Depends, Path, Request, Response, params

from pratique.core.acting import Acting
from pratique.core.action import Action
from pratique.core.claim import Claim
from pratique.core.crossing import Crossing
from pratique.core.once import OneTime
from pratique.core.perimeter import Perimeter
from pratique.core.proven import Proven
from pratique.core.question import Flow
from pratique.core.refusal import BoundaryError, Refused
from pratique.service import Context

from .asgi import CROSSING_FIELD, SCOPE_KEY, claim_of, read_content

CLAIM_KEY: Final = "pratique.claim"
CONTEXT_KEY: Final = "pratique.context"
ACTION: Final = "__pratique_action__"
PROVES: Final = "__pratique_proves__"
Given = Callable[..., Any] | params.Depends


def owned(
    boundary: Acting,
    owner: Any,
    verb: str,
    *,
    session: Given,
    content: type[Any] | None = None,
    key: str | None = None,
    by: Callable[[Any], object] | None = None,
    lock: bool | None = None,
) -> Any:
    """Return the dependency that proves a row of the caller's own.

        MyOrder = Annotated[
            Proven[Order, Literal["read"]], owned(shop, Order.owner_id, "read", session=get_session)
        ]

    Args:
        boundary: A client or service boundary.
        owner: The column of a SQLAlchemy model that holds the owner: `Order.owner_id`.
        verb: "read": the policy is asked with it; events have "order.read".
        session: The dependency that gives the request's Session or AsyncSession; the view gets the
            same one. FastAPI answers before such a one ends: where it commits, hand in
            `Depends(get_session, scope="function")`, here and in the view.
        content: What may be written; the value is then `Change[Order, Content]`.
        key: Name of the place in the path; "order_id" for Order by default.
        by: (user) -> the owner's value; `user.id` by default.
        lock: Lock the row until the transaction ends; by default where content is written.

    Raises:
        BoundaryError: see `Acting.action`, `OwnedRows`.
    """
    from pratique.client.ownership import OwnedRows

    rows = OwnedRows(
        owner,
        by=by or _id_of,
        lock=content is not None if lock is None else lock,
    )
    action = boundary.action(
        f"{rows.name.lower()}.{verb}",
        verb=verb,
        find=rows.find,
        read_key=rows.read_key,
        content=content,
    )
    prove = _dependency(action, session, key or f"{rows.name.lower()}_id")
    setattr(prove, PROVES, (verb, rows.model, content))
    return Depends(prove)


def called(
    boundary: Acting,
    action: str,
    *,
    session: Given | None = None,
    content: type[Any] | None = None,
) -> Any:
    """Return the dependency that proves who calls, for an action about the user itself.

    Args:
        boundary: A client or service boundary.
        action: "profile.read"; the policy is asked with it.
        session: See `owned`.
        content: What may be written; the value is then `Change[User, Content]`.
    """
    prove = _dependency(boundary.action(action, content=content), session, None)
    setattr(prove, PROVES, (action, None, content))
    return Depends(prove)


def context_of(request: Request) -> Context:
    """Return for whom this request was proven, so that the next call can be for no more.

    Args:
        request: Of a view whose dependency proves an action of a service boundary.

    Raises:
        BoundaryError: none does.
    """
    context = request.scope.get(CONTEXT_KEY)
    if not isinstance(context, Context):
        raise BoundaryError(
            "context_of(request): no action of a service boundary was proven for this request. "
            "Let a dependency prove one: owned(…), called(…)."
        )
    return context


def does(action: OneTime, *, key: str | None = None) -> Callable[..., Any]:
    """Return the view of a one-time action.

        app.post("/coupons/{coupon_id}/redemption")(does(redeem))

    The answer is the handler's, as JSON. A client that sends an Idempotency-Key may ask again.

    Args:
        action: Made by `Client.once` or `Service.once`.
        key: Name of the place in the path; "coupon_id" for "coupon.redeem" by default. Not used
            where the action has no object.
    """
    has_object = action.rule.find is not None
    place = key or f"{action.name.split('.', maxsplit=1)[0]}_id"

    async def do(request: Request, **given: Any) -> Response:
        perimeter, claim = await _claim(request, action)
        told = await perimeter.aperform(
            action.boundary,
            claim,
            lambda crossing: action.flow(crossing, key=given.get("key", "")),
        )
        fields = {"cache-control": "no-store", CROSSING_FIELD: told.crossing_id}
        return Response(told.content, media_type="application/json", headers=fields)

    _shape(do, action, place if has_object else None, None)
    do.__name__ = do.__qualname__ = f"do_{action.name.replace('.', '_')}"
    do.__doc__ = f"{action.name}, once."
    return do


def _dependency(action: Action, session: Given | None, key: str | None) -> Callable[..., Any]:
    async def prove(request: Request, **given: Any) -> Any:
        perimeter, claim = await _claim(request, action)
        crossed: list[Crossing] = []

        def flow_of(crossing: Crossing) -> Flow[Proven[Any]]:
            crossed.append(crossing)
            return action.flow(crossing, key=given.get("key", ""), session=given.get("session"))

        proven = await perimeter.acarry(action.boundary, claim, flow_of)
        request.scope[CONTEXT_KEY] = crossed[0].context
        return proven

    _shape(prove, action, key, session)
    prove.__name__ = prove.__qualname__ = f"prove_{action.name.replace('.', '_')}"
    return prove


async def _claim(request: Request, action: Action) -> tuple[Perimeter, Claim]:
    perimeter = request.scope.get(SCOPE_KEY)
    boundary = action.boundary
    if not isinstance(perimeter, Perimeter) or boundary not in perimeter.boundaries:
        raise BoundaryError(
            f'Boundary "{boundary.name}" stands in an application that isn\'t guarded: '
            "guard(app, perimeter)."
        )
    try:
        return perimeter, await _claim_once(request, boundary.max_content_bytes, perimeter)
    except Refused as refused:
        raise perimeter.refuse(boundary, refused)  # noqa: B904  the same refusal, recorded


def _shape(
    view: Callable[..., Any], action: Action, key: str | None, session: Given | None
) -> None:
    """Tell FastAPI what a callable reads of a request, and the start which action it proves."""
    parameters = [Parameter("request", Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)]
    if key is not None:
        place = Path(alias=key)
        parameters.append(Parameter("key", Parameter.KEYWORD_ONLY, annotation=str, default=place))
    if session is not None:
        given = session if isinstance(session, params.Depends) else Depends(session)
        parameters.append(
            Parameter("session", Parameter.KEYWORD_ONLY, annotation=Any, default=given)
        )
    setattr(view, "__signature__", Signature(parameters))  # noqa: B010
    setattr(view, ACTION, action)


async def _claim_once(request: Request, cap: int, perimeter: Perimeter) -> Claim:
    """Read the claim once a request, whoever of its dependencies asks first.

    They are handed the same one: what may come once came once, however many look at it.
    """
    known: Claim | None = request.scope.get(CLAIM_KEY)
    if known is None:
        content = await read_content(request.scope, request.receive, cap)
        known = request.scope[CLAIM_KEY] = claim_of(request.scope, content, perimeter)
    return known


def _id_of(user: Any) -> object:
    return user.id
