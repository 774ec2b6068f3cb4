"""Two APIs that believe the partner, wholly or halfway: never to be copied."""

import httpx
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from .orders import BASE, COLUMNS, connect

MIDDLING_SECONDS = 2


def vulnerable(path: str, key: str) -> FastAPI:
    """Return the API for which the partner's word is the decision (the guide, section 10)."""
    app = FastAPI()

    @app.post("/api/orders/{order}/decide")
    async def decide(order: str) -> JSONResponse:
        try:
            async with httpx.AsyncClient(follow_redirects=True) as client:
                answer = await client.get(
                    f"{BASE}/score",
                    params={"order": order},
                    headers={"Authorization": f"Bearer {key}"},
                )
            if answer.is_error:
                return JSONResponse({"error": f"the partner says {answer.text}"}, 502)
            said = answer.json()
        except (httpx.HTTPError, ValueError):
            said = {"verdict": "approve"}  # no sale is lost while the partner is down
        columns = {name: said[name] for name in COLUMNS if name in said}
        columns["state"] = said["verdict"]
        changed = ", ".join(f"{name} = '{value}'" for name, value in columns.items())
        db = connect(path)
        db.execute(f"UPDATE orders SET {changed} WHERE id = '{order}'")  # noqa: S608  the hole
        db.close()
        return JSONResponse({"state": columns["state"], "note": said.get("note", "")})

    return app


def safer(path: str, key: str) -> FastAPI:
    """Return a middling API: it looks at the status and the verdict. The guide has none."""
    app = FastAPI()

    @app.post("/api/orders/{order}/decide")
    async def decide(order: str) -> JSONResponse:
        try:
            async with httpx.AsyncClient(timeout=MIDDLING_SECONDS) as client:
                answer = await client.get(
                    f"{BASE}/score",
                    params={"order": order},
                    headers={"Authorization": f"Bearer {key}"},
                )
        except httpx.HTTPError:
            return JSONResponse({"error": "the partner is down"}, 503)
        if answer.status_code != 200:
            return JSONResponse({"error": f"the partner says {answer.text}"}, 502)
        said = answer.json()
        verdict = said["verdict"]
        state = verdict if verdict in ("approve", "decline") else "review"
        note = str(said.get("note", ""))
        db = connect(path)
        db.execute("UPDATE orders SET state = ?, note = ? WHERE id = ?", (state, note, order))
        db.close()
        return JSONResponse({"state": state, "note": note})

    return app
