"""Any application behind one kind of client: what comes back looks alike from ASGI and from WSGI."""

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import iscoroutinefunction
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx
from starlette.applications import Starlette
from starlette.testclient import TestClient


@contextmanager
def served(app: Any, **options: Any) -> Iterator[httpx.Client]:
    """Give a client of an application, by ASGI or WSGI."""
    if isinstance(app, Starlette) or iscoroutinefunction(app):
        with TestClient(app, **options) as client:
            yield client
    else:
        with httpx.Client(transport=Wsgi(app), base_url="http://testserver") as http:
            yield http


class Wsgi(httpx.BaseTransport):
    """Calls a WSGI application as servers do. httpx's own refuses fields and paths that aren't ASCII.

    Lines of one field are folded with commas, and texts are bytes as latin-1. Source: PEP 3333.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        environ: dict[str, Any] = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": request.url.scheme,
            "wsgi.input": BytesIO(content),
            "wsgi.errors": BytesIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(request.url.raw_path.split(b"?")[0]).decode("latin-1"),
            "QUERY_STRING": request.url.query.decode("latin-1"),
            "RAW_URI": request.url.raw_path.decode("latin-1"),
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_NAME": request.url.host,
            "SERVER_PORT": str(request.url.port or 80),
            "SERVER_PROTOCOL": "HTTP/1.1",
        }
        for name, value in request.headers.raw:
            key = name.decode("latin-1").upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
            text = value.decode("latin-1")
            environ[key] = f"{environ[key]},{text}" if key in environ else text
        told: list[Any] = []

        def start_response(status: str, fields: Any, _: Any = None) -> None:
            told[:] = [int(status.split(maxsplit=1)[0]), fields]

        content = b"".join(self.app(environ, start_response))
        status, fields = told
        return httpx.Response(status, headers=fields, content=content, request=request)
