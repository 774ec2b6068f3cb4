"""The application behind real proxies: guarded, and around the guard what says which fields arrived."""

import json
from typing import Any

from pratique.forwarded import presets
from pratique.forwarded.family import is_alias, is_family
from tests.forwarded.doors import perimeter_of, starlette_app, wsgi_app
from tests.forwarded.gateways import HOST, PROXY

ARRIVED = "X-Test-Arrived"
POLICY = presets.nginx(trusted=(PROXY,), hosts=(HOST,))
perimeter = perimeter_of(POLICY)
_guarded_asgi, _guarded_wsgi = starlette_app(POLICY), wsgi_app(POLICY)
_SHOWN = frozenset({"host", "connection", "content-length", "transfer-encoding"})
_OURS: frozenset[str] = frozenset()


def _is_shown(name: str) -> bool:
    return name in _SHOWN or is_family(name) or is_alias(name, _OURS)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Let each answer say what arrived, refused or not."""
    if scope["type"] != "http":
        await _guarded_asgi(scope, receive, send)
        return
    lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    arrived = json.dumps([line for line in lines if _is_shown(line[0])])

    async def told(message: Any) -> None:
        if message["type"] == "http.response.start":
            more = [(ARRIVED.lower().encode(), arrived.encode())]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await send(message)

    await _guarded_asgi(scope, receive, told)


def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
    """Let each answer say what arrived, refused or not."""
    lines = [
        (key.removeprefix("HTTP_").replace("_", "-").lower(), str(value))
        for key, value in environ.items()
        if key.startswith("HTTP_") or (key == "CONTENT_LENGTH" and value)
    ]
    arrived = json.dumps([line for line in lines if _is_shown(line[0])])

    def told(status: str, fields: list[tuple[str, str]], *more: Any) -> Any:
        return start_response(status, [*fields, (ARRIVED, arrived)], *more)

    return _guarded_wsgi(environ, told)
