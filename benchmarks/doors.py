"""What a guarded route costs beside the bare framework, in one run: called, and served.

Run it: `python -m benchmarks.doors`.

Bare is the same application and view without pratique: nobody is asked for anything. Guarded, a
request crosses the forwarded boundary and the client's, by an HS256 access token, and leaves one
event in a file; with a warm cache the token was verified a moment ago. Django's projects have the
middleware of `startproject` that needs no database.
"""

import asyncio
import base64
import hashlib
import hmac
import io
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.timing import row
from pratique import Perimeter, Proven
from pratique.client import BearerToken, Client
from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proofs.authentic.jwt import TokenPolicy
from pratique.events import JsonLines
from pratique.forwarded import Forwarded, ProxyPolicy
from pratique.integrations import starlette as door

HOST, ISSUER, AUDIENCE = "api.example.com", "https://idp.example.com", "https://api.example.com"
SECRET = b"\x8b\x1f\xc0\x77" * 7 + b"four"
CALLS, ROUNDS, SERVED_SECONDS, CONNECTIONS = 300, 12, 1.5, 4
Who = Proven[str, Literal["profile.read"]]
Command = Callable[[str, int], list[str]]


def token() -> str:
    """Return an access token that lives an hour."""
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": ISSUER, "sub": "user:1", "aud": AUDIENCE, "iat": now, "exp": now + 3600}
    claims |= {"jti": "5f0c1b3e-7d0d-4f0e-9d3c", "client_id": "web", "scope": "profile"}
    head = {"alg": "HS256", "typ": "at+jwt", "kid": "k1"}
    signed = b".".join(_text(msgspec.json.encode(part)) for part in (head, claims))
    mac = hmac.new(SECRET, signed, hashlib.sha256).digest()
    return b".".join((signed, _text(mac))).decode()


def _text(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


FIELDS = {
    "Host": HOST,
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-US,en;q=0.5",
    "Authorization": f"Bearer {token()}",
    "X-Forwarded-For": "93.184.216.34",
    "X-Forwarded-Proto": "https",
}


def load(subject: object) -> object:
    """Return the user: nothing is asked of a database, as nothing of the bare one is."""
    return subject


async def aload(subject: object) -> object:
    """Do the same on the loop. A plain function is called on a thread there, since it may wait."""
    return subject


def may(*_: object) -> bool:
    """Allow."""
    return True


async def amay(*_: object) -> bool:
    """Do the same on the loop."""
    return True


def boundaries(*, cache: bool, is_async: bool) -> tuple[Perimeter, Client]:
    """Return a perimeter with both boundaries, whose events go into a file."""
    path = Path(tempfile.mkdtemp()) / "events.jsonl"
    perimeter = Perimeter(events=JsonLines(path))
    trusted = ("10.0.0.0/8", "127.0.0.1")
    proxy = ProxyPolicy(
        trusted=trusted, header="x-forwarded-for", proto="x-forwarded-proto", hosts=(HOST,)
    )
    perimeter.declare(Forwarded("edge", proxy))
    key = {"kty": "oct", "kid": "k1", "alg": "HS256", "k": _text(SECRET).decode()}
    policy = TokenPolicy(
        issuer=ISSUER, audience=AUDIENCE, type="at+jwt", algorithms=("HS256",), keys=key
    )
    client = Client(
        "api",
        identity=BearerToken(policy, cache=TokenCache() if cache else None),
        user=aload if is_async else load,
        policy=amay if is_async else may,
    )
    return perimeter, perimeter.declare(client)


def bare_starlette() -> Starlette:
    """Return the application that asks nobody for anything."""

    async def me(_: Request) -> Response:
        return JSONResponse({"name": "user:1"})

    return Starlette(routes=[Route("/me", me)])


def guarded_starlette(*, cache: bool = False, is_async: bool = True) -> Starlette:
    """Return the same, guarded."""
    perimeter, client = boundaries(cache=cache, is_async=is_async)

    async def me(_: Request, who: Annotated[Who, door.called(client, "profile.read")]) -> Response:
        return JSONResponse({"name": who.value})

    return door.guard(Starlette(routes=[Route("/me", door.guarded(me))]), perimeter)


def warm_starlette() -> Starlette:
    """Return the same with a cache of tokens."""
    return guarded_starlette(cache=True)


def threaded_starlette() -> Starlette:
    """Return the same, whose user and policy are plain functions: each is a hop to a thread."""
    return guarded_starlette(cache=True, is_async=False)


STARLETTE = {
    "bare": bare_starlette,
    "guarded": guarded_starlette,
    "warm": warm_starlette,
    "threaded": threaded_starlette,
}


def asgi_calls(make: Callable[[], Any]) -> Callable[[int], float]:
    """Return what calls an application so often, and says how long it took, in seconds."""
    app, loop = make(), asyncio.new_event_loop()
    raw = [(name.lower().encode(), value.encode()) for name, value in FIELDS.items()]
    request = {"type": "http.request", "body": b"", "more_body": False}
    statuses = set[int]()

    async def receive() -> Any:
        return request

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.add(message["status"])

    async def many(count: int) -> float:
        begin = time.perf_counter()
        for _ in range(count):
            scope = {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": "GET",
                "scheme": "http",
                "path": "/me",
                "raw_path": b"/me",
                "query_string": b"",
                "root_path": "",
                "headers": list(raw),
                "client": ("10.0.0.1", 5000),
                "server": ("10.0.0.2", 8000),
            }
            await app(scope, receive, send)
        return time.perf_counter() - begin

    def run(count: int) -> float:
        spent = loop.run_until_complete(many(count))
        if statuses != {200}:
            raise SystemExit(f"the application answers {statuses}")
        return spent

    return run


def django_handlers() -> dict[str, Any]:
    """Return Django's own WSGI handlers of three projects, each by the path that it serves."""
    import django
    from django.conf import settings

    perimeter, client = boundaries(cache=False, is_async=False)
    warm, warm_client = boundaries(cache=True, is_async=False)
    module: Any = sys.modules[__name__]
    module.perimeter, module.warm, module.urlpatterns = perimeter, warm, []
    usual = [
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ]
    settings.configure(
        ALLOWED_HOSTS=[HOST], ROOT_URLCONF=__name__, SECRET_KEY="bench", MIDDLEWARE=usual
    )
    django.setup()
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpRequest, HttpResponse, JsonResponse
    from django.urls import path

    from pratique.integrations import django as for_django

    def bare(_: HttpRequest) -> HttpResponse:
        return JsonResponse({"name": "user:1"})

    def view_of(boundary: Client) -> Any:
        proof = for_django.called(boundary, "profile.read")

        def me(_: HttpRequest, who: Annotated[Who, proof]) -> HttpResponse:
            return JsonResponse({"name": who.value})

        return for_django.guarded(me)

    public = for_django.Public("the bare one, for comparison")(bare)
    handlers: dict[str, Any] = {"bare": WSGIHandler()}
    routes: dict[str, Any] = {}
    module.urlpatterns += [path("bare", public)]
    settings.MIDDLEWARE = ["pratique.integrations.django.Guard", *usual]
    for name, boundary in (("guarded", client), ("warm", warm_client)):
        place = "perimeter" if name == "guarded" else name
        settings.PRATIQUE = {"PERIMETER": f"{__name__}.{place}"}
        routes[name] = path(name, view_of(boundary))
        module.urlpatterns[1:] = [routes[name]]
        handlers[name] = WSGIHandler()
    module.urlpatterns[1:] = routes.values()
    django.urls.clear_url_caches()
    return handlers


def django_calls() -> dict[str, Callable[[int], float]]:
    """Return the same for Django's projects, by WSGI."""
    return {name: _wsgi_calls(handler, f"/{name}") for name, handler in django_handlers().items()}


def bare_django() -> Any:
    """Return the project without pratique, for gunicorn; its path is /bare."""
    return django_handlers()["bare"]


def guarded_django() -> Any:
    """Return the same, guarded; its path is /guarded."""
    return django_handlers()["guarded"]


def warm_django() -> Any:
    """Return the same with a cache of tokens; its path is /warm."""
    return django_handlers()["warm"]


def _wsgi_calls(app: Any, target: str) -> Callable[[int], float]:
    said = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in FIELDS.items()}
    told: list[str] = []

    def start_response(status: str, _: Any, __: Any = None) -> None:
        told[:] = [status]

    def run(count: int) -> float:
        begin = time.perf_counter()
        for _ in range(count):
            environ = {
                "REQUEST_METHOD": "GET",
                "SCRIPT_NAME": "",
                "PATH_INFO": target,
                "RAW_URI": target,
                "QUERY_STRING": "",
                "SERVER_NAME": "10.0.0.2",
                "SERVER_PORT": "8000",
                "SERVER_PROTOCOL": "HTTP/1.1",
                "REMOTE_ADDR": "10.0.0.1",
                "wsgi.url_scheme": "http",
                "wsgi.input": io.BytesIO(),
                **said,
            }
            response = app(environ, start_response)
            b"".join(response)
            response.close()
        if not told[0].startswith("200"):
            raise SystemExit(f"the application answers {told[0]}")
        return time.perf_counter() - begin

    return run


def shares(runs: dict[str, Callable[[int], float]], *, calls: int = CALLS) -> dict[str, float]:
    """Return the least microseconds a request of each, the rounds of all interleaved."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(ROUNDS):
        for name, run in runs.items():
            best[name] = min(best[name], run(calls) / calls * 1e6)
    return best


async def _load(port: int, path: str, seconds: float) -> int:
    lines = "".join(f"{name}: {value}\r\n" for name, value in FIELDS.items())
    request = f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()
    end = time.perf_counter() + seconds

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        count = 0
        while time.perf_counter() < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(head.decode())
            length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            count += 1
        writer.close()
        return count

    return sum(await asyncio.gather(*(one() for _ in range(CONNECTIONS))))


def by_uvicorn(make: str, port: int) -> list[str]:
    """Return the command that serves an ASGI application of this module by one worker."""
    flags = ["--factory", "--no-access-log", "--no-proxy-headers", "--log-level", "error"]
    return ["uvicorn", f"benchmarks.doors:{make}", "--port", str(port), *flags]


def by_gunicorn(make: str, port: int) -> list[str]:
    """Return the command that serves a WSGI application by one worker, which keeps connections."""
    flags = ["--worker-class", "gthread", "--threads", str(CONNECTIONS), "--log-level", "error"]
    return ["gunicorn", f"benchmarks.doors:{make}()", "--bind", f"127.0.0.1:{port}", *flags]


def served(makes: dict[str, str], command_of: Command, path: str = "/me") -> dict[str, float]:
    """Return requests a second of each, the best of three rounds.

    Args:
        makes: The functions here that make the applications, by name.
        command_of: (function, port) -> what serves it, a module of Python's and its arguments.
        path: With the name in the place of "{name}".
    """
    ports, workers = dict[str, int](), list[subprocess.Popen[bytes]]()
    for name, make in makes.items():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports[name] = free.getsockname()[1]
        command = [sys.executable, "-m", *command_of(make, ports[name])]
        workers.append(subprocess.Popen(command, env={**os.environ, "PYTHONWARNINGS": "ignore"}))
    try:
        for port in ports.values():
            _wait_for(port)
        best = dict.fromkeys(ports, 0.0)
        for _ in range(3):
            for name, port in ports.items():
                count = asyncio.run(_load(port, path.format(name=name), SERVED_SECONDS))
                best[name] = max(best[name], count / SERVED_SECONDS)
        return best
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait()


def _wait_for(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the server doesn't listen")


def main() -> None:
    """Print the table."""
    found = shares({name: asgi_calls(make) for name, make in STARLETTE.items()})
    print("us a request, called: " + ", ".join(f"{n} {t:.0f}" for n, t in found.items()))
    _tell("Starlette, called", {name: 1 / spent for name, spent in found.items()}, 0.65, 0.85)
    by_server = served({name: make.__name__ for name, make in STARLETTE.items()}, by_uvicorn)
    print("requests a second, served: " + ", ".join(f"{n} {t:.0f}" for n, t in by_server.items()))
    _tell("Starlette, served by one worker of uvicorn", by_server, 0.65, 0.85)
    found = shares(django_calls())
    print("us a request, called: " + ", ".join(f"{n} {t:.0f}" for n, t in found.items()))
    _tell("Django, called", {name: 1 / spent for name, spent in found.items()}, 0.9, 0.9)
    makes = {name: f"{name}_django" for name in ("bare", "guarded", "warm")}
    by_server = served(makes, by_gunicorn, "/{name}")
    print("requests a second, served: " + ", ".join(f"{n} {t:.0f}" for n, t in by_server.items()))
    _tell("Django, served by one worker of gunicorn", by_server, 0.9, 0.9)


def _tell(what: str, speeds: dict[str, float], least_guarded: float, least_warm: float) -> None:
    for name, title, target in (
        ("guarded", "an HS256 token", least_guarded),
        ("warm", "verified a moment ago", least_warm),
    ):
        share = speeds[name] / speeds["bare"]
        row(f"{what}: {title}, of bare", share, f">= {target}", ok=share >= target)


if __name__ == "__main__":
    main()
