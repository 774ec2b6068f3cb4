"""A Redis that may forget, can't be written or is another one refuses the start; each has a twin."""

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pratique import stores
from pratique.core.obligation import FRESH, UNIQUE
from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.waiver import Waiver
from pratique.unsafe import waive
from tests.redis_server import RedisServer, running

pytestmark = pytest.mark.server
GOOD = {
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
    "appendonly": "yes",
    "appendfsync": "always",
}


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """Return a Redis whose settings these tests change."""
    with running() as one:
        yield one


@pytest.fixture(autouse=True)
def _as_it_was(server: RedisServer) -> Iterator[None]:
    yield
    with server.client() as client:
        for name, value in GOOD.items():
            client.config_set(name, value)
        client.flushall()


def start(url: str, **more: Any) -> Any:
    """Start a store and let go of it."""
    store = stores.redis(url, **more)
    try:
        store.start()
    finally:
        store.close()
    return store


def waiver(**changes: Any) -> Waiver:
    """Return a waiver of single use, in force."""
    return waive(
        **{
            "obligation": UNIQUE,
            "reason": "a cache of ours, until the move",
            "owner": "ops",
            "until": date.today() + timedelta(days=2),  # noqa: DTZ011
            "bound": "10 EUR an event",
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}, "maxmemory-policy"),
        ({"maxmemory": "100mb", "maxmemory-policy": "volatile-ttl"}, "maxmemory-policy"),
        ({"appendonly": "no"}, "appendonly"),
        ({"appendfsync": "no"}, "appendfsync"),
    ],
)
def test_refuses_a_redis_that_may_forget(
    server: RedisServer, settings: dict[str, str], word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Named by its setting; waived it starts and says so; as it should be it starts."""
    with server.client() as client:
        for name, value in settings.items():
            client.config_set(name, value)
    with pytest.raises(BoundaryError, match=word):
        start(server.url)
    store = start(server.url, waived=waiver())
    assert "may forget" in str(store.roots[0])
    assert f"waived: {word}" in caplog.text
    with server.client() as client:
        for name, value in GOOD.items():
            client.config_set(name, value)
    assert "may forget" not in str(start(server.url).roots[0])


def test_says_by_how_much_everysec_may_forget(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """`everysec` starts and names its window; `always` has none."""
    start(server.url)
    assert "everysec" not in caplog.text
    with server.client() as client:
        client.config_set("appendfsync", "everysec")
    start(server.url)
    assert "in the last second, two at worst" in caplog.text


def test_a_full_memory_that_evicts_nothing_is_no_debt(server: RedisServer) -> None:
    """A limit with noeviction refuses writes, and a policy without a limit evicts nothing."""
    with server.client() as client:
        client.config_set("maxmemory", "100mb")
        start(server.url)
        client.config_set("maxmemory", "0")
        client.config_set("maxmemory-policy", "allkeys-lru")
    start(server.url)


def test_a_waiver_is_of_single_use_and_in_force(server: RedisServer) -> None:
    """Of something else, or over: refused, also where it ends while the store runs."""
    with pytest.raises(BoundaryError, match="UNIQUE"):
        start(server.url, waived=waiver(obligation=FRESH))
    over = waiver(until=datetime.now(UTC).date())
    with pytest.raises(BoundaryError, match="ended on"):
        start(server.url, waived=over)
    store = stores.redis(server.url, waived=over)
    with pytest.raises(StoreError, match="was waived until"):
        store.first_use((b"k",), "c")
    store.close()
    start(server.url, waived=waiver())


def test_a_replica_is_refused(server: RedisServer) -> None:
    """It can't be written; promoted, it starts."""
    with server.client() as client:
        client.replicaof("127.0.0.1", "1")
        with pytest.raises(BoundaryError, match="a replica"):
            start(server.url)
        client.replicaof("NO", "ONE")
    start(server.url)


def test_a_server_that_does_not_tell_its_settings_needs_a_word_of_the_user(
    server: RedisServer,
) -> None:
    """Without a declaration, or with one that INFO denies: refused. What may forget is refused too."""
    with server.client() as client:
        client.execute_command("ACL SETUSER app on >word ~* +@all -config")
    url = server.url.replace("//", "//app:word@")
    with pytest.raises(BoundaryError, match="CONFIG is forbidden"):
        start(url)
    for wrong in ({"maxmemory": "5"}, {"maxmemory-policy": "volatile-lru"}, {"appendonly": "no"}):
        with pytest.raises(BoundaryError, match="and the server says"):
            start(url, declared={**GOOD, **wrong})
    with pytest.raises(BoundaryError, match="appendfsync is no"):
        start(url, declared={**GOOD, "appendfsync": "no"})
    start(url, declared=GOOD)


def test_a_declaration_is_held_against_what_the_server_says(server: RedisServer) -> None:
    """Where it tells its settings, a declaration that differs or is unknown is refused."""
    with pytest.raises(BoundaryError, match="and the server says always"):
        start(server.url, declared={"appendfsync": "everysec"})
    with pytest.raises(BoundaryError, match="knows no save"):
        start(server.url, declared={"save": ""})
    start(server.url, declared={"appendfsync": "always"})


def test_an_empty_or_another_store_is_refused(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The first start names it and says so; with that name an empty and another one are refused."""
    caplog.set_level(logging.INFO)
    identity = start(server.url).identity
    assert identity in caplog.text
    assert start(server.url, identity=identity).identity == identity
    with pytest.raises(BoundaryError, match="identity="):
        start(server.url, identity="another")
    with server.client() as client:
        client.flushall()
    with pytest.raises(BoundaryError, match="is empty"):
        start(server.url, identity=identity)
    assert start(server.url).identity != identity


def test_where_nobody_listens_the_start_says_so(server: RedisServer) -> None:
    """What to look at, and nothing of the URL, which may hold a password; with a server there it starts."""
    with pytest.raises(StoreError, match="no Redis listens where") as refused:
        start("redis://:hunter2@127.0.0.1:1/0")
    assert "hunter2" not in str(refused.value)
    assert start(server.url).identity


async def test_the_loop_is_refused_alike(server: RedisServer) -> None:
    """The async face asks the same at the start."""
    store = stores.redis(server.url)
    with server.client() as client:
        client.config_set("appendonly", "no")
        with pytest.raises(BoundaryError, match="appendonly"):
            await store.asynchronous.start()
        client.config_set("appendonly", "yes")
    await store.asynchronous.start()
    await store.asynchronous.close()


def test_a_timeout_of_nothing_is_refused() -> None:
    """It would refuse every crossing; one above zero is taken."""
    with pytest.raises(BoundaryError, match="not above zero"):
        stores.redis("redis://127.0.0.1:1", timeout=timedelta(0))
    assert stores.redis("redis://127.0.0.1:1").name == "redis"
