"""Fetch in every way where some libraries aren't installed, and print what each way got.

Run it: `python -m tests.fetch.one_core httpcore httpx`, the names of what isn't there; "alias"
lets httpx2 stand for httpx first.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

if sys.argv[1:] == ["alias"]:
    import_module("httpx2").alias_httpx()
else:
    sys.modules.update(dict.fromkeys(sys.argv[1:]))  # type: ignore[arg-type]

from pratique import Perimeter, Secret, unsafe
from pratique.core.boundary import Boundary
from pratique.core.refusal import BoundaryError, Refused
from pratique.fetch import AsyncFetcher, Fetch, Fetcher, FetchPolicy
from pratique.partner import Partner
from tests.fetch.world import World, reply, small_internet
from tests.partner.risk import Risk

GOOD = "93.184.215.14"
URL, OTHER = "https://a.test/", "https://other.test/"
POLICY = FetchPolicy(hosts={"a.test"})


def by_fetcher(_: World, url: str) -> bytes:
    """Fetch by our sync fetcher."""
    with Fetcher(POLICY) as fetcher:
        return fetcher.get(url).value.content


def by_async_fetcher(_: World, url: str) -> bytes:
    """Fetch by our async fetcher."""

    async def work() -> bytes:
        async with AsyncFetcher(POLICY) as fetcher:
            return (await fetcher.get(url)).value.content

    return asyncio.run(work())


def by_partner(world: World, order: str) -> bytes:
    """Ask a partner for the score of an order."""
    risk = Risk(world, is_async=False)
    risk.answers()
    try:
        return b"OK-FINAL" if risk.ask(order).score else b""
    finally:
        world.server.answer = lambda _: reply()


def by_requests(_: World, url: str) -> bytes:
    """Fetch by requests on our adapter."""
    requests, door = (import_module(f"{package}requests") for package in ("", DOORS))
    with door.mount(requests.Session(), POLICY) as session:
        content: bytes = session.get(url).content
    return content


def by_aiohttp(_: World, url: str) -> bytes:
    """Fetch by aiohttp on our connector."""
    aiohttp, door = (import_module(f"{package}aiohttp") for package in ("", DOORS))

    async def work() -> bytes:
        async with aiohttp.ClientSession(connector=door.FetchConnector(POLICY)) as session:
            content: bytes = await (await session.get(url)).read()
        return content

    return asyncio.run(work())


def by_library(name: str) -> Callable[[World, str], bytes]:
    """Return a way to fetch by httpx or httpx2 on our transport."""

    def get(_: World, url: str) -> bytes:
        library, door = (import_module(f"{package}{name}") for package in ("", DOORS))
        with library.Client(transport=door.FetchTransport(POLICY)) as client:
            content: bytes = client.get(url).content
        return content

    return get


def debts(boundary: Boundary) -> list[str]:
    """Start a perimeter with a boundary alone, and return why it doesn't."""
    perimeter = Perimeter()
    perimeter.declare(boundary)
    try:
        with perimeter:
            return []
    except BoundaryError as error:
        return list(error.debts)


OBSERVED = FetchPolicy(
    hosts={"a.test"},
    observe=unsafe.observe(
        until=datetime.now(UTC).date() + timedelta(days=9), reason="a trial", owner="tests"
    ),
)
BOUNDARIES: dict[str, Boundary] = {
    "fetch": Fetch("previews", POLICY),
    "observed": Fetch("importer", OBSERVED),
    "partner": Partner("risk", "https://a.test", bearer=Secret("sk_8sPq2Lx0Vt7RkYw3Zb5N")),
}
DOORS = "pratique.integrations."
WAYS: dict[str, Callable[[World, str], bytes]] = {
    "fetcher": by_fetcher,
    "async fetcher": by_async_fetcher,
    "requests": by_requests,
    "aiohttp": by_aiohttp,
    "httpx": by_library("httpx"),
    "httpx2": by_library("httpx2"),
}


def got(way: Callable[[World, str], bytes], world: World, url: str) -> str:
    """Return the content, or why there is none."""
    try:
        return way(world, url).decode()
    except Refused as refused:
        return refused.code
    except (BoundaryError, ImportError) as error:
        return f"{type(error).__name__}: {error}"


def main() -> None:
    """Print, as JSON, what each way gets of a good host, of another one, and without our CA."""
    logging.getLogger("pratique").setLevel(logging.ERROR)
    with (
        TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        small_internet(patch, Path(folder)) as world,
    ):
        world.names.update({"a.test": [GOOD], "other.test": [GOOD]})
        found: dict[str, Any] = {
            name: [got(way, world, URL), got(way, world, OTHER)] for name, way in WAYS.items()
        }
        found["start"] = {name: debts(boundary) for name, boundary in BOUNDARIES.items()}
        found["partner"] = got(by_partner, world, "o_1")
        patch.delenv("SSL_CERT_FILE")
        found["without the CA"] = got(by_fetcher, world, URL)
    wire = sys.modules.get("pratique.fetch.wire.core")
    found["core"] = wire.httpcore.__name__ if wire is not None else ""
    print(json.dumps(found))


if __name__ == "__main__":
    main()
