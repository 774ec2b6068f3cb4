"""A Redis that hangs, is gone, full or empty: refused in time, and nothing lands afterwards."""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import count
from time import monotonic
from typing import Any

import pytest
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import TimeoutError as TooLate

from pratique import Refused, stores
from pratique.core.event import Outcome
from pratique.core.refusal import BoundaryError, StoreBusy, StoreError
from pratique.core.store import Busy, Held, Settled
from pratique.stores.redis_store import scripts, talk
from tests import shop as shops
from tests.redis_server import RedisServer, running
from tests.shop import claim
from tests.stores.test_contract import Face, record

pytestmark = pytest.mark.server
LEASE, SHORT = timedelta(seconds=30), timedelta(seconds=0.8)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """Return a Redis that these tests trouble."""
    with running() as one:
        yield one


@pytest.fixture(autouse=True)
def _with_room(server: RedisServer) -> Iterator[None]:
    yield
    with server.client() as client:
        client.config_set("maxmemory", "0")
        client.flushall()


@pytest.fixture(params=["threads", "loop"])
async def store(server: RedisServer, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Return a started face; the shorter its timeout, the sooner a frozen server is left alone."""
    is_hasty = "frozen" in request.node.name
    made = stores.redis(server.url, timeout=SHORT if is_hasty else 5 * SHORT)
    face = Face(made if request.param == "threads" else made.asynchronous)
    face.link = face.thing._link
    try:
        await face.start()
        yield face
    finally:
        await face.close()


async def test_what_a_frozen_server_gets_does_nothing_when_it_wakes(
    server: RedisServer, store: Any
) -> None:
    """Refused in time; afterwards each key is free. The twin, sent to one that is awake, is used."""
    held = await store.hold(b"mine", lease=LEASE)
    with server.frozen():
        began = monotonic()
        with pytest.raises(StoreError, match="unknown"):
            await store.first_use((b"a",), "c")
        with pytest.raises(StoreError):
            await store.hold(b"b", lease=LEASE)
        with pytest.raises(StoreError):
            await store.count(b"n", LEASE)
        assert monotonic() - began < 10
    assert (await store.count(b"n", LEASE)).times == 1
    assert await store.first_use((b"a",), "d") is None
    assert await store.first_use((b"a",), "e") == b"a"
    assert isinstance(await store.hold(b"b", lease=LEASE), Held)
    assert await store.settle(b"mine", held.token)


@pytest.mark.parametrize("call", ["first_use", "hold", "count"])
async def test_what_a_frozen_server_gets_too_late_is_not_done(
    server: RedisServer, store: Any, call: str
) -> None:
    """Also where the worker that sent it is gone, and gives nothing back. The twin is another's."""
    await store.hold(b"warm", lease=LEASE)
    asked = {
        "first_use": lambda face: face.first_use((b"k",), "c"),
        "hold": lambda face: face.hold(b"k", lease=LEASE),
        "count": lambda face: face.count(b"k", LEASE),
    }[call]
    with server.frozen(), pytest.raises(StoreError, match="unknown"):
        await asked(store)
    other = stores.redis(server.url)
    other.start()
    done = asked(other)
    assert done is None or isinstance(done, Held) or done.times == 1
    other.close()


async def test_a_settle_that_a_frozen_server_gets_is_done_when_it_wakes(
    server: RedisServer, store: Any
) -> None:
    """Its effect is out: late is better than never. The caller is told that it is unknown."""
    warm = await store.hold(b"warm", lease=LEASE)
    assert await store.settle(b"warm", warm.token)  # a script that is unknown there does nothing
    held = await store.hold(b"k", lease=LEASE)
    with server.frozen(), pytest.raises(StoreError, match="unknown"):
        await store.settle(b"k", held.token, b"done")
    for _ in range(1000):
        found = await store.hold(b"k", lease=LEASE)
        if not isinstance(found, Busy):
            break
    assert found == Settled(b"done")


def losing(link: Any, error: Exception, monkeypatch: pytest.MonkeyPatch, *, times: int = 1) -> None:
    """Let an answer get lost on its way, after the server did what it was told."""
    send, left = link._send, [times]

    def lost(command: Any) -> Any:
        answer = send(command)
        if command[0] in ("EVALSHA", "EVAL") and left[0]:
            left[0] -= 1
            if asyncio.iscoroutine(answer):
                return later(answer)
            raise error
        return answer

    async def later(answer: Any) -> Any:
        await answer
        raise error

    monkeypatch.setattr(link, "_send", lost)


async def test_a_key_whose_answer_got_lost_is_given_back(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused as unknown, and free for the next delivery; the twin whose answer came is used."""
    await store.first_use((b"warm",), "c")
    losing(store.link, TooLate("gone"), monkeypatch)
    with pytest.raises(StoreError, match="unknown"):
        await store.first_use((b"a",), "c")
    assert await store.first_use((b"a",), "d") is None
    assert await store.first_use((b"a",), "e") == b"a"
    losing(store.link, TooLate("gone"), monkeypatch)
    with pytest.raises(StoreError, match="unknown"):
        await store.hold(b"h", lease=LEASE)
    assert isinstance(await store.hold(b"h", lease=LEASE), Held)
    assert isinstance(await store.hold(b"h", lease=LEASE), Busy)


async def test_several_keys_are_given_back_together(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that got lost half-way leaves none of them used."""
    await store.first_use((b"warm",), "c")
    for step in range(1, 5):  # held, held, settled, settled
        with monkeypatch.context() as patch:
            send, seen = store.link._send, count(1)

            def lost(command: Any, send: Any = send, seen: Any = seen, step: int = step) -> Any:
                answer = send(command)
                if next(seen) == step:
                    if asyncio.iscoroutine(answer):
                        return later(answer)
                    raise TooLate("gone")
                return answer

            async def later(answer: Any) -> Any:
                await answer
                raise TooLate("gone")

            patch.setattr(store.link, "_send", lost)
            with pytest.raises(StoreError, match="unknown"):
                await store.first_use((b"a", b"b"), f"c{step}")
    assert await store.first_use((b"b",), "d") is None
    assert await store.first_use((b"a",), "d") is None
    assert await store.first_use((b"n", b"a"), "e") == b"a"
    assert await store.first_use((b"n",), "f") is None


async def test_several_keys_of_which_one_is_held_are_busy(store: Any) -> None:
    """Busy, not used, and the other one is free again; given back, both are new."""
    held = await store.hold(b"b", lease=LEASE)
    with pytest.raises(StoreBusy) as busy:
        await store.first_use((b"a", b"b"), "c")
    assert timedelta(0) < busy.value.retry_after <= LEASE
    assert await store.release(b"b", held.token)
    assert await store.first_use((b"a", b"b", b"a"), "d") is None


async def test_a_lost_connection_repeats_what_can_be_repeated(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same call sent again has one effect; a count, which would have two, is refused."""
    held = await store.hold(b"warm", lease=LEASE)
    losing(store.link, Disconnected("gone"), monkeypatch)
    assert await store.first_use((b"a",), "c") is None
    losing(store.link, Disconnected("gone"), monkeypatch)
    assert await store.settle(b"warm", held.token, b"r")
    losing(store.link, Disconnected("gone"), monkeypatch)
    taken = await store.hold(b"h", lease=LEASE)
    losing(store.link, Disconnected("gone"), monkeypatch)
    assert await store.release(b"h", taken.token)
    losing(store.link, Disconnected("gone"), monkeypatch)
    with pytest.raises(StoreError, match="unknown"):
        await store.count(b"n", LEASE)
    assert (await store.count(b"n", LEASE)).times == 2


async def test_a_call_that_its_caller_cancelled_is_given_back(server: RedisServer) -> None:
    """A deadline shorter than the store's: nothing stays held. The twin that was awaited does."""
    store = stores.redis(server.url).asynchronous
    await store.start()
    await store.first_use((b"warm",), "c")
    with server.frozen():
        waiting = asyncio.create_task(store.hold(b"k", lease=LEASE))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await store.find("nothing")  # after what was sent before it
    assert isinstance(await store.hold(b"k", lease=LEASE), Held)
    assert isinstance(await store.hold(b"k", lease=LEASE), Busy)
    await store.close()


async def test_a_restart_forgets_nothing_and_is_not_noticed(
    server: RedisServer, store: Any
) -> None:
    """Killed: refused. Back with its data: the same store goes on, and what was used is used."""
    assert await store.first_use((b"a",), "c") is None
    held = await store.hold(b"h", lease=LEASE)
    server.kill()
    with pytest.raises(StoreError):
        await store.first_use((b"b",), "c")
    server.start()
    assert await store.first_use((b"a",), "d") == b"a"
    assert await store.first_use((b"b",), "d") is None
    assert await store.settle(b"h", held.token)


async def test_a_server_that_came_back_empty_is_refused(server: RedisServer, store: Any) -> None:
    """What was handled would be handled again. In this process a start is too; a new one begins anew."""
    assert await store.first_use((b"a",), "c") is None
    with server.client() as client:
        client.flushall()
        client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(StoreError, match="is empty now"):
        await store.first_use((b"a",), "d")
    await store.close()
    with pytest.raises((StoreError, BoundaryError), match="is empty"):
        await store.start()
    another = stores.redis(server.url)
    another.start()
    assert another.first_use((b"a",), "e") is None
    another.close()


async def test_a_full_server_refuses_and_forgets_nothing(server: RedisServer, store: Any) -> None:
    """OOM is a StoreError; what was acknowledged stays; with room again it goes on."""
    assert await store.first_use((b"a",), "c") is None
    held = await store.hold(b"h", lease=LEASE)
    with server.client() as client:
        client.config_set("maxmemory", "1kb")
        with pytest.raises(StoreError, match=r"OOM|OutOfMemory"):
            await store.first_use((b"b",), "c")
        assert await store.first_use((b"a",), "d") == b"a"
        client.config_set("maxmemory", "0")
    assert await store.first_use((b"b",), "e") is None
    assert await store.settle(b"h", held.token)


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_a_full_disk_refuses_and_forgets_nothing(fsync: str) -> None:
    """Redis stops, or says MISCONF: refused, and what was acknowledged outlives it; then it goes on.

    With everysec what was acknowledged right before Redis notices is lost after a crash: one claim
    as a rule; it may put a write off for two seconds while a sync is under way.
    """
    with running(appendfsync=fsync) as server:
        assert server.process is not None
        store = stores.redis(server.url)
        store.start()
        used, refused = [], set[str]()
        for number in range(1000):
            if number == 50:
                size = sum(f.stat().st_size for f in server.folder.rglob("*.aof"))
                resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size + 4096, -1))
            key = b"%d" % number
            try:
                store.first_use((key,), "c")
                used.append(key)
            except StoreError as error:
                refused.add(str(error))
        assert 50 < len(used) < 1000
        assert any("MISCONF" in said for said in refused) is (fsync == "everysec")
        server.kill()
        server.start()
        lost = [key for key in used if store.first_use((key,), "d") is None]
        assert lost == used[len(used) - len(lost) :]
        assert fsync == "everysec" or not lost
        assert store.first_use((b"after",), "c") is None
        store.close()


@pytest.mark.parametrize("jump", [3600, -3600, -5])
async def test_a_clock_that_jumps_is_learned_anew(
    store: Any, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """Leases and limits are the server's: a worker whose clock is wrong by an hour takes nothing over."""
    held = await store.hold(b"h", lease=LEASE)
    monkeypatch.setattr(talk, "monotonic", lambda: monotonic() + jump)
    assert isinstance(await store.hold(b"h", lease=LEASE), Busy)
    assert await store.first_use((b"a",), "c") is None
    assert (await store.count(b"n", LEASE)).times == 1
    assert await store.settle(b"h", held.token)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_delivery_is_refused_while_redis_hangs_and_has_its_effect_afterwards(
    server: RedisServer, is_async: bool
) -> None:
    """503 within the deadline, nothing done; the sender's next delivery has one effect."""
    shop = shops.held(stores.redis(server.url, timeout=SHORT), is_async=is_async)

    async def deliver() -> Any:
        if is_async:
            return await shop.perimeter.aadmit(shop.payments, claim())
        return await asyncio.to_thread(shop.perimeter.admit, shop.payments, claim())

    await (shop.perimeter.astart() if is_async else asyncio.to_thread(shop.perimeter.start))
    with server.frozen():
        with pytest.raises(Refused) as refused:
            await deliver()
        assert refused.value.status == 503
    assert shop.row["upgrades"] == 0
    await deliver()
    assert shop.row["upgrades"] == 1
    await (shop.perimeter.aclose() if is_async else asyncio.to_thread(shop.perimeter.close))


async def test_a_store_started_on_a_thread_answers_on_a_loop(server: RedisServer) -> None:
    """A perimeter starts where its middleware is made. Closed on either, both are."""
    store = stores.redis(server.url)
    await asyncio.to_thread(store.start)
    assert await store.asynchronous.first_use((b"a",), "c") is None
    assert await asyncio.to_thread(store.first_use, (b"a",), "d") == b"a"
    await store.asynchronous.close()
    with pytest.raises(StoreError, match="closed"):
        await asyncio.to_thread(store.first_use, (b"b",), "c")
    with server.client() as client:  # the server may hear of a closed one after this one came
        assert any(len(client.client_list()) == 1 for _ in range(1000))


async def test_refusals_of_one_kind_are_one_entry(server: RedisServer, store: Any) -> None:
    """Fifty deliveries refused alike leave what one leaves; another kind is an entry of its own."""
    sizes = []
    with server.client() as client:
        for number in range(50):
            refused = record(f"c{number}", Outcome.REFUSED, "not_linked")
            await store.record_refusal(refused, b"k", None)
            sizes.append(client.dbsize())
        assert set(sizes) == {sizes[0]}
        await store.record_refusal(record("d", Outcome.REFUSED, "not_allowed"), b"k", None)
        assert client.dbsize() > sizes[0]
    assert (await store.find("c49")).code == "not_linked"
    assert await store.find("c48") is None


def test_nobody_listens() -> None:
    """StoreError at the start, never the driver's own exception."""
    with pytest.raises(StoreError):
        stores.redis("redis://127.0.0.1:1").start()


def test_each_script_touches_its_one_key() -> None:
    """So they hold on Redis Cluster: no second key, none made up in the script."""
    for script in scripts.SCRIPTS:
        calls = script.text.count("redis.call(") - script.text.count("redis.call('TIME')")
        assert script.text.count(", KEYS[1]") == calls
        assert "KEYS[2]" not in script.text
