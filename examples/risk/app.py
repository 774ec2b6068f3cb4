"""Orders that a partner's risk score informs, on FastAPI: the decision stays the shop's own."""

import os
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from fastapi import FastAPI, HTTPException

from pratique import Perimeter, Proven, Secret
from pratique.fetch import FetchPolicy, Internal
from pratique.integrations.fastapi import guard
from pratique.partner import Partner

RISKY, DEAR = 40, 100_000
"""Above that score, or that price in cents, a person looks."""


class Score(msgspec.Struct, frozen=True):
    """What the partner says of an order, with bounds."""

    order: Annotated[str, msgspec.Meta(max_length=64)]
    score: Annotated[int, msgspec.Meta(ge=0, le=100)]
    verdict: Literal["approve", "review", "decline"]
    as_of: Annotated[datetime, msgspec.Meta(tz=True)]


class Order(msgspec.Struct):
    """A row of the shop's own."""

    amount: int
    """Cents."""
    state: str = "new"


def decided(score: Proven[Score], order: Order) -> str:
    """Decide by our own policy. It takes Proven[Score]: nobody calls it with parsed JSON."""
    if score.value.verdict == "decline":
        return "decline"
    is_fine = score.value.verdict == "approve" and score.value.score <= RISKY
    return "approve" if is_fine and order.amount <= DEAR else "review"


def on_this_machine(port: int) -> FetchPolicy:
    """Return the policy for a partner on loopback, where http proves nothing: to try it."""
    return FetchPolicy(
        hosts={"127.0.0.1"},
        schemes={"http"},
        content_types={"application/json"},
        internal=[Internal("127.0.0.1", "127.0.0.1/32", port, "the partner of this example")],
        deadline=timedelta(seconds=2),
    )


def create_app(api: str = "", orders: dict[str, Order] | None = None) -> FastAPI:
    """Return the guarded API.

    Args:
        api: The partner's; RISK_API by default.
        orders: The shop's rows; some are made by default.
    """
    api = api or os.environ.get("RISK_API", "https://risk.example")
    rows = orders or {name: Order(4_900) for name in ("o_1", "o_2", "o_3", "o_4")}
    policy = on_this_machine(int(api.rpartition(":")[2])) if api.startswith("http:") else None
    perimeter = Perimeter()
    risk = perimeter.declare(Partner("risk", api, bearer=Secret.env("RISK_KEY"), policy=policy))
    score_of = risk.call(
        "GET /orders/{order}/score",
        Score,
        about={"order": "order"},
        as_of=lambda score: score.as_of,
        max_age=timedelta(hours=1),
    )
    app = guard(FastAPI(), perimeter)

    @app.post("/orders/{order}/decide")
    async def decide(order: str) -> dict[str, str]:
        if order not in rows:
            raise HTTPException(404)
        # Refused (502, 503) leaves the order as it was: silence is never a yes.
        score = await score_of.aask(values={"order": order})
        rows[order].state = decided(score, rows[order])
        return {"state": rows[order].state}

    @app.get("/orders/{order}")
    async def show(order: str) -> dict[str, str]:
        return {"state": rows[order].state}

    return app
