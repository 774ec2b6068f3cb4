"""Link previews, on Starlette: the URL is the user's, the request is the shop's."""

import os
from datetime import timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pratique import Perimeter
from pratique.fetch import PUBLIC, Fetch, FetchPolicy, Internal
from pratique.integrations.starlette import guard


def policy(wiki_port: int) -> FetchPolicy:
    """Return where a preview may lead: the open internet by https, and our own wiki."""
    return FetchPolicy(
        hosts=PUBLIC,
        schemes={"https", "http"},
        redirects=3,
        content_types={"text/html"},
        max_content_bytes=500_000,
        deadline=timedelta(seconds=5),
        internal=[Internal("127.0.0.1", "127.0.0.1/32", wiki_port, "previews link to its pages")],
    )


def create_app(wiki_port: int = 0) -> Starlette:
    """Return the guarded API.

    Args:
        wiki_port: Of a wiki on loopback; WIKI_PORT by default.
    """
    perimeter = Perimeter()
    wiki_port = wiki_port or int(os.environ.get("WIKI_PORT", "9001"))
    previews = perimeter.declare(Fetch("previews", policy(wiki_port)))

    async def preview(request: Request) -> JSONResponse:
        url = (await request.json())["url"]
        # What is refused is answered by guard: 400, 403, 502 or 503 with problem details.
        page = (await previews.aget(url, principal="user-7")).value
        # It is text by a stranger: escape it where you show it.
        return JSONResponse({"preview": page.content[:500].decode(errors="replace")})

    return guard(Starlette(routes=[Route("/previews", preview, methods=["POST"])]), perimeter)
