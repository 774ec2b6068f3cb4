"""Further crossings within one request: the rows that a query names, the things it wants done.

A GraphQL query names as many objects as it likes, by aliases and variables, after the request has
been proven. Each of them crosses by itself, for the same caller.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from inspect import Parameter, Signature
from typing import Any, Final, Generic, TypeVar, cast
from uuid import UUID

import msgspec
from fastapi import Depends, Request, params

from pratique.core.access import NOT_FOUND
from pratique.core.acting import Acting
from pratique.core.action import Action
from pratique.core.claim import Claim
from pratique.core.obligation import VALID
from pratique.core.once import OneTime
from pratique.core.perimeter import Perimeter
from pratique.core.proven import Proven
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.told import Told

from .asgi import claim_once
from .fastapi_actions import PROVES, Given
from .proving import Owed, owned

REACHES: Final = "__pratique_reaches__"
MAX_FURTHER: Final = 1000
"""Further crossings of one request at the most (CWE-770)."""
_LOCK: Final = "pratique.reach"
_UNPROCESSABLE: Final = 422
_encode: Final = msgspec.json.Encoder().encode
O = TypeVar("O")  # noqa: E741  the object
A = TypeVar("A")


class _Further:
    """One action in one request, and how often it was asked for."""

    def __init__(self, perimeter: Perimeter, action: Action, claim: Claim, most: int) -> None:
        self._perimeter, self._action, self._claim = perimeter, action, claim
        self._most, self._asked = most, 0

    def _next(self, key: object, content: bytes = b"") -> tuple[str, Claim]:
        self._asked += 1
        if self._asked > self._most:
            detail = f"one request asks for more than {self._most} objects"
            raise self._refused(detail, "too_many_objects", _UNPROCESSABLE)
        if isinstance(key, bool) or not isinstance(key, str | int | UUID):
            raise self._refused("the key is no text, integer or UUID", "bad_key", NOT_FOUND)
        was = self._claim
        # The same fields: a proof that works once came once, however many look at it.
        return str(key), Claim(content, was.fields, was.received_at, was.via)

    def _refused(self, detail: str, code: str, status: int) -> Refused:
        refused = Refused(VALID, detail, code=code, status=status)
        return self._perimeter.refuse(self._action.boundary, refused)


class Reach(_Further, Generic[O, A]):
    """Proves further rows of the caller's own. Made by `reach`."""

    def __init__(
        self,
        perimeter: Perimeter,
        action: Action,
        claim: Claim,
        most: int,
        *,
        session: object,
        lock: asyncio.Lock,
    ) -> None:
        super().__init__(perimeter, action, claim, most)
        self._session, self._lock = session, lock

    async def __call__(self, key: object) -> Proven[O, A]:
        """Return the row of this key, proven like that of a path.

        Raises:
            Refused: what `Action.flow` refuses: LINKED, code "not_found", where it isn't the
                caller's; VALID, code "too_many_objects" (422).
        """
        text, claim = self._next(key)
        # Resolvers run side by side, and a session of SQLAlchemy serves one at a time.
        async with self._lock:
            proven = await self._perimeter.acarry(
                self._action.boundary,
                claim,
                lambda crossing: self._action.flow(crossing, key=text, session=self._session),
            )
        return cast("Proven[O, A]", proven)


class Perform(_Further):
    """Does a one-time action for the caller. Made by `perform`."""

    async def __call__(self, key: object = "", content: msgspec.Struct | None = None) -> Told:
        """Do it to the object of this key, in a transaction of the store's own.

        Args:
            key: Which object; not used where the action has none.
            content: What is sent, of the action's `content=`. It is read and bounded like content.

        Raises:
            Refused: what `OneTime.flow` refuses: ALLOWED, code "too_many_attempts" (429); VALID,
                code "too_many_objects" (422).
        """
        action = cast("OneTime", self._action)
        text, claim = self._next(key, b"" if content is None else _encode(content))
        told: Told = await self._perimeter.aperform(
            action.boundary, claim, lambda crossing: action.flow(crossing, key=text)
        )
        return told


def reach(
    boundary: Acting,
    owner: Any,
    verb: str,
    *,
    session: Given,
    most: int = 50,
    by: Callable[[Any], object] | None = None,
) -> Any:
    """Return the dependency with which a view proves further rows of the caller's own.

        Orders = Annotated[
            Reach[Order, Literal["read"]], reach(shop, Order.owner_id, "read", session=get_session)
        ]

        order = await orders(key)  # Proven[Order, Literal["read"]], or Refused

    It proves nothing before it is asked, so the route owes a proof of its own: `called(…)`.

    Args:
        boundary: A client or service boundary.
        owner: See `owned`.
        verb: See `owned`.
        session: See `owned`.
        most: Rows that one request may ask for, 1 to 1000, found or not.
        by: See `owned`.

    Raises:
        BoundaryError: see `owned`; *most* is out of its bounds.
    """
    owes: Owed = replace(owned(boundary, owner, verb, session=None, by=by), kind=Reach)
    action = owes.action

    async def further(request: Request, session: Any) -> Any:
        perimeter, claim = await _claim(request, action)
        lock = request.scope.setdefault(_LOCK, asyncio.Lock())
        return Reach[Any, Any](perimeter, action, claim, most, session=session, lock=lock)

    return _dependency(further, owes, most, session)


def perform(action: OneTime, *, most: int = 50) -> Any:
    """Return the dependency with which a view does a one-time action, as often as it is asked to.

    Attempts are counted for each. The route owes a proof of its own: `called(…)`.

    Args:
        action: Made by `Client.once` or `Service.once`.
        most: How often one request may ask for it, 1 to 1000.

    Raises:
        BoundaryError: *most* is out of its bounds.
    """

    async def further(request: Request) -> Any:
        perimeter, claim = await _claim(request, action)
        return Perform(perimeter, action, claim, most)

    return _dependency(further, Owed(action, "", kind=Perform), most, None)


async def _claim(request: Request, action: Action) -> tuple[Perimeter, Claim]:
    boundary = action.boundary
    return await claim_once(request.scope, request.receive, boundary, boundary.max_content_bytes)


def _dependency(
    further: Callable[..., Awaitable[Any]], owes: Owed, most: int, session: Given | None
) -> Any:
    action = owes.action
    if not 1 <= most <= MAX_FURTHER:
        raise BoundaryError(
            f"{action.name}: most={most}: one request asks for 1 to {MAX_FURTHER} objects."
        )
    parameters = [Parameter("request", Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)]
    if session is not None:
        given = session if isinstance(session, params.Depends) else Depends(session)
        parameters.append(
            Parameter("session", Parameter.KEYWORD_ONLY, annotation=Any, default=given)
        )
    setattr(further, "__signature__", Signature(parameters))  # noqa: B010
    setattr(further, PROVES, owes)
    setattr(further, REACHES, action)
    further.__name__ = f"reach_{action.name.replace('.', '_')}"
    return Depends(further)
