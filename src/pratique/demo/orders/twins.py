"""Shop API and orders service as the guide has them (section 6), with their holes: don't copy."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from . import service_token
from .rows import Login, Order, User, opened

Trouble = Callable[[Request, Session], JSONResponse | None]
_KEPT = frozenset({"id", "owner", "role"})
"""What the middling shop API doesn't write."""
_HOP = frozenset({"host", "content-length", "connection", "cookie", "accept-encoding"})


def orders(path: str, trouble: Trouble) -> FastAPI:
    """Return an orders service that does what it is asked where it sees no trouble."""
    app = FastAPI()

    @app.get("/api/admin/orders")
    def every(request: Request) -> Any:
        with opened(path) as db:
            return trouble(request, db) or [order.shown for order in db.scalars(select(Order))]

    @app.post("/api/admin/orders/{order}/refund")
    def refund(order: int, request: Request) -> Any:
        with opened(path) as db:
            found = trouble(request, db)
            if found is None:
                db.get_one(Order, order).refunds += 1
                db.commit()
            return found or {"ok": True}

    return app


def vulnerable_orders(settings: dict[str, str]) -> FastAPI:
    """Return the guide's vulnerable service: a field says the role."""

    def trouble(request: Request, _: Session) -> JSONResponse | None:
        if request.headers.get("x-user-role") == "admin":
            return None
        return JSONResponse({"error": "forbidden"}, 403)

    return orders(settings["path"], trouble)


def safer_orders(settings: dict[str, str]) -> FastAPI:
    """Return the guide's "safer" service, step by step."""

    def trouble(request: Request, db: Session) -> JSONResponse | None:
        caller = service_token.verify(settings["secret"], request.headers.get("authorization", ""))
        if caller != "api-gateway":
            return JSONResponse({"error": "untrusted caller"}, 401)
        name = request.headers.get("x-authenticated-user-id")
        if not name:
            return JSONResponse({"error": "missing user context"}, 400)
        user = db.get(User, name)
        if not user or user.role != "admin":
            return JSONResponse({"error": "forbidden"}, 403)
        return None

    return orders(settings["path"], trouble)


def vulnerable_shop(settings: dict[str, str]) -> FastAPI:
    """Return a shop API that believes what a client names, and says a role to the service."""

    def own(user: User) -> dict[str, str]:
        return {"x-user-role": user.role}

    return _shop(settings, own, is_owned=False, kept=frozenset())


def safer_shop(settings: dict[str, str]) -> FastAPI:
    """Return a middling one: it looks whose an order is, and keeps three columns to itself."""

    def own(user: User) -> dict[str, str]:
        token = service_token.sign(settings["secret"], "api-gateway", "orders")
        return {"authorization": token, "x-authenticated-user-id": user.id}

    return _shop(settings, own, is_owned=True, kept=_KEPT)


def _shop(
    settings: dict[str, str],
    own: Callable[[User], dict[str, str]],
    *,
    is_owned: bool,
    kept: frozenset[str],
) -> FastAPI:
    app, path = FastAPI(), settings["path"]
    client = httpx.Client(base_url=settings["orders"], trust_env=False)
    _own_routes(app, path, is_owned=is_owned, kept=kept)

    def on(request: Request, method: str, target: str) -> Response:
        with opened(path) as db:
            user = _caller(request, db, is_end_seen=is_owned)
            if user is None:
                return JSONResponse({"error": "who are you"}, 401)
            # As proxies do: the client's own fields, then ours.
            fields = [(n, v) for n, v in request.headers.items() if n not in _HOP]
            answer = client.request(method, target, headers=[*fields, *own(user).items()])
        return Response(answer.content, answer.status_code)

    @app.get("/api/admin/orders")
    def every(request: Request) -> Response:
        return on(request, "GET", "/api/admin/orders")

    @app.post("/api/admin/orders/{order}/refund")
    def refund(order: int, request: Request) -> Response:
        return on(request, "POST", f"/api/admin/orders/{order}/refund")

    return app


def _own_routes(app: FastAPI, path: str, *, is_owned: bool, kept: frozenset[str]) -> None:
    def find(request: Request, order: int, db: Session) -> Order | None:
        user, found = _caller(request, db, is_end_seen=is_owned), db.get(Order, order)
        if found is None or not is_owned:
            return found
        return found if user is not None and found.owner == user.id else None

    async def write(request: Request, row: Any, db: Session) -> JSONResponse:
        if row is None:
            return JSONResponse({}, 404)
        for name, value in (await request.json()).items():
            if name not in kept and hasattr(row, name):
                setattr(row, name, value)
        db.commit()
        return JSONResponse({"ok": True})

    @app.get("/api/orders/{order}")
    def show(order: int, request: Request) -> Any:
        with opened(path) as db:
            found = find(request, order, db)
            return found.shown if found is not None else JSONResponse({}, 404)

    @app.patch("/api/orders/{order}")
    async def change(order: int, request: Request) -> JSONResponse:
        with opened(path) as db:
            return await write(request, find(request, order, db), db)

    @app.patch("/api/me")
    async def rename(request: Request) -> JSONResponse:
        with opened(path) as db:
            return await write(request, _caller(request, db, is_end_seen=is_owned), db)


def _caller(request: Request, db: Session, *, is_end_seen: bool) -> User | None:
    token = request.cookies.get("session", "")
    login = db.get(Login, sha256(token.encode()).hexdigest())
    if login is None or (is_end_seen and login.ended_at):
        return None
    return db.get(User, login.user)
