"""The same API, guarded: the partner's answer is proven, and the decision is our own."""

import sqlite3
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from pratique import Perimeter, Proven
from pratique.events import AT_ONCE, JsonLines
from pratique.integrations.fastapi import Public, guard
from pratique.partner import Partner
from pratique.partner.call import Call

from .orders import BASE, connect

DEADLINE = timedelta(seconds=2)
"""Short, so that the table is done soon."""
MAX_AGE = timedelta(days=1)
RISKY, DEAR = 40, 100_000
"""Above that score, or that price in cents, a person looks."""


class Score(msgspec.Struct, frozen=True):
    """What the partner says of an order, with bounds."""

    order: Annotated[str, msgspec.Meta(max_length=64)]
    score: Annotated[int, msgspec.Meta(ge=0, le=100)]
    verdict: Literal["approve", "review", "decline"]
    as_of: Annotated[datetime, msgspec.Meta(tz=True)]
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


def declared(path: str, key: str) -> tuple[Perimeter, Partner, Call[Score]]:
    """Declare the boundary and its one question. It informs; nothing is decided by it."""
    perimeter = Perimeter(events=JsonLines(f"{path}.events.jsonl", delay=AT_ONCE))
    risk = perimeter.declare(Partner("risk", BASE, bearer=key, deadline=DEADLINE))
    score = risk.call(
        "GET /score",
        Score,
        about={"order": "order"},
        as_of=lambda score: score.as_of,
        max_age=MAX_AGE,
    )
    return perimeter, risk, score


def decided(proven: Proven[Score], order: sqlite3.Row) -> str:
    """Decide by our own policy: over the proven score and our own row."""
    score = proven.value
    if order["state"] != "new":
        return str(order["state"])
    if score.verdict == "decline":
        return "decline"
    if score.verdict == "approve" and score.score <= RISKY and order["amount"] <= DEAR:
        return "approve"
    return "review"


def guarded(path: str, key: str) -> FastAPI:
    """Return the guarded API."""
    perimeter, _, score = declared(path, key)
    app = guard(FastAPI(), perimeter)

    @app.post("/api/orders/{order}/decide")
    @Public("who may have an order decided is no part of this scenario")
    async def decide(order: str) -> JSONResponse:
        said = await score.aask(params={"order": order})
        db = connect(path)
        db.execute("BEGIN IMMEDIATE")
        state = decided(said, db.execute("SELECT * FROM orders WHERE id = ?", (order,)).fetchone())
        db.execute(
            "UPDATE orders SET state = ?, note = ? WHERE id = ?", (state, said.value.note, order)
        )
        db.execute("COMMIT")
        db.close()
        return JSONResponse({"state": state, "note": said.value.note})

    return app
