"""Connections to Redis belong to a loop: it keeps its own beside another's, and they go with it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from pratique import stores
from tests.processes import wait_for
from tests.redis_server import RedisServer, running

pytestmark = pytest.mark.server


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """Return a Redis that nobody else is connected to."""
    with running() as one:
        yield one


def connections(server: RedisServer) -> tuple[int, int]:
    """Return how many are open, the one that asks excepted, and how many ever were."""
    with server.client() as client:
        return len(client.client_list()) - 1, client.info("stats")["total_connections_received"] - 1


async def use(face: Any, number: int) -> None:
    """Use a key."""
    assert await face.first_use((b"%d" % number,), "c") is None


def test_the_connections_of_a_loop_go_with_it(server: RedisServer) -> None:
    """CWE-404: a worker on a thread, and `drain()`, have a loop for a while that nobody closes a store on."""
    store = stores.redis(server.url)
    store.start()
    wait_for(lambda: connections(server)[0] == 1)
    for number in range(3):
        asyncio.run(use(store.asynchronous, number))
        wait_for(lambda: connections(server)[0] == 1)
    store.close()
    wait_for(lambda: connections(server)[0] == 0)


async def test_two_loops_have_connections_of_their_own(server: RedisServer) -> None:
    """An application's loop and a worker's ask in turn: each goes on with what it has."""
    store = stores.redis(server.url)
    await store.asynchronous.start()
    with asyncio.Runner() as other:
        before = 0
        for number in range(0, 6, 2):
            await use(store.asynchronous, number)
            await asyncio.to_thread(other.run, use(store.asynchronous, number + 1))
            looks, (_, ever) = number // 2, connections(server)
            before = before or ever
            assert ever == before + looks
        await store.asynchronous.close()
        await asyncio.to_thread(other.close)
    wait_for(lambda: connections(server)[0] == 0)
