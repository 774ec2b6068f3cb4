"""What each API of this scenario is told, and the endpoints that all three have."""

import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from pratique.core.refusal import Refused

PARTNER = "partner.example.com"
IMAGES = "images.example-cdn.com"
WIKI = "wiki.corp.example"
KEY_FIELD = "X-Api-Key"
Fetch = Callable[[str, str], Awaitable[str]]
"""(URL, who asks) -> the text that it leads to."""
Send = Callable[[str, bytes, str], Awaitable[str]]
"""(URL, content, who asks) -> the text of the answer."""


@dataclass(frozen=True)
class Told:
    """What one API is told.

    Args:
        path: Of its database.
        marker: What its internal endpoint answers.
        key: It is sent to the partner's own host, with each request there.
        order: What is sent to a callback URL; for that host alone.
    """

    path: str
    marker: str
    key: str
    order: str


def make(path: Path) -> None:
    """Make the tables of one API."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE preview (user TEXT, text TEXT)")
        db.execute("CREATE TABLE later (user TEXT, url TEXT)")
    db.close()


def previews(path: Path, user: str) -> list[str]:
    """Read back what is stored for one user."""
    db = sqlite3.connect(path)
    found = db.execute("SELECT text FROM preview WHERE user = ? ORDER BY rowid", (user,)).fetchall()
    db.close()
    return [str(text) for (text,) in found]


def with_endpoints(app: FastAPI, told: Told, *, fetch: Fetch, send: Send) -> FastAPI:
    """Add the endpoints: the same for all three, which differ in *fetch* and *send* alone."""
    _add_at_once(app, told, fetch, send)
    _add_later(app, told, fetch)

    @app.get("/_internal/report")
    async def report() -> JSONResponse:
        # Reachable from this machine alone, its makers think: so it asks for nothing.
        return JSONResponse({"report": told.marker})

    return app


def _add_at_once(app: FastAPI, told: Told, fetch: Fetch, send: Send) -> None:
    @app.post("/api/preview")
    async def preview(request: Request) -> JSONResponse:
        user = request.headers["x-user"]
        return _store(told, user, await fetch((await request.json())["url"], user))

    @app.post("/api/callback")
    async def callback(request: Request) -> JSONResponse:
        url, user = (await request.json())["url"], request.headers["x-user"]
        return _store(told, user, await send(url, told.order.encode(), user))

    @app.post("/api/profile")
    async def profile(request: Request) -> JSONResponse:
        # The claims of an identity provider: whose picture it is, its user has chosen.
        claims, user = (await request.json())["claims"], request.headers["x-user"]
        return _store(told, user, await fetch(claims["picture"], user))


def _add_later(app: FastAPI, told: Told, fetch: Fetch) -> None:
    @app.post("/api/later")
    async def later(request: Request) -> JSONResponse:
        url = (await request.json())["url"]
        _run(told, "INSERT INTO later VALUES (?, ?)", request.headers["x-user"], url)
        return JSONResponse({})

    @app.post("/api/job")
    async def job() -> JSONResponse:
        waiting = _run(told, "SELECT user, url FROM later")
        _run(told, "DELETE FROM later")
        failed: Exception | None = None
        for user, url in waiting:
            try:
                _store(told, user, await fetch(url, user))
            except (Refused, HTTPException, httpx.HTTPError, ValueError) as error:
                failed = error
        if failed is not None:
            raise failed
        return JSONResponse({})


def _run(told: Told, statement: str, *values: str) -> list[Any]:
    with sqlite3.connect(told.path) as db:
        found = db.execute(statement, values).fetchall()
    db.close()
    return found


def _store(told: Told, user: str, text: str) -> JSONResponse:
    _run(told, "INSERT INTO preview VALUES (?, ?)", user, text[:500])
    return JSONResponse({"preview": text[:500]})
