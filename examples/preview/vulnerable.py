"""The same API, fetching what it is told to (the guide, section 7): never to be copied."""

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def create_app() -> Starlette:
    """Return the API that lets its user choose the target, and a redirect the next one."""

    async def preview(request: Request) -> JSONResponse:
        url = (await request.json())["url"]
        async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as client:
            answer = await client.get(url)
        return JSONResponse({"preview": answer.text[:500]})

    return Starlette(routes=[Route("/previews", preview, methods=["POST"])])
