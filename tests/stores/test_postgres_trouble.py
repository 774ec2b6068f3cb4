"""A PostgreSQL in trouble: locked, silent, cut, stopped, forked. It refuses, and doubles nothing."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pratique import Refused, stores
from pratique.core.refusal import BoundaryError, StoreBusy, StoreError
from pratique.core.store import Held
from pratique.stores.postgres_store import source
from tests import shop_postgres
from tests.shop import claim
from tests.shop_postgres import plain
from tests.stores import pg_proxy
from tests.stores.test_contract import record
from tests.stores.test_trouble import in_a_process

pytestmark = pytest.mark.server
SOON = timedelta(milliseconds=100)


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "SLACK_SECONDS", 0.2)


def store(url: str, **more: Any) -> Any:
    """Return a store that waits for little."""
    bounds = {"lock_timeout": SOON, "statement_timeout": 3 * SOON, "connection_timeout": 5 * SOON}
    return stores.postgres(url, **{**bounds, **more})


@pytest.fixture
def proxy(pg_url: str) -> Iterator[pg_proxy.Proxy]:
    """Return a proxy before the server."""
    known = conninfo_to_dict(plain(pg_url))
    with pg_proxy.before(f"{known['host']}/.s.PGSQL.{known.get('port') or 5432}") as made:
        yield made


def behind(proxy: pg_proxy.Proxy, pg_url: str) -> str:
    """Return the URL of the test's database behind the proxy."""
    known = conninfo_to_dict(plain(pg_url))
    return f"postgresql://{known['user']}@127.0.0.1:{proxy.port}/{known['dbname']}"


def once(proxy: pg_proxy.Proxy, word: bytes, decided: str) -> None:
    """Let the proxy decide so for the first bytes with a word, and carry the others."""
    left = [decided]
    proxy.heard.clear()
    proxy.decide = lambda data: left.pop() if word in data and left else "carry"


def test_a_row_that_another_has_asks_the_sender_to_retry(pg_url: str) -> None:
    """503 busy with Retry-After, nothing written; when it lets go the delivery has its effect."""
    shop = shop_postgres.sync(pg_url, store=store(pg_url))
    with shop.perimeter as perimeter:
        with psycopg.connect(plain(pg_url)) as other:
            other.execute("SELECT * FROM subscription FOR UPDATE")
            with pytest.raises(Refused) as refused:
                perimeter.admit(shop.payments, claim())
            other.rollback()
        assert (refused.value.status, refused.value.code) == (503, "busy")
        assert refused.value.retry_after is not None
        assert shop.row["upgrades"] == 0
        perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


async def test_the_same_on_the_event_loop(pg_url: str) -> None:
    """And the key of a delivery that is being handled: whoever comes second is asked to retry."""
    made = store(pg_url, connection=psycopg.AsyncConnection)
    shop = shop_postgres.asynchronous(pg_url, store=made)
    async with shop.perimeter as perimeter:
        first = await made.asynchronous.begin()
        assert await first.first_use((b"k",), record("c1")) is None
        with pytest.raises(StoreBusy):
            await made.asynchronous.first_use((b"k",), "c2")
        await first.rollback()
        assert await made.asynchronous.first_use((b"k",), "c2") is None
        async with await psycopg.AsyncConnection.connect(plain(pg_url)) as other:
            await other.execute("SELECT * FROM subscription FOR UPDATE")
            with pytest.raises(Refused) as refused:
                await perimeter.aadmit(shop.payments, claim())
            await other.rollback()
        assert (refused.value.status, refused.value.code) == (503, "busy")
        await perimeter.aadmit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


def test_a_used_up_pool_is_busy(pg_url: str) -> None:
    """One connection, held by somebody: 503; given back, the next is answered."""
    face = store(pg_url, connections=1).sync
    face.start()
    held = face.begin()
    with pytest.raises(StoreBusy, match="all 1 connections"):
        face.find("c")
    held.rollback()
    assert face.find("c") is None
    face.close()


def test_a_connection_killed_under_a_handler_undoes_all(pg_url: str) -> None:
    """What the driver says comes out; who swallows it has lost the transaction. Then one effect."""

    def lose(db: psycopg.Connection[Any]) -> None:
        db.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    def lose_quietly(db: psycopg.Connection[Any]) -> None:
        with contextlib.suppress(psycopg.Error):
            lose(db)

    losing = [lose_quietly, lose]
    shop = shop_postgres.sync(
        pg_url, lambda db: losing.pop()(db) if losing else None, store=store(pg_url, connections=1)
    )
    with shop.perimeter as perimeter:
        for says in (psycopg.OperationalError, BoundaryError):
            with pytest.raises(says):
                perimeter.admit(shop.payments, claim())
            assert shop.row["upgrades"] == 0
        perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


def test_a_server_that_was_restarted_meanwhile_costs_no_delivery(pg_url: str) -> None:
    """Idle connections that it ended are noticed before they are used."""
    shop = shop_postgres.sync(pg_url, store=store(pg_url))
    with shop.perimeter as perimeter:
        perimeter.admit(shop.payments, claim())
        with psycopg.connect(plain(pg_url)) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        with pytest.raises(Refused) as refused:
            perimeter.admit(shop.payments, claim())
    assert refused.value.code == "replayed"


@pytest.mark.parametrize(
    ("decided", "committed"),
    [("cut", False), ("carry and cut", True), ("swallow", False), ("carry and hush", True)],
)
def test_an_unknown_end_of_a_commit_is_said_and_is_one_effect(
    pg_url: str, proxy: pg_proxy.Proxy, decided: str, committed: bool
) -> None:
    """The connection ends, or falls silent, while COMMIT is under way, before or after it is done.

    Refused either way; the next delivery has the effect, or finds that it was had.
    """
    shop = shop_postgres.sync(pg_url, store=store(behind(proxy, pg_url)))
    with shop.perimeter as perimeter:
        once(proxy, b"COMMIT", decided)
        with pytest.raises(Refused) as refused:
            perimeter.admit(shop.payments, claim())
        assert (refused.value.status, refused.value.code) == (503, "commit_unknown")
        _settle(pg_url)
        if committed:
            assert shop.row["upgrades"] == 1
            with pytest.raises(Refused) as again:
                perimeter.admit(shop.payments, claim())
            assert again.value.code == "replayed"
        else:
            assert shop.row["upgrades"] == 0
            perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


def _settle(pg_url: str) -> None:
    """Wait until the server has ended what a cut connection left."""
    with psycopg.connect(plain(pg_url)) as db:
        db.execute("LOCK TABLE subscription IN ACCESS EXCLUSIVE MODE")


@pytest.mark.parametrize("word", [b"BEGIN", b"INSERT INTO pratique_key", b"FOR UPDATE"])
def test_a_silent_server_is_refused_and_nothing_lands_later(
    pg_url: str, proxy: pg_proxy.Proxy, word: bytes
) -> None:
    """It took the question and says nothing: 503. The next delivery has the one effect."""
    shop = shop_postgres.sync(pg_url, store=store(behind(proxy, pg_url)))
    with shop.perimeter as perimeter:
        once(proxy, word, "carry and hush")
        with pytest.raises((Refused, psycopg.OperationalError)) as refused:
            perimeter.admit(shop.payments, claim())
        assert getattr(refused.value, "status", 503) == 503
        _settle(pg_url)
        assert shop.row["upgrades"] == 0
        perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


@pytest.mark.parametrize("word", [b"BEGIN", b"INSERT INTO pratique_key", b"FOR UPDATE"])
async def test_a_deadline_on_the_loop_ends_a_silent_connection(
    pg_url: str, proxy: pg_proxy.Proxy, word: bytes
) -> None:
    """The perimeter's deadline comes first: the connection is closed, and nothing lands later."""
    made = stores.postgres(behind(proxy, pg_url), connection=psycopg.AsyncConnection)
    shop = shop_postgres.asynchronous(pg_url, store=made)
    async with shop.perimeter as perimeter:
        perimeter.narrow(deadline=5 * SOON)
        once(proxy, word, "carry and hush")
        with pytest.raises(Refused) as refused:
            await perimeter.aadmit(shop.payments, claim())
        assert (refused.value.status, refused.value.code) == (503, "deadline")
        _settle(pg_url)
        assert shop.row["upgrades"] == 0
        await perimeter.aadmit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


def test_a_hold_on_a_silent_server_is_refused(pg_url: str, proxy: pg_proxy.Proxy) -> None:
    """Outside a transaction of an effect as well; answered again, the key is held."""
    face = store(behind(proxy, pg_url)).sync
    face.start()
    once(proxy, b"INSERT INTO pratique_key", "swallow")
    with pytest.raises(StoreError, match="answer"):
        face.hold(b"k", lease=timedelta(seconds=30))
    assert isinstance(face.hold(b"k", lease=timedelta(seconds=30)), Held)
    face.close()


async def test_a_pool_belongs_to_its_loop(pg_url: str) -> None:
    """Asked from another loop it is refused; closed here, it opens there."""
    face = store(pg_url, connection=psycopg.AsyncConnection).asynchronous
    await face.start()
    assert await face.find("c") is None
    with pytest.raises(StoreError, match="another event loop"):
        await asyncio.to_thread(asyncio.run, face.find("c"))
    await face.close()

    async def elsewhere() -> Any:
        found = await face.find("c")
        await face.close()
        return found

    assert await asyncio.to_thread(asyncio.run, elsewhere()) is None


OWN_POOL = """
    import os, sys
    from psycopg_pool import ConnectionPool
    from pratique import stores
    from pratique.core.refusal import StoreError
    pool = ConnectionPool(sys.argv[1], min_size=1, open=True)
    store = stores.postgres(pool).sync
    child = os.fork()
    if child == 0:
        try:
            store.start()
        except StoreError as error:
            os._exit(0 if "before this process was forked" in str(error) else 1)
        os._exit(2)
    told = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    store.start()
    print(told, store.find("c"))
    pool.close()
"""


def test_a_pool_that_came_over_a_fork_is_refused(pg_url: str) -> None:
    """Two processes would read each other's answers; in the process that opened it, it serves."""
    done = in_a_process(OWN_POOL, plain(pg_url))
    assert done.stdout.split() == ["0", "None"], done.stdout + done.stderr
