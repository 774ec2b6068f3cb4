"""The guide's two handlers (section 7) in Python, with their holes: never to be copied."""

from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI, HTTPException

from .told import IMAGES, KEY_FIELD, PARTNER, WIKI, Told, with_endpoints

ALLOWED_HOSTS = {IMAGES, PARTNER, WIKI}
"""The guide's two, and a service of one's own."""


def vulnerable(told: Told) -> FastAPI:
    """Return the API that fetches what it is told to; redirects are followed, as `fetch` does."""

    async def ask(method: str, url: str, content: bytes | None) -> str:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            answer = await client.request(method, url, content=content, headers=_key(told, url))
        return answer.text

    return with_endpoints(
        FastAPI(),
        told,
        fetch=lambda url, _: ask("GET", url, None),
        send=lambda url, content, _: ask("POST", url, content),
    )


def safer(told: Told) -> FastAPI:
    """Return the API whose handler is the guide's "safer" one, step by step."""

    async def ask(method: str, url: str, content: bytes | None) -> str:
        try:
            parsed = urlsplit(url)
        except ValueError:
            raise HTTPException(400, "invalid url") from None
        if parsed.scheme != "https":
            raise HTTPException(400, "only https allowed")
        if parsed.hostname not in ALLOWED_HOSTS:
            raise HTTPException(403, "host not allowed")
        if _is_private_ip(parsed.hostname):
            raise HTTPException(403, "private targets blocked")
        async with httpx.AsyncClient(follow_redirects=False) as client:
            answer = await client.request(
                method, parsed.geturl(), content=content, headers=_key(told, url)
            )
        if answer.is_redirect:
            raise HTTPException(502, "redirected")
        if not answer.headers.get("content-type", "").startswith("text/html"):
            raise HTTPException(400, "unexpected content type")
        return answer.text

    return with_endpoints(
        FastAPI(),
        told,
        fetch=lambda url, _: ask("GET", url, None),
        send=lambda url, content, _: ask("POST", url, content),
    )


def _is_private_ip(hostname: str) -> bool:
    return hostname in ("127.0.0.1", "169.254.169.254", "localhost")  # simplified, as the guide's


def _key(told: Told, url: str) -> dict[str, str]:
    return {KEY_FIELD: told.key} if urlsplit(url).hostname == PARTNER else {}
