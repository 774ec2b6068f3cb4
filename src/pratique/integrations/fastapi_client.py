"""The client boundary as FastAPI's own dependencies: `owned`, `called`."""

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, Final

from fastapi import Depends, Path, Request

from pratique.client import Action, Client
from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError, Refused

from .asgi import SCOPE_KEY, claim_of, read_content

CONTENT_KEY: Final = "pratique.content"
ACTION: Final = "__pratique_action__"


def owned(
    boundary: Client,
    owner: Any,
    verb: str,
    *,
    session: Callable[..., Any],
    content: type[Any] | None = None,
    key: str | None = None,
    by: Callable[[Any], object] | None = None,
    lock: bool | None = None,
) -> Any:
    """Return the dependency that proves a row of the caller's own.

        MyOrder = Annotated[
            Proven[Order, Literal["order.read"]], owned(shop, Order.owner_id, "read", session=db)
        ]

    Args:
        boundary: The client boundary.
        owner: The column of a SQLAlchemy model that holds the owner: `Order.owner_id`.
        verb: "read": the action is "order.read".
        session: The dependency that gives the request's Session or AsyncSession; the view gets the
            same one.
        content: What may be written; the value is then `Change[Order, Content]`.
        key: Name of the place in the path; "order_id" for Order by default.
        by: (user) -> the owner's value; `user.id` by default.
        lock: Lock the row until the transaction ends; by default where content is written.

    Raises:
        BoundaryError: see `Client.action`, `OwnedRows`.
    """
    from pratique.client.ownership import OwnedRows

    rows = OwnedRows(
        owner,
        by=by or _id_of,
        lock=content is not None if lock is None else lock,
    )
    action = boundary.action(
        f"{rows.name.lower()}.{verb}", find=rows.find, read_key=rows.read_key, content=content
    )
    return Depends(_dependency(action, session, key or f"{rows.name.lower()}_id"))


def called(
    boundary: Client,
    action: str,
    *,
    session: Callable[..., Any] | None = None,
    content: type[Any] | None = None,
) -> Any:
    """Return the dependency that proves who calls, for an action about the user itself.

    Args:
        boundary: The client boundary.
        action: "profile.read"; the policy is asked with it.
        session: See `owned`.
        content: What may be written; the value is then `Change[User, Content]`.
    """
    return Depends(_dependency(boundary.action(action, content=content), session, None))


def _dependency(
    action: Action, session: Callable[..., Any] | None, key: str | None
) -> Callable[..., Any]:
    async def prove(request: Request, **given: Any) -> Any:
        perimeter = request.scope.get(SCOPE_KEY)
        boundary = action.boundary
        if not isinstance(perimeter, Perimeter) or boundary not in perimeter.boundaries:
            raise BoundaryError(
                f'Boundary "{boundary.name}" stands in an application that isn\'t guarded: '
                "guard(app, perimeter)."
            )
        try:
            content = await _content(request, boundary.max_content_bytes)
            claim = claim_of(request.scope, content, perimeter)
        except Refused as refused:
            raise perimeter.refuse(boundary, refused)  # noqa: B904  the same refusal, recorded
        return await perimeter.acarry(
            boundary,
            claim,
            lambda crossing: action.flow(
                crossing, key=given.get("key", ""), session=given.get("session")
            ),
        )

    parameters = [Parameter("request", Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)]
    if key is not None:
        place = Path(alias=key)
        parameters.append(Parameter("key", Parameter.KEYWORD_ONLY, annotation=str, default=place))
    if session is not None:
        given = Depends(session)
        parameters.append(
            Parameter("session", Parameter.KEYWORD_ONLY, annotation=Any, default=given)
        )
    setattr(prove, "__signature__", Signature(parameters))  # noqa: B010
    setattr(prove, ACTION, action)
    prove.__name__ = prove.__qualname__ = f"prove_{action.name.replace('.', '_')}"
    return prove


async def _content(request: Request, cap: int) -> bytes:
    """Read the content once a request, whoever of its dependencies asks first."""
    known: bytes | None = request.scope.get(CONTENT_KEY)
    if known is None:
        known = request.scope[CONTENT_KEY] = await read_content(request.scope, request.receive, cap)
    return known


def _id_of(user: Any) -> object:
    return user.id
