"""A refusal for time is the time-out of the library that it came through, whatever hung."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

import aiohttp
import httpx
import httpx2
import pytest
import requests

from pratique.core.refusal import Refused
from pratique.fetch import PUBLIC, FetchPolicy
from tests.fetch.clients import CLIENTS
from tests.fetch.world import World, small_internet

GOOD = "93.184.215.14"
SHORT = FetchPolicy(
    hosts=PUBLIC, schemes={"http", "https"}, redirects=1, deadline=timedelta(seconds=0.4)
)
PATIENT = replace(SHORT, deadline=timedelta(seconds=30))
TIMEOUTS: dict[str, tuple[type[Exception], ...]] = {
    "httpx": (httpx.TimeoutException, httpx.ReadTimeout),
    "async httpx": (httpx.TimeoutException, httpx.ReadTimeout),
    "httpx2": (httpx2.TimeoutException, httpx2.ReadTimeout),
    "async httpx2": (httpx2.TimeoutException, httpx2.ReadTimeout),
    "requests": (requests.Timeout, requests.ReadTimeout),
    "aiohttp": (asyncio.TimeoutError, aiohttp.ServerTimeoutError, aiohttp.ClientConnectionError),
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """Give a small internet on loopback."""
    with small_internet(monkeypatch, tmp_path) as made:
        made.names["a.test"] = [GOOD]
        yield made


@contextmanager
def a_name_hangs(world: World) -> Iterator[str]:
    """DNS doesn't answer."""
    end = Event()
    world.names["hangs.test"] = lambda: end.wait(5) and None
    yield "http://hangs.test/"
    end.set()


@contextmanager
def a_handshake_hangs(world: World) -> Iterator[str]:
    """The host accepts a connection, and says nothing to a ClientHello."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        world.ways[f"{GOOD}:443"] = silent.getsockname()[1]
        yield "https://a.test/"
    del world.ways[f"{GOOD}:443"]


@contextmanager
def an_answer_hangs(world: World, start: bytes = b"") -> Iterator[str]:
    """The host reads the request, begins or doesn't, and stops."""
    end = Event()

    def raw(connection: socket.socket) -> None:
        connection.sendall(start)
        end.wait(5)

    world.server.raw = raw
    yield "http://a.test/"
    end.set()
    world.server.raw = None


def content_hangs(world: World) -> AbstractContextManager[str]:
    """The host answers, and stops in the middle of the content."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 999\r\n\r\nhalf"
    return an_answer_hangs(world, head)


@pytest.mark.parametrize("hang", [a_name_hangs, a_handshake_hangs, an_answer_hangs, content_hangs])
@pytest.mark.parametrize("name", TIMEOUTS)
def test_a_refusal_for_time_is_the_librarys_own_time_out(
    world: World, name: str, hang: Callable[[World], AbstractContextManager[str]]
) -> None:
    """Lookup, handshake, head and content are under one deadline; the next fetch is served (CWE-400)."""
    get = CLIENTS[name]
    with hang(world) as url, pytest.raises(Refused) as caught:
        get(SHORT, [url])
    assert caught.value.code in ("fetch_deadline", "lookup_timeout")
    for kind in TIMEOUTS[name]:
        assert isinstance(caught.value, kind)
    assert get(PATIENT, ["https://a.test/"]) == [(200, b"OK-FINAL")]


@pytest.mark.parametrize("name", TIMEOUTS)
def test_another_refusal_is_no_time_out(world: World, name: str) -> None:
    """Who waits and tries again after a time-out doesn't try a refused address again."""
    with pytest.raises(Refused) as caught:
        CLIENTS[name](SHORT, ["http://127.0.0.1/"])
    assert caught.value.code == "address_not_allowed"
    assert not isinstance(caught.value, TIMEOUTS[name][0])
