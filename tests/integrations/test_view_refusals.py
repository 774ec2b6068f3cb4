"""A view that fetches and is refused answers with a problem document, once; the application's own handler wins."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from pratique import Perimeter
from pratique.core.refusal import Refused
from pratique.fetch import PUBLIC, Fetch, FetchPolicy
from pratique.integrations.asgi import Guarded
from pratique.integrations.fastapi import guard

INSIDE = "https://10.0.0.7/"


def application() -> FastAPI:
    """Return an application whose views fetch what they are asked to, async and on a thread."""
    perimeter = Perimeter()
    previews = perimeter.declare(Fetch("previews", FetchPolicy(hosts=PUBLIC)))
    app = guard(FastAPI(), perimeter)

    @app.get("/async")
    async def on_the_loop(url: str) -> str:
        return (await previews.aget(url)).value.url if url else "nothing asked"

    @app.get("/sync")
    def on_a_thread(url: str) -> str:
        return previews.get(url).value.url if url else "nothing asked"

    return app


@pytest.mark.parametrize("path", ["/async", "/sync"])
def test_a_refusal_in_a_view_is_a_problem_document(path: str) -> None:
    """RFC 9457, with the id of the crossing; a view that isn't refused answers as ever."""
    with TestClient(application()) as client:
        answer = client.get(path, params={"url": INSIDE})
        assert (answer.status_code, answer.json()["code"]) == (403, "address_not_allowed")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["crossing-id"]
        assert "10.0.0.7" not in answer.text
        assert client.get(path, params={"url": ""}).json() == "nothing asked"


@pytest.mark.parametrize("is_after", [True, False])
def test_the_applications_own_handler_wins(*, is_after: bool) -> None:
    """Whoever answers refusals in another shape goes on to; before the guard or after it."""

    async def ours(_: Request, refused: Exception) -> PlainTextResponse:
        return PlainTextResponse(f"no: {getattr(refused, 'code', '')}", 422)

    if is_after:
        app = application()
        app.add_exception_handler(Refused, ours)
    else:
        app = FastAPI(exception_handlers={Refused: ours})
        perimeter = Perimeter()
        previews = perimeter.declare(Fetch("previews", FetchPolicy(hosts=PUBLIC)))
        guard(app, perimeter)
        app.get("/async")(lambda url: previews.get(url).value.url)
    with TestClient(app) as client:
        answer = client.get("/async", params={"url": INSIDE})
        assert (answer.status_code, answer.text) == (422, "no: address_not_allowed")


@pytest.mark.parametrize("has_answered", [True, False])
def test_nothing_is_answered_twice(*, has_answered: bool) -> None:
    """An application that began an answer and is refused then gets no second one; else it gets ours."""
    perimeter = Perimeter()
    previews = perimeter.declare(Fetch("previews", FetchPolicy(hosts=PUBLIC)))
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if has_answered:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await previews.aget(INSIDE)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def ask() -> None:
        await Guarded(app, perimeter, list)({"type": "http"}, receive, send)

    if has_answered:
        with pytest.raises(Refused):
            asyncio.run(ask())
    else:
        asyncio.run(ask())
    starts = [message["status"] for message in sent if message["type"] == "http.response.start"]
    assert starts == [200 if has_answered else 403]
