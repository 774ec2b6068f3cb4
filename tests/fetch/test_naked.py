"""Connections that no policy judged are counted by module, or forbidden."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from pratique.fetch import PUBLIC, FetchPolicy, naked
from tests.fetch.clients import CLIENTS
from tests.fetch.world import World

POLICY = FetchPolicy(hosts=PUBLIC, schemes={"http"})


@pytest.fixture
def watch() -> Iterator[naked.Watch]:
    """Give the process's own watch, its counts from zero."""
    found = naked.watch(elsewhere={"asyncpg": "the database"})
    found.counts.clear()
    yield found
    found.counts.clear()


def test_counts_a_connection_outside_any_fetch(world: World, watch: naked.Watch) -> None:
    """By the module that made it, each time; whoever is named elsewhere isn't counted."""
    address = ("127.0.0.1", world.server.port)
    for _ in range(2):
        socket.create_connection(address).close()
    assert watch.counts == {"tests.fetch.world": 2}  # the small internet dials for the test
    watch.elsewhere["tests"] = "this test"
    socket.create_connection(address).close()
    del watch.elsewhere["tests"]
    assert watch.counts == {"tests.fetch.world": 2}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_policy_judged_is_not_naked(world: World, watch: naked.Watch, client: str) -> None:
    """Our fetchers and each adapter, also where naked connections are forbidden."""
    world.names["a.test"] = ["93.184.215.14"]
    with watch.forbidden():
        assert CLIENTS[client](POLICY, ["http://a.test/"]) == [(200, b"OK-FINAL")]
    assert watch.counts == {}


def test_forbidden_it_is_not_made(world: World, watch: naked.Watch) -> None:
    """A test that connects past the policy fails; afterwards it is counted again."""
    url = f"http://127.0.0.1:{world.server.port}/"
    with watch.forbidden(), pytest.raises(naked.NakedEgress, match="outside any fetch policy"):
        httpx.get(url, trust_env=False)
    assert world.server.seen == []
    assert httpx.get(url, trust_env=False).status_code == 200
    assert sum(watch.counts.values()) == 2


def test_a_unix_socket_is_no_egress(watch: naked.Watch) -> None:
    """It stays on this machine."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert watch.counts == {}
