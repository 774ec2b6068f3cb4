"""The guide's two handlers (section 5) in Python, with their holes: never to be copied."""

import hmac
import json

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from .database import connect, crash_due

UPGRADE = (
    "UPDATE subscription SET plan = 'pro', state = 'active', upgrades = upgrades + 1 WHERE {} = ?"
)


def vulnerable(path: str, _secret: str, _provider: str) -> FastAPI:
    """Return the API whose handler believes the event."""
    app = FastAPI()

    @app.post("/api/webhooks/payment")
    async def hook(request: Request) -> JSONResponse:
        event = await request.json()
        if event["type"] == "invoice.paid":
            db = connect(path)
            db.execute(UPGRADE.format("user"), (event["userId"],))
            db.close()
            if crash_due(path, event["invoiceId"]):
                raise RuntimeError("the process dies after the update")
        return JSONResponse({"ok": True})

    return app


def safer(path: str, secret: str, provider: str) -> FastAPI:
    """Return the API whose handler is the guide's "safer" one, step by step."""
    app = FastAPI()

    @app.post("/api/webhooks/payment")
    async def hook(request: Request) -> JSONResponse:
        raw = await request.body()
        expected = hmac.new(secret.encode(), raw, "sha256").hexdigest()
        if not hmac.compare_digest(
            expected.encode(), request.headers.get("x-signature", "").encode()
        ):
            return JSONResponse({"error": "invalid signature"}, 401)
        event = json.loads(raw)
        db = connect(path)
        if db.execute("SELECT 1 FROM seen WHERE event = ?", (event["id"],)).fetchone():
            return JSONResponse({"ok": True})
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{provider}/v1/invoices/{event['invoiceId']}")
        invoice = answer.json() if answer.is_success else None
        if not invoice or invoice["status"] != "paid":
            return JSONResponse({"error": "invoice not confirmed"}, 400)
        named = invoice["metadata"]
        row = db.execute(
            "SELECT * FROM subscription WHERE id = ?", (named["subscriptionId"],)
        ).fetchone()
        if not row or row["user"] != named["userId"]:
            return JSONResponse({"error": "ownership mismatch"}, 403)
        db.execute(UPGRADE.format("id"), (row["id"],))
        if crash_due(path, event["invoiceId"]):
            raise RuntimeError("the process dies between the two commits")
        db.execute("INSERT INTO seen VALUES (?)", (event["id"],))
        return JSONResponse({"ok": True})

    return app
