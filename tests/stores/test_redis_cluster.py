"""The contract on a Redis Cluster of three nodes: each script touches one key or one slot, so it holds there."""

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique import stores
from pratique.core.event import Outcome
from pratique.core.inbox import State
from pratique.core.refusal import BoundaryError
from pratique.core.store import Held, Settled, Stale
from tests.processes import wait_for
from tests.redis_server import RedisServer, running
from tests.stores.test_contract import Face, record
from tests.stores.test_inbox import delivery

pytestmark = pytest.mark.server
LEASE, NONE = timedelta(seconds=30), timedelta(0)
SLOTS = 16384


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[RedisServer]]:
    """Run three nodes that share the slots."""
    with contextlib.ExitStack() as ends:
        made = [
            ends.enter_context(running(cluster_enabled="yes", cluster_node_timeout="5000"))
            for _ in range(3)
        ]
        for number, node in enumerate(made):
            first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTS", *range(first, last + 1))
                client.execute_command("CLUSTER MEET", "127.0.0.1", made[0].port)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            states = []
            for node in made:
                with node.client() as client:
                    info = client.execute_command("CLUSTER INFO")
                    states.append((info["cluster_state"], info["cluster_known_nodes"]))
            if set(states) == {("ok", "3")}:
                break
            time.sleep(0.05)
        yield made


def url(cluster: list[RedisServer]) -> str:
    """Return the URL of the cluster."""
    return cluster[1].url.replace("redis://", "redis+cluster://")


@pytest.fixture(params=["threads", "loop"])
async def store(cluster: list[RedisServer], request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Return a started face."""
    for node in cluster:
        with node.client() as client:
            client.flushall()
    made = stores.redis(url(cluster))
    face = Face(made if request.param == "threads" else made.asynchronous)
    try:
        await face.start()
        yield face
    finally:
        await face.close()


async def test_single_use_holds_on_every_node(store: Any) -> None:
    """Forty keys on three nodes, one by one and several at once: used once, all or none."""
    keys = [b"%d" % number for number in range(40)]
    for key in keys[:20]:
        assert await store.first_use((key,), "c") is None
    assert await store.first_use(tuple(keys[20:]), "c") is None
    for key in keys:
        assert await store.first_use((key,), "d") == key
    assert await store.first_use((b"n", b"7"), "e") == b"7"
    assert await store.first_use((b"n",), "e") is None


async def test_holds_records_and_refusals_hold(store: Any) -> None:
    """Held, taken over, settled with its record, refused, found: wherever the keys are."""
    for number in range(10):
        key, crossing = b"h%d" % number, f"c{number}"
        first = await store.hold(key, lease=NONE, crossing_id="late")
        second = await store.hold(key, lease=LEASE, crossing_id=crossing)
        assert isinstance(second, Held)
        assert not await store.settle(key, first.token, b"late")
        assert await store.settle(key, second.token, b"r", record=record(crossing))
        assert await store.hold(key, lease=LEASE) == Settled(b"r")
        assert (await store.find(crossing)).crossing_id == crossing
        refused = record(f"r{number}", Outcome.REFUSED, "not_linked")
        await store.record_refusal(refused, key, None)
        assert await store.find(f"r{number}") == refused


async def test_counts_and_revocations_hold_and_are_swept(store: Any) -> None:
    """A sweep goes from node to node."""
    at = datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(30):
        await store.count(b"s%d" % number, NONE)
        await store.revoke(b"r%d" % number, until=at, kept=LEASE)
    assert len(await store.revoked([b"r%d" % number for number in range(30)])) == 30
    deleted, last, pages = 0, b"", 0
    while True:
        done = await store.sweep(Stale(b"s"), after=last, most=100)
        deleted, last, pages = deleted + done.deleted, done.last, pages + 1
        if not last:
            break
    assert (deleted, pages) == (30, 3)
    assert len(await store.revoked([b"r%d" % number for number in range(30)])) == 30


async def test_the_inbox_holds_in_one_slot(store: Any) -> None:
    """Taken, put off, dead, done, replayed, listed, told again, forgotten: every script, on one node."""
    inbox = Face(store.thing.inbox)
    for number in range(5):
        assert await inbox.put(delivery(number))
        assert not await inbox.put(delivery(number))
    taken = [await inbox.take("payments", lease=LEASE) for _ in range(4)]
    names = [each.delivery.id for each in taken]
    assert await inbox.later(names[0], taken[0].token, pause=LEASE, code="later")
    assert await inbox.dead(names[1], taken[1].token, code="not_confirmed")
    assert await inbox.done(names[2], taken[2].token)
    assert not await inbox.done(names[0], taken[0].token)
    status = await inbox.status("payments")
    assert (status.pending, status.dead) == (3, 1)
    assert len(await inbox.listed("payments")) == 5
    assert await inbox.move(names[1], State.WAITING)
    assert len(await inbox.forgotten("payments", since=NONE, most=9)) == 2
    assert (await inbox.show(names[1]))[1].content == delivery(0).content
    assert await inbox.forget("payments", kept=NONE, most=9) == 1


def test_each_node_is_asked_at_the_start(cluster: list[RedisServer]) -> None:
    """One that evicts is enough to refuse; mended it starts."""
    with cluster[2].client() as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(BoundaryError, match="maxmemory-policy"):
            stores.redis(url(cluster)).start()
        client.config_set("maxmemory", "0")
    store = stores.redis(url(cluster))
    store.start()
    store.close()


def test_a_closed_store_leaves_no_connection(cluster: list[RedisServer]) -> None:
    """CWE-404: redis-py leaves the pools of nodes open that it found by a URL; while the store is open, each node has one."""

    def connections() -> list[int]:
        found = []
        for node in cluster:
            with node.client() as client:
                found.append(len(client.client_list()) - 1)
        return found

    wait_for(lambda: connections() == [0, 0, 0], 20)
    made = stores.redis(url(cluster))
    made.start()
    for number in range(40):
        assert made.first_use((b"closed %d" % number,), "c") is None
    assert min(connections()) >= 1
    made.close()
    wait_for(lambda: connections() == [0, 0, 0], 20)
