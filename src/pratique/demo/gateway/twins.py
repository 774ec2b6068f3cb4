"""Two APIs that believe what a gateway passes on, wholly or halfway: never to be copied."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from .shop import COUNTRY, HOST, Seeing, with_endpoints

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Any], Iterable[bytes]]
FIELDS = (
    "X-Client-IP",
    "X-Forwarded-For",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "True-Client-IP",
    "X-Real-IP",
    "X-Cluster-Client-IP",
    "X-Forwarded",
    "Forwarded-For",
    "Forwarded",
)
"""In the order in which the npm package request-ip looks for them."""


def vulnerable(path: str) -> Flask:
    """Return the API that takes the leftmost entry of whatever field came (the guide, section 10).

    Its middleware are two snippets that went from one project to the next: X-HTTP-Method-Override
    of Flask's own patterns, and the "ReverseProxied" class with X-Script-Name; beside them
    X-Original-URL, as Symfony and IIS once read it.
    """

    def client() -> str:
        for name in FIELDS:
            if name in request.headers:
                first = request.headers[name].split(",")[0].strip()
                return first.removeprefix("for=")
        return request.remote_addr or ""

    def base() -> str:
        scheme = "https" if is_https() else "http"
        return f"{scheme}://{request.headers.get('X-Forwarded-Host', request.host)}"

    def is_https() -> bool:
        return request.headers.get("X-Forwarded-Proto", request.scheme) == "https"

    app = Flask("vulnerable")
    setattr(app, "wsgi_app", _overridden(app.wsgi_app))  # noqa: B010  Flask's own way
    return with_endpoints(
        app,
        path,
        Seeing(client, is_https, base, _country, may_read=lambda _: True),
    )


def safer(path: str) -> Flask:
    """Return the API with werkzeug's ProxyFix and all its ones, as tutorials have it.

    It counts from the right, and looks at no peer; the gateway sets two of the five fields.
    """
    app = Flask("safer")
    fixed = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_port=1, x_prefix=1)
    setattr(app, "wsgi_app", fixed)  # noqa: B010  Flask's own way
    return with_endpoints(
        app,
        path,
        Seeing(
            client=lambda: request.remote_addr or "",
            is_https=lambda: request.is_secure,
            base=lambda: request.url_root.rstrip("/"),
            country=_country,
            may_read=lambda origin: re.match(rf"https://.*{HOST}", origin) is not None,
        ),
    )


def _country() -> str:
    return request.headers.get(COUNTRY, "")


def _overridden(app: WsgiApp) -> WsgiApp:
    def overridden(environ: Environ, start_response: Any) -> Iterable[bytes]:
        environ["REQUEST_METHOD"] = environ.get(
            "HTTP_X_HTTP_METHOD_OVERRIDE", environ["REQUEST_METHOD"]
        )
        for name in ("HTTP_X_ORIGINAL_URL", "HTTP_X_REWRITE_URL"):
            environ["PATH_INFO"] = environ.get(name, environ["PATH_INFO"])
        prefix = environ.get("HTTP_X_SCRIPT_NAME", "")
        if prefix:
            environ["SCRIPT_NAME"] = prefix
            environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(prefix)
        return app(environ, start_response)

    return overridden
