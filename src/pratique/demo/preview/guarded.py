"""The same API, guarded: one fetch boundary, with a policy for the open internet."""

from datetime import timedelta

from fastapi import FastAPI
from fastapi.routing import APIRoute

from pratique import Perimeter, Secret
from pratique.events import AT_ONCE, JsonLines
from pratique.fetch import PUBLIC, Credential, Fetch, FetchPolicy, Internal
from pratique.integrations.fastapi import Public, guard

from .told import KEY_FIELD, PARTNER, WIKI, Told, with_endpoints

DEADLINE = timedelta(seconds=2)
"""Short, so that the table is done soon."""


def declared(told: Told) -> tuple[Perimeter, Fetch]:
    """Declare the boundary: any host of the open internet, and one service of our own."""
    perimeter = Perimeter(events=JsonLines(f"{told.path}.events.jsonl", delay=AT_ONCE))
    previews = perimeter.declare(
        Fetch(
            "previews",
            FetchPolicy(
                hosts=PUBLIC,
                redirects=3,
                content_types={"text/html"},
                max_wire_bytes=500_000,
                max_content_bytes=1_000_000,
                deadline=DEADLINE,
                internal=[Internal(WIKI, "10.1.2.0/24", 443, "previews link to its pages")],
                credentials={PARTNER: Credential(Secret(told.key), KEY_FIELD, "")},
            ),
        )
    )
    return perimeter, previews


def guarded(told: Told) -> FastAPI:
    """Return the guarded API: each refusal is answered with its problem."""
    perimeter, previews = declared(told)

    async def fetch(url: str, user: str) -> str:
        found = await previews.aget(url, principal=user)
        return found.value.content.decode("utf-8", "replace")

    async def send(url: str, content: bytes, user: str) -> str:
        found = await previews.apost(url, content=content, principal=user)
        return found.value.content.decode("utf-8", "replace")

    app = with_endpoints(guard(FastAPI(), perimeter), told, fetch=fetch, send=send)
    anybody = Public("who its users are is no part of this scenario; a field stands for a session")
    for route in app.routes:
        if isinstance(route, APIRoute):
            anybody(route.endpoint)
    return app
