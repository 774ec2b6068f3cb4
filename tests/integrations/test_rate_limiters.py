"""PX-01 with limiters that people use: slowapi and django-ratelimit, keyed by what is proven.

The windows are of a day, so that none ends while a test runs.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django_ratelimit.decorators import ratelimit
from django_ratelimit.exceptions import Ratelimited
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_ipaddr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from pratique.forwarded import ProxyPolicy
from pratique.integrations import starlette as asgi_door
from pratique.integrations import wsgi as wsgi_door
from tests.django_site import configure
from tests.forwarded.doors import over_wsgi, perimeter_of

HOST, OUTSIDER, PROXY = "api.example.com", "203.0.113.9", "10.0.0.1"
POLICY = ProxyPolicy(
    trusted=("10.0.0.0/24",), header="x-forwarded-for", proto="x-forwarded-proto", hosts=(HOST,)
)
LIMIT = "2/day"
NAMES = ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X_FORWARDED_FOR"]
"""The last is refused over ASGI; gunicorn drops it."""


def said(name: str, number: int) -> dict[str, str]:
    """Return a field that claims another client each time."""
    value = f"198.51.100.{number}"
    return {name: f"for={value}" if name == "Forwarded" else value}


def by_slowapi(key_func: Callable[..., str]) -> Starlette:
    """Return an application whose one view slowapi limits."""
    limiter = Limiter(key_func=key_func)

    @limiter.limit(LIMIT)
    async def view(request: Request) -> Response:
        return JSONResponse({"path": request.url.path})

    app = Starlette(routes=[Route("/", view)])
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
    return app


def proven(request: Request) -> str:
    """Return the key, as the how-to has it."""
    return asgi_door.origin(request).client


def statuses(app: Starlette, peer: str, fields: list[dict[str, str]]) -> list[int]:
    """Send one request after another from one peer."""
    with TestClient(app, f"http://{HOST}", client=(peer, 1)) as client:
        return [client.get("/", headers=each).status_code for each in fields]


@pytest.mark.parametrize("name", NAMES)
def test_slowapi_counts_one_client_whatever_it_says(name: str) -> None:
    """PX-01: straight to the application, another address with each request: the third is 429."""
    app = asgi_door.guard(by_slowapi(proven), perimeter_of(POLICY))
    seen = statuses(app, OUTSIDER, [said(name, number) for number in range(1, 4)])
    assert seen == ([400] * 3 if "_" in name else [200, 200, 429])


def test_slowapi_counts_one_client_through_the_proxy() -> None:
    """PX-01: what stands left of the proxy's own entry counts for nothing; the twin is another client."""
    app = asgi_door.guard(by_slowapi(proven), perimeter_of(POLICY))
    of = [
        {"X-Forwarded-For": f"198.51.100.{number}, {OUTSIDER}", "X-Forwarded-Proto": "http"}
        for number in range(1, 4)
    ]
    other = {"X-Forwarded-For": f"{OUTSIDER}, 198.51.100.1", "X-Forwarded-Proto": "http"}
    assert statuses(app, PROXY, [*of, other]) == [200, 200, 429, 200]


def test_slowapis_own_key_counts_whom_the_client_names() -> None:
    """The test would notice: its `get_ipaddr` in an application that nothing guards."""
    fields = [said("X_FORWARDED_FOR", number) for number in range(1, 4)]
    assert statuses(by_slowapi(get_ipaddr), OUTSIDER, fields) == [200, 200, 200]


def by_django(key: Any) -> Any:
    """Return a WSGI application whose one view django-ratelimit limits."""
    configure()
    cache.clear()

    @ratelimit(key=key, rate="2/d", group="login")
    def login(_: WSGIRequest) -> HttpResponse:
        return HttpResponse(b"{}")

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        try:
            login(WSGIRequest(environ))
        except Ratelimited:
            start_response("429 Too Many Requests", [])
        else:
            start_response("200 OK", [])
        return [b"{}"]

    return application


def client_of(_: str, request: WSGIRequest) -> str:
    """Return the key, as the how-to has it."""
    return wsgi_door.origin(request).client


@pytest.mark.parametrize("name", NAMES)
def test_django_ratelimit_counts_one_client_whatever_it_says(name: str) -> None:
    """PX-01: as slowapi; a field with an underscore was dropped by the server before."""
    app = wsgi_door.guard(by_django(client_of), perimeter_of(POLICY))
    lines = [[("Host", HOST), *said(name, number).items()] for number in range(1, 4)]
    assert [over_wsgi(app, OUTSIDER, each)[0] for each in lines] == [200, 200, 429]


def test_django_ratelimit_counts_one_client_through_the_proxy() -> None:
    """PX-01: as slowapi; the twin is another client."""
    app = wsgi_door.guard(by_django(client_of), perimeter_of(POLICY))
    clients = [f"198.51.100.{number}, {OUTSIDER}" for number in range(1, 4)]
    lines = [
        [("Host", HOST), ("X-Forwarded-For", each), ("X-Forwarded-Proto", "http")]
        for each in (*clients, f"{OUTSIDER}, 198.51.100.1")
    ]
    assert [over_wsgi(app, PROXY, each)[0] for each in lines] == [200, 200, 429, 200]


def test_django_ratelimit_by_a_field_counts_whom_the_client_names() -> None:
    """The test would notice: keyed by the field in an application that nothing guards."""
    app = by_django("header:x-forwarded-for")
    lines = [[("Host", HOST), *said(NAMES[0], number).items()] for number in range(1, 4)]
    assert [over_wsgi(app, OUTSIDER, each)[0] for each in lines] == [200, 200, 200]
