"""The same API, where the partner's word is the decision: never to be copied."""

import os

import httpx
from fastapi import FastAPI


def create_app(api: str = "") -> FastAPI:
    """Return the API that believes the partner, and its silence."""
    api = api or os.environ.get("RISK_API", "https://risk.example")
    rows = {name: {"state": "new"} for name in ("o_1", "o_2", "o_3", "o_4")}
    app = FastAPI()

    @app.post("/orders/{order}/decide")
    async def decide(order: str) -> dict[str, str]:
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                said = (await client.get(f"{api}/orders/{order}/score")).json()
        except (httpx.HTTPError, ValueError):
            said = {"verdict": "approve"}  # no sale is lost while the partner is down
        rows[order]["state"] = said["verdict"]
        return rows[order]

    @app.get("/orders/{order}")
    async def show(order: str) -> dict[str, str]:
        return rows[order]

    return app
