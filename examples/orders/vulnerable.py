"""The same service, where a field says the role (the guide, section 6): never to be copied."""

from typing import Any

from fastapi import FastAPI, HTTPException, Request

ORDERS = [{"id": 1, "owner": "customer:1", "note": "ring twice"}]


def create_app() -> FastAPI:
    """Return the service that believes what its caller, or its caller's caller, writes."""
    app = FastAPI()

    @app.get("/admin/orders")
    def every(request: Request) -> list[dict[str, Any]]:
        if request.headers.get("x-user-role") != "admin":
            raise HTTPException(403, "forbidden")
        return ORDERS

    return app
