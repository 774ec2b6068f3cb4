"""Actions of a client or service boundary as FastAPI's own.

Dependencies that prove (`owned`, `called`), and a view that does (`does`).
"""

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, Final

from fastapi import Depends, Path, Query, Request, Response, params

from pratique.core import within
from pratique.core.acting import Acting
from pratique.core.action import Action
from pratique.core.claim import Claim
from pratique.core.crossing import Crossing
from pratique.core.once import OneTime

from .asgi import claim_once
from .context import CONTEXT_KEY
from .plan import ACTION, Arguments, Proving, mark_doing, place_of
from .proving import Owed, key_of
from .proving import called as _called
from .proving import listed as _listed
from .proving import owned as _owned
from .reply import told

PROVES: Final = "__pratique_proves__"
SHAPE: Final = "__pratique_shape__"
"""What `shadow` makes another dependency of: what is owed, the session, the place."""
Given = Callable[..., Any] | params.Depends


def owned(  # noqa: PLR0913  each is a keyword of its own
    boundary: Acting,
    owner: Any,
    verb: str,
    *,
    session: Given,
    content: type[Any] | None = None,
    key: str | None = None,
    by: Callable[[Any], object] | None = None,
    lock: bool | None = None,
    all_for: Callable[[Any], bool] | None = None,
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
        all_for: (user) -> True where the row may be anybody's, as for staff; the policy alone
            then decides. See `OwnedRows`.

    Raises:
        BoundaryError: see `Acting.action`, `OwnedRows`; the verb has a dot.
    """
    owes = _owned(
        boundary,
        owner,
        verb,
        session=None,
        content=content,
        key=key,
        by=by,
        lock=lock,
        all_for=all_for,
    )
    return Depends(_dependency(owes, session))


def listed(
    boundary: Acting,
    owner: Any,
    verb: str = "list",
    *,
    session: Given,
    most: int = 50,
    by: Callable[[Any], object] | None = None,
) -> Any:
    """Return the dependency that proves a page of the caller's own rows, and no others.

        MyOrders = Annotated[
            Proven[Page[Order], Literal["list"]],
            listed(shop, Order.owner_id, session=get_session),
        ]

    The policy is asked once, with the page. `?after=` says where it begins: the `next` of the page
    before.

    Args:
        boundary: A client or service boundary.
        owner: See `owned`.
        verb: "list": the policy is asked with it; events have "order.list".
        session: See `owned`.
        most: Rows of one page, 1 to 1000.
        by: See `owned`.

    Raises:
        BoundaryError: see `Acting.action`, `OwnedRows`; *most* is out of its bounds.
    """
    owes = _listed(boundary, owner, verb, session=None, most=most, by=by)
    return Depends(_dependency(owes, session, Query(alias="after", default="")))


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
    return Depends(_dependency(_called(boundary, action, content=content), session))


def does(action: OneTime, *, key: str | None = None) -> Callable[..., Any]:
    """Return the view of a one-time action.

        app.post("/coupons/{coupon_id}/redemption")(does(redeem))

    The answer is the handler's, as JSON. A client that sends an Idempotency-Key may ask again.

    Args:
        action: Made by `Client.once` or `Service.once`.
        key: Name of the place in the path; "coupon_id" for "coupon.redeem" by default. Not used
            where the action has no object.
    """
    place = place_of(action, key)

    async def do(request: Request, **given: Any) -> Response:
        perimeter, claim = await claim_once(
            request.scope, request.receive, action.boundary, action.boundary.max_content_bytes
        )
        done = await perimeter.aperform(
            action.boundary,
            claim,
            lambda crossing: action.flow(crossing, key=given.get("key", "")),
        )
        reply = told(done.content, done.crossing_id)
        return Response(reply.content, reply.status, reply.fields)

    _shape(do, action, None if place is None else Path(alias=place), None)
    return mark_doing(do, action, None)  # the place is told as of each dependency


def key_given(given: Arguments, owes: Owed, claim: Claim) -> str:
    """Return the key that FastAPI has read in the path, or that the query names. See `key_of`.

    Of two members of one name FastAPI takes the last, and another program the first (CWE-436).
    """
    return key_of(owes, {}, claim.via.target) if owes.query else str(given.get("key", ""))


def _dependency(owes: Owed, session: Given | None, key: Any = None) -> Callable[..., Any]:
    action = owes.action
    place = key if owes.place is None else Path(alias=owes.place)

    async def prove(request: Request, **given: Any) -> Any:
        perimeter, claim = await claim_once(
            request.scope, request.receive, action.boundary, action.boundary.max_content_bytes
        )
        named = key_given(given, owes, claim)
        crossed: list[Crossing] = []

        def flow_of(crossing: Crossing) -> Proving:
            crossed.append(crossing)
            return action.flow(crossing, key=named, session=given.get("session"))

        proven = await perimeter.acarry(action.boundary, claim, flow_of)
        request.scope[CONTEXT_KEY] = crossed[0].context
        return within.go_on(proven)  # what the view fetches belongs to this request

    _shape(prove, action, place, session)
    setattr(prove, PROVES, owes)
    setattr(prove, SHAPE, (owes, session, place))
    prove.__name__ = prove.__qualname__ = f"prove_{action.name.replace('.', '_')}"
    return prove


def _shape(view: Callable[..., Any], action: Action, key: Any, session: Given | None) -> None:
    """Tell FastAPI what a callable reads of a request, and the start which action it proves.

    *key* is the place of the key, a `Path` or a `Query`; None without one.
    """
    parameters = [Parameter("request", Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)]
    if key is not None:
        parameters.append(Parameter("key", Parameter.KEYWORD_ONLY, annotation=str, default=key))
    if session is not None:
        given = session if isinstance(session, params.Depends) else Depends(session)
        parameters.append(
            Parameter("session", Parameter.KEYWORD_ONLY, annotation=Any, default=given)
        )
    setattr(view, "__signature__", Signature(parameters))  # noqa: B010
    setattr(view, ACTION, action)
