"""What a believed proxy costs a request, beside uvicorn's ProxyHeadersMiddleware in the same run.

Run it: `python -m benchmarks.forwarded`.

Both are called as a server calls them, with a scope that is made anew, around an application that
does nothing, and what calling that costs is taken off; then around one of Starlette. uvicorn's
decides a client and a scheme; ours also judges the host and how the request is framed, takes out
what nobody proved, mints the origin and counts the crossing.
"""

import asyncio
import gc
import itertools
import logging
import time
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from benchmarks.timing import least, row
from pratique import Perimeter
from pratique.core.claim import Fields
from pratique.forwarded import Forwarded, ProxyPolicy, origin_of
from pratique.integrations.edge import edge_of
from pratique.integrations.starlette import guard
from pratique.integrations.wsgi import guard as guard_wsgi

CALLS, ROUNDS, TARGET = 4000, 15, 1.5
POLICY = ProxyPolicy(
    trusted=("10.0.0.0/8",),
    header="x-forwarded-for",
    proto="x-forwarded-proto",
    hosts=("api.example.com",),
)
BASE = [
    (b"host", b"api.example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"accept-language", b"en-US,en;q=0.5"),
    (b"authorization", b"Bearer abc"),
    (b"content-type", b"application/json"),
    (b"content-length", b"120"),
    (b"connection", b"keep-alive"),
    (b"x-forwarded-proto", b"https"),
]
CLIENT = "93.184.216.34"
TEN = ", ".join([*(f"198.51.100.{n}" for n in range(9)), CLIENT])
App = Callable[[dict[str, Any], Any, Any], Any]


def scope_of(forwarded_for: str) -> dict[str, Any]:
    """Return the scope of one request, as a server makes it."""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/orders",
        "raw_path": b"/orders",
        "query_string": b"",
        "root_path": "",
        "client": ("10.0.0.1", 5000),
        "server": ("10.0.0.2", 8000),
        "headers": [*BASE, (b"x-forwarded-for", forwarded_for.encode())],
    }


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """Do nothing."""


def entering() -> App:
    """Return our edge alone: what the guard does more for a request that has one."""
    perimeter = Perimeter(deadline=None)
    perimeter.declare(Forwarded("edge", POLICY))
    perimeter.start()
    edge = edge_of(perimeter)
    if edge is None:
        raise RuntimeError

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        edge.enter(scope)
        await nothing(scope, receive, send)

    return app


async def cost(app: App, lists: list[str], calls: int = CALLS) -> float:
    """Return the microseconds of CPU of one call."""
    scopes = [scope_of(each) for each in itertools.islice(itertools.cycle(lists), calls)]
    begin = time.process_time()
    for scope in scopes:
        await app(scope, None, None)
    return (time.process_time() - begin) / calls * 1e6


async def table() -> None:
    """Print what each costs, warm, and the ratio."""
    apps: dict[str, App] = {
        "bare": nothing,
        "uvicorn": ProxyHeadersMiddleware(nothing, trusted_hosts=["10.0.0.0/8"]),
        "ours": entering(),
    }
    strangers = [f"93.{n >> 8 & 255}.{n & 255}.7" for n in range(CALLS)]
    kinds = {"1 entry": [CLIENT], "10 entries": [TEN], "a new client each": strangers}
    for kind, lists in kinds.items():
        best = dict.fromkeys(apps, float("inf"))
        for _ in range(ROUNDS):
            for name, app in apps.items():
                best[name] = min(best[name], await cost(app, lists))
        uvicorns, ours = best["uvicorn"] - best["bare"], best["ours"] - best["bare"]
        row(f"{kind}: uvicorn's ProxyHeadersMiddleware, µs", uvicorns, "", ok=True)
        row(f"{kind}: the whole edge in the guard, µs", ours, "", ok=True)
        row(f"{kind}: × of uvicorn's", ours / uvicorns, "", ok=True)


def through_wsgi() -> None:
    """Print what ours and werkzeug's ProxyFix cost a WSGI request."""
    fields = {f"HTTP_{n.decode().upper().replace('-', '_')}": v.decode() for n, v in BASE}
    environ: dict[str, Any] = fields | {
        "HTTP_X_FORWARDED_FOR": CLIENT,
        "REQUEST_METHOD": "GET",
        "RAW_URI": "/orders",
        "REMOTE_ADDR": "10.0.0.1",
        "SERVER_NAME": "10.0.0.2",
        "SERVER_PORT": "8000",
        "wsgi.url_scheme": "http",
    }

    def done(_: Any, __: Any) -> list[bytes]:
        return []

    perimeter = Perimeter(deadline=None)
    perimeter.declare(Forwarded("edge", POLICY))
    ours = guard_wsgi(done, perimeter)
    theirs = ProxyFix(done, x_for=1, x_proto=1)
    calls: dict[str, Callable[[], object]] = {
        "WSGI: werkzeug's ProxyFix, µs": lambda: theirs(dict(environ), done),
        "WSGI: the whole guard, µs": lambda: ours(dict(environ), done),
    }
    for name, value in least(calls, loops=dict.fromkeys(calls, 2000), rounds=ROUNDS).items():
        row(name, value, "", ok=True)


async def through_starlette() -> None:
    """Print what a whole request costs behind each, and the ratio."""

    async def view(_: Request) -> Response:
        return JSONResponse({"ok": True})

    def app() -> Starlette:
        return Starlette(routes=[Route("/orders", view)])

    perimeter = Perimeter(deadline=None)
    perimeter.declare(Forwarded("edge", POLICY))

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        """Take it."""

    inner: dict[str, App] = {
        "uvicorn's": ProxyHeadersMiddleware(app(), trusted_hosts=["10.0.0.0/8"]),
        "guarded": guard(app(), perimeter),
    }
    best = dict.fromkeys(inner, float("inf"))
    for _ in range(ROUNDS):
        for name, each in inner.items():

            async def call(scope: Any, *_: Any, each: App = each) -> None:
                await each(scope, receive, send)

            best[name] = min(best[name], await cost(call, [CLIENT], calls=400))
    share = best["guarded"] / best["uvicorn's"]
    row("a request to Starlette behind uvicorn's, µs", best["uvicorn's"], "", ok=True)
    row("a request to Starlette that is guarded, µs", best["guarded"], "", ok=True)
    row("a guarded request, × of that", share, "<= 1.5", ok=share <= TARGET)


def main() -> None:
    """Print the table."""
    logging.getLogger("pratique").setLevel(logging.ERROR)
    gc.freeze()

    def asked(text: str) -> Callable[[], object]:
        lines = [(n.decode(), v.decode()) for n, v in [*BASE, (b"x-forwarded-for", text.encode())]]
        fields = Fields(lines)
        return lambda: origin_of("10.0.0.1", fields, POLICY)

    numbers = itertools.count()
    strangers = [
        Fields([("host", "api.example.com"), ("x-forwarded-proto", "https"), (
            "x-forwarded-for", f"93.{n >> 8 & 255}.{n & 255}.7")])
        for n in range(20_000)
    ]  # fmt: skip

    def new_client() -> object:
        return origin_of("10.0.0.1", strangers[next(numbers) % len(strangers)], POLICY)

    calls = {
        "origin_of, a known client": asked(CLIENT),
        "origin_of, a list of 10": asked(TEN),
        "origin_of, a new client": new_client,
    }
    costs = least(calls, loops=dict.fromkeys(calls, 4000), rounds=ROUNDS)
    for name, target in (
        ("origin_of, a known client", 5),
        ("origin_of, a list of 10", 5),
        ("origin_of, a new client", 10),
    ):
        row(f"{name}, µs", costs[name], f"<= {target}", ok=costs[name] <= target)
    asyncio.run(table())
    asyncio.run(through_starlette())
    through_wsgi()


if __name__ == "__main__":
    main()
