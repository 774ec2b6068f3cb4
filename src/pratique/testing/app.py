"""Sends a request to an application, whichever kind it is, in this process and without a client."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from pratique.core.attack import Request

HOST: Final = "testserver"
PEER: Final = "127.0.0.1"
Send = Callable[[Request], int]
"""(request) -> the status of the answer."""


@contextmanager
def sending(app: Any) -> Generator[Send]:
    """Give what sends a request to an application and returns the status of its answer.

    Args:
        app: An ASGI or a WSGI application; or a client that httpx, Starlette or FastAPI made, or
            Flask's or Django's: whatever has `request(method, path, …)`, `open` or `generic`.
    """
    if hasattr(app, "generic"):  # Django's test client
        yield lambda request: _django(app, request)
    elif hasattr(app, "request") and hasattr(app, "headers"):  # httpx, Starlette, FastAPI
        yield lambda request: _client(app, request)
    elif hasattr(app, "open") and hasattr(app, "application"):  # Flask's test client
        yield lambda request: _flask(app, request)
    elif _is_asgi(app):
        # One loop for all: an engine's connections belong to the loop that opened them.
        with asyncio.Runner() as runner:
            yield lambda request: runner.run(_asgi(app, request))
    else:
        yield lambda request: _wsgi(app, request)


def sends_from(app: Any, request: Request, peer: str) -> int | None:
    """Send a request as a peer of the connection; return the status of its answer.

    Args:
        app: See `sending`. Of a client of Starlette, FastAPI or Flask the application that it has.
        request: `Host` among its fields stands in the place of ours.
        peer: An address.

    Returns:
        None where it can't be sent: a client has no peer that could be named (httpx's, Django's),
        or an environ no field with "_" in its name, which gunicorn and waitress drop.
    """
    app = getattr(app, "application", None) or (
        getattr(app, "app", app) if hasattr(app, "headers") else app
    )
    if hasattr(app, "generic") or hasattr(app, "headers"):
        return None
    if _is_asgi(app):
        return asyncio.run(_asgi(app, request, peer))
    if any("_" in name for name, _ in request.fields):
        return None
    return _wsgi(app, request, peer)


def _is_asgi(app: Any) -> bool:
    call = app if inspect.isfunction(app) else getattr(app, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(call)


def _client(client: Any, request: Request) -> int:
    answer = client.request(
        request.method, request.target, content=request.content, headers=list(request.fields)
    )
    return int(answer.status_code)


def _flask(client: Any, request: Request) -> int:
    answer = client.open(
        request.target, method=request.method, data=request.content, headers=list(request.fields)
    )
    return int(answer.status_code)


def _django(client: Any, request: Request) -> int:
    fields = {name: value for name, value in request.fields if name.lower() != "content-type"}
    kind = next((v for n, v in request.fields if n.lower() == "content-type"), "")
    answer = client.generic(
        request.method,
        request.target,
        request.content,
        content_type=kind or "application/octet-stream",
        headers=fields,
    )
    return int(answer.status_code)


@dataclass
class _Asgi:
    """One request to an ASGI application: what is received, and what came back."""

    content: bytes
    status: int = 0
    is_read: bool = False

    async def receive(self) -> dict[str, Any]:
        if self.is_read:
            return {"type": "http.disconnect"}
        self.is_read = True
        return {"type": "http.request", "body": self.content, "more_body": False}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])


async def _asgi(app: Callable[..., Awaitable[None]], request: Request, peer: str = PEER) -> int:
    path, _, query = request.target.partition("?")
    lines = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.fields
    ]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode("latin-1", "replace"),
        "query_string": query.encode("latin-1", "replace"),
        "root_path": "",
        "headers": [
            *([] if any(name == b"host" for name, _ in lines) else [(b"host", HOST.encode())]),
            (b"content-length", str(len(request.content)).encode()),
            *lines,
        ],
        "client": (peer, 50000),
        "server": (HOST, 80),
    }
    wire = _Asgi(request.content)
    await app(scope, wire.receive, wire.send)
    return wire.status


def _wsgi(app: Callable[..., Any], request: Request, peer: str = PEER) -> int:
    path, _, query = request.target.partition("?")
    environ: dict[str, Any] = {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.content),
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": request.target,
        "REMOTE_ADDR": peer,
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(request.content)),
    }
    for name, value in request.fields:
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value  # PEP 3333: folded
    environ.setdefault("HTTP_HOST", HOST)
    told: list[int] = []

    def start_response(status: str, fields: Any, error: Any = None) -> Callable[[bytes], None]:
        _ = fields, error
        told[:] = [int(status.partition(" ")[0])]
        return lambda _: None

    answer = app(environ, start_response)
    try:
        for _ in answer:
            pass
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return told[0]
