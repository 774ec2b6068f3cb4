"""A dependency that judges for a boundary which only observes, beside a view from before."""

import asyncio
from copy import copy
from dataclasses import replace
from inspect import Parameter, Signature, isawaitable
from typing import Any, Final

from fastapi import Depends, Request, params

from pratique.core.boundary import Boundary
from pratique.core.claim import Claim
from pratique.core.obligation import VALID
from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError, Refused, too_large

from .asgi import CLAIM_KEY, claim_of, claim_once, perimeter_of
from .fastapi_actions import SHAPE, key_given
from .proving import Owed
from .shadow import SHADOW, Replay, let_go

_POSITIONAL: Final = Parameter.POSITIONAL_OR_KEYWORD


def shadow(proof: Any) -> Any:
    """Return the dependency that judges and records, and gives None whatever comes of it.

        @app.get("/orders/{order_id}", dependencies=[shadow(owned(…))])

    While the boundary observes, the view runs as before and the crossing is recorded as
    "would_admit" or "would_refuse". From the end on, what is refused doesn't reach the view. The
    route counts as legacy, never as guarded: nothing in it takes a Proven. A session of its own
    is asked of the proof's `session=`, and rolled back before the view runs.

    Args:
        proof: What `owned(…)`, `listed(…)` or `called(…)` gave, of a boundary with `observe=`.

    Raises:
        BoundaryError: it is something else.
    """
    shape: Any = getattr(getattr(proof, "dependency", None), SHAPE, None)
    if shape is None:
        raise BoundaryError("shadow(…) takes what owned(…), listed(…) or called(…) gave.")
    owes: Owed = replace(shape[0], is_shadow=True)
    session, place = shape[1:]
    action = owes.action
    boundary = action.boundary

    async def judge(request: Request, **given: Any) -> None:
        perimeter = perimeter_of(request.scope, boundary)
        at = perimeter.clock()
        try:
            claim = await _claim(request, perimeter, boundary, boundary.max_content_bytes)
            at = claim.received_at
            key = key_given(given, owes, claim)
            await perimeter.acarry(
                boundary,
                claim,
                lambda crossing: action.flow(crossing, key=key, session=given.get("session")),
            )
        except Exception as error:  # noqa: BLE001  the view runs whatever comes of it
            let_go(perimeter, boundary, at, error)
        finally:
            await _release(given.get("session"))

    parameters = [Parameter("request", _POSITIONAL, annotation=Request)]
    if place is not None:
        parameters.append(Parameter("key", Parameter.KEYWORD_ONLY, annotation=str, default=place))
    if session is not None:
        own = copy(session if isinstance(session, params.Depends) else Depends(session))
        object.__setattr__(own, "use_cache", False)  # never the session of the view
        parameters.append(Parameter("session", Parameter.KEYWORD_ONLY, annotation=Any, default=own))
    setattr(judge, "__signature__", Signature(parameters))  # noqa: B010
    setattr(judge, SHADOW, owes)
    judge.__name__ = judge.__qualname__ = f"shadow_{action.name.replace('.', '_')}"
    return Depends(judge)


async def _claim(request: Request, perimeter: Perimeter, boundary: Boundary, cap: int) -> Claim:
    """Read the claim, and leave the content where the view finds it."""
    if CLAIM_KEY not in request.scope and hasattr(request, "_body"):  # FastAPI has read it
        content = await request.body()
        try:
            if len(content) > cap:
                raise too_large(cap)
            request.scope[CLAIM_KEY] = claim_of(request.scope, content, perimeter)
        except Refused as refused:
            raise perimeter.refuse(boundary, refused)  # noqa: B904  the same refusal, recorded
    if CLAIM_KEY not in request.scope and getattr(request, "_stream_consumed", False):
        gone = Refused(
            VALID,
            "FastAPI has read the content as a form, and it can't be read again",
            code="content_gone",
            hint="declare it by the boundary, content=Type, and take the parameter off",
        )
        raise perimeter.refuse(boundary, gone)
    whole = Replay(request.receive)
    try:
        return (await claim_once(request.scope, whole.first, boundary, cap))[1]
    finally:
        setattr(request, "_receive", whole.again)  # noqa: B010  Starlette has no other way


async def _release(session: Any) -> None:
    """Roll back, so that the connection is free again and nothing that was judged is kept."""
    rollback = getattr(session, "rollback", None)
    if not callable(rollback):
        return
    told = rollback() if hasattr(session, "sync_session") else await asyncio.to_thread(rollback)
    if isawaitable(told):
        await told
