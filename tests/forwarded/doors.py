"""The two doors around an application that tells what reached it."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pratique import Perimeter
from pratique.forwarded import Forwarded, ProxyPolicy
from pratique.integrations import starlette as asgi_door
from pratique.integrations import wsgi as wsgi_door
from tests.sink import Kept

NOW = datetime(2026, 11, 1, tzinfo=UTC)
Lines = Iterable[tuple[str, str]]
Told = tuple[int, dict[str, Any]]


def perimeter_of(policy: ProxyPolicy, **other: Any) -> Perimeter:
    """Return a perimeter with one forwarded boundary."""
    perimeter = Perimeter(events=Kept(), clock=lambda: NOW, deadline=None)
    perimeter.declare(Forwarded("edge", policy, **other))
    return perimeter


async def _tell(request: Request) -> Response:
    client = request.client
    return JSONResponse(
        {
            "client": client.host if client else None,
            "scheme": request.url.scheme,
            "host": request.headers.get("host"),
            "origin": str(asgi_door.origin(request).client),
            "fields": sorted(request.headers.items()),
        }
    )


def starlette_app(policy: ProxyPolicy) -> Starlette:
    """Return a guarded application that tells what reached it."""
    app = Starlette(routes=[Route("/{path:path}", _tell)])
    return asgi_door.guard(app, perimeter_of(policy))


def over_asgi(app: Any, peer: str, lines: Lines, target: str = "/", **scope: Any) -> Told:
    """Send one request as a server would; return status and what was told."""
    raw = [(name.lower().encode("utf-8"), value.encode("utf-8")) for name, value in lines]
    is_unix = peer == "unix:"
    given: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": target.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": raw,
        "client": None if is_unix else (peer, 5000),
        "server": ("/run/app.sock", None) if is_unix else ("127.0.0.1", 8000),
        **scope,
    }
    return asyncio.run(_play(app, given))


async def _play(app: Any, scope: dict[str, Any]) -> Told:
    sent: list[dict[str, Any]] = []

    asked: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        return asked.pop() if asked else await asyncio.Future()  # nobody hangs up

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(body)


def told_by_wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with what reached a WSGI application."""
    fields = sorted(
        (key[5:].lower().replace("_", "-"), value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    )
    told = {
        "client": environ["REMOTE_ADDR"],
        "scheme": environ["wsgi.url_scheme"],
        "host": environ["HTTP_HOST"],
        "server": [environ["SERVER_NAME"], environ["SERVER_PORT"]],
        "origin": wsgi_door.origin(environ).client,
        "fields": fields,
    }
    content = json.dumps(told).encode()
    fields_of_answer = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
    start_response("200 OK", fields_of_answer)
    return [content]


def wsgi_app(policy: ProxyPolicy) -> wsgi_door.Guarded:
    """Return the same as a WSGI application."""
    return wsgi_door.guard(told_by_wsgi, perimeter_of(policy))


def over_wsgi(app: Any, peer: str, lines: Lines, target: str = "/", **more: Any) -> Told:
    """Call an application as gunicorn would: lines of one name joined, aliases dropped."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "RAW_URI": target,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "gunicorn/27",
        "REMOTE_ADDR": peer,
        "REMOTE_PORT": "5000",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
    }
    for name, value in lines:
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{key}"
        text = value.encode("utf-8").decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    environ.update(more)
    status: list[str] = []
    body = b"".join(app(environ, lambda line, _: status.append(line)))
    return int(status[0].split()[0]), json.loads(body)
