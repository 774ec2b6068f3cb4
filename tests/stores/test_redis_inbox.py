"""The inbox of a Redis that hangs, is killed, is full, or whose answers get lost."""

from typing import Any

import pytest
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import TimeoutError as TooLate

from pratique.core.inbox import State
from pratique.core.refusal import StoreError
from pratique.stores.redis_store import inbox_steps
from tests.redis_server import RedisServer
from tests.stores.test_contract import Face
from tests.stores.test_inbox import LEASE, NONE, delivery
from tests.stores.test_redis_trouble import _with_room, losing, server, store

__all__ = ["_with_room", "server", "store"]  # fixtures are found by being named here
pytestmark = pytest.mark.server


@pytest.fixture
async def inbox(store: Any) -> Any:
    """Return the inbox of a started face, whose scripts the server knows."""
    found = Face(store.thing.inbox)
    await found.status("warm")
    return found


async def test_what_was_acknowledged_outlives_a_kill(server: RedisServer, inbox: Any) -> None:
    """Kept, taken, done: after SIGKILL it is as it was, and who had it may end it."""
    for number in range(3):
        assert await inbox.put(delivery(number))
    taken = [await inbox.take("payments", lease=LEASE) for _ in range(2)]
    assert await inbox.done(taken[0].delivery.id, taken[0].token)
    server.kill()
    with pytest.raises(StoreError):
        await inbox.put(delivery(9))
    server.start()
    states = sorted(row.state for row in await inbox.listed())
    assert states == [State.WAITING, State.TAKEN, State.DONE]
    assert not await inbox.put(delivery(0))
    assert await inbox.done(taken[1].delivery.id, taken[1].token)
    assert (await inbox.take("payments", lease=LEASE)).delivery.id not in {
        each.delivery.id for each in taken
    }


async def test_what_a_frozen_server_gets_is_not_kept_when_it_wakes(
    server: RedisServer,
    inbox: Any,
) -> None:
    """Its sender heard 503 and sends it again: then it is new. A lease that nobody has isn't begun."""
    await inbox.put(delivery(1))
    with server.frozen():
        with pytest.raises(StoreError, match="unknown"):
            await inbox.put(delivery(2))
        with pytest.raises(StoreError, match="unknown"):
            await inbox.take("payments", lease=LEASE)
    assert [row.state for row in await inbox.listed()] == [State.WAITING]
    assert await inbox.put(delivery(2))
    assert (await inbox.take("payments", lease=LEASE)).attempts == 1


async def test_a_lost_connection_repeats_what_has_one_effect(
    store: Any,
    inbox: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kept and ended once, and told so; a second taking would be another delivery, and is refused."""

    def lose() -> None:
        losing(store.link, Disconnected("gone"), monkeypatch)

    lose()
    assert await inbox.put(delivery(1))
    assert not await inbox.put(delivery(1))
    lose()
    with pytest.raises(StoreError, match="unknown"):
        await inbox.take("payments", lease=NONE)
    taken = await inbox.take("payments", lease=LEASE)
    assert taken.attempts == 2
    lose()
    assert await inbox.later(taken.delivery.id, taken.token, pause=NONE, code="later")
    again = await inbox.take("payments", lease=LEASE)
    send = store.link._send
    losing(store.link, Disconnected("gone"), monkeypatch, times=2)
    with pytest.raises(StoreError, match="unknown"):  # twice is once too often
        await inbox.show(again.delivery.id)
    monkeypatch.setattr(store.link, "_send", send)
    assert await inbox.done(again.delivery.id, again.token)
    lose()
    assert not await inbox.move(again.delivery.id, State.WAITING)


async def test_an_answer_that_got_lost_costs_a_lease(
    store: Any,
    inbox: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was taken, and nobody knows: another one takes it when the lease has ended, and ends it."""
    await inbox.put(delivery(1))
    losing(store.link, TooLate("gone"), monkeypatch)
    with pytest.raises(StoreError, match="unknown"):
        await inbox.take("payments", lease=NONE)
    (row,) = await inbox.listed()
    assert (row.state, row.attempts) == (State.TAKEN, 1)
    taken = await inbox.take("payments", lease=LEASE)
    assert await inbox.done(taken.delivery.id, taken.token)


async def test_a_full_server_keeps_nothing_of_what_it_refuses(
    server: RedisServer,
    inbox: Any,
) -> None:
    """OOM: neither a content, nor a row, nor a place among those that are due; with room, all of it."""
    await inbox.put(delivery(1))
    with server.client() as client:
        client.config_set("maxmemory", "1kb")
        with pytest.raises(StoreError, match=r"OOM|OutOfMemory"):
            await inbox.put(delivery(2))
        with pytest.raises(StoreError, match=r"OOM|OutOfMemory"):
            await inbox.take("payments", lease=LEASE)
        client.config_set("maxmemory", "0")
        keys = [inbox_steps.TAG + name for name in (b"rows", b"contents")]
        assert [client.hlen(key) for key in keys] == [1, 1]
        for name in (b"ids", b"due:payments", b"since:payments"):
            assert client.zcard(inbox_steps.TAG + name) == 1
    assert [row.state for row in await inbox.listed()] == [State.WAITING]
    assert await inbox.put(delivery(2))


async def test_an_entry_without_a_row_is_dropped(server: RedisServer, inbox: Any) -> None:
    """An index that names what isn't there holds up nothing, and doesn't count for long."""
    await inbox.put(delivery(1))
    with server.client() as client:
        for name in (b"due:payments", b"since:payments", b"done:payments", b"ids"):
            client.zadd(inbox_steps.TAG + name, {"gone": 0})
    assert (await inbox.take("payments", lease=LEASE)).delivery.id == delivery(1).id
    assert (await inbox.status("payments")).pending == 1
    assert [row.id for row in await inbox.listed()] == [delivery(1).id]
    assert await inbox.forgotten("payments", since=NONE, most=9) == []
    assert await inbox.forget("payments", kept=NONE, most=9) == 1
