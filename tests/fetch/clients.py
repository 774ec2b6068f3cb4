"""Every way to fetch, with one face: (url) -> (status, content), or what it raises."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import httpx
import httpx2
import idna
import pytest
import requests

from pratique.core.refusal import Refused
from pratique.fetch import PUBLIC, AsyncFetcher, Fetcher, FetchPolicy
from pratique.integrations import httpx as on_httpx
from pratique.integrations.aiohttp import FetchConnector
from pratique.integrations.requests import mount
from tests.fetch.second_copy import on_httpcore2

Got = tuple[int, bytes]
on_httpx2 = on_httpcore2()


def by_fetcher(policy: FetchPolicy, urls: list[str], **named: Any) -> list[Got]:
    """Fetch by our sync fetcher."""
    with Fetcher(policy) as fetcher:
        return [_of(fetcher.get(url, fields=_lines(named)).value) for url in urls]


def by_async_fetcher(policy: FetchPolicy, urls: list[str], **named: Any) -> list[Got]:
    """Fetch by our async fetcher."""

    async def work() -> list[Got]:
        async with AsyncFetcher(policy) as fetcher:
            return [_of((await fetcher.get(url, fields=_lines(named))).value) for url in urls]

    return asyncio.run(work())


def by_client(library: Any, door: Any) -> Callable[..., list[Got]]:
    """Return a way to fetch by httpx, or httpx2, on our transport."""

    def get(policy: FetchPolicy, urls: list[str], **named: Any) -> list[Got]:
        transport = door.FetchTransport(policy)
        with library.Client(transport=transport, follow_redirects=True) as client:
            found = [client.get(url, headers=named.get("headers")) for url in urls]
            return [(answer.status_code, answer.content) for answer in found]

    return get


def by_async_client(library: Any, door: Any) -> Callable[..., list[Got]]:
    """Return the same by the async client."""

    async def work(policy: FetchPolicy, urls: list[str], **named: Any) -> list[Got]:
        transport = door.AsyncFetchTransport(policy)
        async with library.AsyncClient(transport=transport, follow_redirects=True) as client:
            found = [await client.get(url, headers=named.get("headers")) for url in urls]
            return [(answer.status_code, answer.content) for answer in found]

    return lambda *given, **named: asyncio.run(work(*given, **named))


def by_requests(policy: FetchPolicy, urls: list[str], **named: Any) -> list[Got]:
    """Fetch by requests on our adapter."""
    with mount(requests.Session(), policy) as session:
        found = [session.get(url, headers=named.get("headers")) for url in urls]
        return [(answer.status_code, answer.content) for answer in found]


def by_aiohttp(policy: FetchPolicy, urls: list[str], **named: Any) -> list[Got]:
    """Fetch by aiohttp on our connector."""

    async def work() -> list[Got]:
        async with aiohttp.ClientSession(connector=FetchConnector(policy)) as session:
            found: list[Got] = []
            for url in urls:
                async with session.get(url, headers=named.get("headers")) as answer:
                    found.append((answer.status, await answer.read()))
            return found

    return asyncio.run(work())


DOORS: dict[str, tuple[Any, Any]] = {"httpx": (httpx, on_httpx), "httpx2": (httpx2, on_httpx2)}
"""A library, and our transports for it."""
CLIENTS: dict[str, Callable[..., list[Got]]] = {
    "fetcher": by_fetcher,
    "async fetcher": by_async_fetcher,
    "httpx": by_client(*DOORS["httpx"]),
    "async httpx": by_async_client(*DOORS["httpx"]),
    "httpx2": by_client(*DOORS["httpx2"]),
    "async httpx2": by_async_client(*DOORS["httpx2"]),
    "requests": by_requests,
    "aiohttp": by_aiohttp,
}


GOOD, OTHER = "93.184.215.14", "151.101.1.69"
POLICY = FetchPolicy(
    hosts=PUBLIC, schemes={"http", "https"}, redirects=3, deadline=timedelta(seconds=5)
)
SHORT = FetchPolicy(hosts=PUBLIC, schemes={"http"}, deadline=timedelta(seconds=0.5))
PATIENT = replace(SHORT, deadline=timedelta(seconds=30))
"""For the admitting twin: a busy machine is no hanging host."""

every_client = pytest.mark.parametrize("get", CLIENTS.values(), ids=CLIENTS.keys())
Get = Callable[..., list[Got]]


def refused(get: Get, policy: FetchPolicy, *urls: str, **named: Any) -> str:
    """Fetch, and return the code of the refusal."""
    with pytest.raises(Refused) as caught:
        get(policy, list(urls), **named)
    return caught.value.code


# httpx and httpx2 themselves let idna's error out where they read a host back.
REFUSALS = (
    Refused,
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    requests.RequestException,
    idna.IDNAError,
    aiohttp.ClientError,
    aiohttp.InvalidURL,
)


def _lines(named: dict[str, Any]) -> list[tuple[str, str]]:
    return list((named.get("headers") or {}).items())


def _of(response: Any) -> Got:
    return response.status, response.content
