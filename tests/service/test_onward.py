"""A token of the next call goes to its service alone: by httpx, requests and aiohttp, over real sockets and redirects."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import aiohttp
import httpx
import pytest
import requests

from pratique.core.refusal import BoundaryError
from pratique.integrations import httpx_onward
from pratique.integrations.aiohttp_onward import carried
from pratique.integrations.requests_onward import Carried
from pratique.service import Onward


class Service:
    """A server that notes the token of each request, and sends on who asks for /away."""

    def __init__(self) -> None:
        self.tokens: list[str | None] = []
        self.away = ""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.tokens.append(self.headers.get("Txn-Token"))
                self.send_response(302 if self.path == "/away" else 200)
                if self.path == "/away":
                    self.send_header("Location", service.away)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop it."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def services() -> Iterator[tuple[Service, Service]]:
    """Give the service that is called, and another one."""
    made = (Service(), Service())
    yield made
    for one in made:
        one.close()


def by_httpx(onward: Onward, url: str) -> None:
    """Get a URL, by the hook of httpx."""
    hooks = {"request": [httpx_onward.carry]}
    with httpx.Client(trust_env=False, follow_redirects=True, event_hooks=hooks) as client:
        client.get(url, extensions={httpx_onward.ONWARD: onward})


def by_async_httpx(onward: Onward, url: str) -> None:
    """Do the same on the event loop."""

    async def get() -> None:
        hooks = {"request": [httpx_onward.acarry]}
        async with httpx.AsyncClient(
            trust_env=False, follow_redirects=True, event_hooks=hooks
        ) as client:
            await client.get(url, extensions={httpx_onward.ONWARD: onward})

    asyncio.run(get())


def by_requests(onward: Onward, url: str) -> None:
    """Get a URL, by the auth of requests."""
    with requests.Session() as session:
        session.trust_env = False
        session.get(url, auth=Carried(onward), timeout=10)


def by_aiohttp(onward: Onward, url: str) -> None:
    """Get a URL, by a middleware of aiohttp."""

    async def get() -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, middlewares=(carried(onward),)),
        ):
            pass

    asyncio.run(get())


WAYS = [by_httpx, by_async_httpx, by_requests, by_aiohttp]
Way = Callable[[Onward, str], None]


@pytest.mark.parametrize("get", WAYS)
def test_a_token_is_made_for_each_request_and_goes_to_its_service(
    services: tuple[Service, Service], get: Way
) -> None:
    """The service sees it; another one, asked with the same, sees none."""
    ours, other = services
    made = iter(["first", "second"])
    onward = Onward(ours.origin, lambda _: next(made))
    get(onward, f"{ours.origin}/")
    get(onward, f"{other.origin}/")
    get(onward, f"{ours.origin}/")
    assert (ours.tokens, other.tokens) == (["first", "second"], [None])


@pytest.mark.parametrize("get", WAYS)
def test_a_redirect_takes_no_token_along(services: tuple[Service, Service], get: Way) -> None:
    """CWE-522: whoever the service sends us to isn't told for whom we call; followed it is."""
    ours, other = services
    ours.away = f"{other.origin}/"
    get(Onward(ours.origin, lambda _: "token"), f"{ours.origin}/away")
    assert (ours.tokens, other.tokens) == (["token"], [None])


def test_a_request_without_an_onward_is_left_alone(services: tuple[Service, Service]) -> None:
    """The hook of a client that also calls others; another type in its place is our mistake."""
    hooks = {"request": [httpx_onward.carry]}
    with httpx.Client(trust_env=False, event_hooks=hooks) as client:
        client.get(services[0].origin)
        with pytest.raises(TypeError, match="is an Onward, not str"):
            client.get(services[0].origin, extensions={httpx_onward.ONWARD: "token"})
    assert services[0].tokens == [None]


@pytest.mark.parametrize(
    ("url", "is_told"),
    [
        ("https://stock.internal/items/7", True),
        ("HTTPS://Stock.Internal:443/items", True),
        ("https://stock.internal", True),
        ("https://stock.internal?x=1", True),
        ("http://stock.internal/", False),
        ("https://stock.internal:8443/", False),
        ("https://stock.internal.evil.example/", False),
        ("https://stock.internal@evil.example/", False),
        ("https://evil.example/https://stock.internal", False),
        ("https://evil.example\\@stock.internal/", False),
        ("//stock.internal/", False),
        ("/items/7", False),
        ("", False),
    ],
)
def test_a_token_is_for_one_origin(url: str, *, is_told: bool) -> None:
    """Scheme, host and port, RFC 6454 §4; whatever can be read in two ways has none."""
    fields = Onward("https://stock.internal", lambda _: "token").fields_for(url)
    assert fields == ({"Txn-Token": "token"} if is_told else {})


@pytest.mark.parametrize(
    "to",
    [
        "",
        "stock.internal",
        "https://stock.internal/",
        "https://Stock.internal",
        "https://stock.internal:443",
        "https://user@stock.internal",
        "http://stock.internal",
        "ftp://stock.internal",
    ],
)
def test_onward_names_an_origin_with_tls(to: str) -> None:
    """A path, a second spelling, a token in the clear: our own mistake, said at once."""
    with pytest.raises(BoundaryError, match="names no origin with TLS"):
        Onward(to, lambda _: "token")


def test_it_never_shows_its_token() -> None:
    """Law 5."""
    assert repr(Onward("http://localhost:8080", lambda _: "token")) == (
        "Onward('http://localhost:8080')"
    )
