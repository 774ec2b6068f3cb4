"""Effect and single use are one commit on a connection of psycopg's; what parts them is refused."""

import contextlib
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from pratique import Refused, stores
from pratique.core.refusal import BoundaryError, StoreError
from tests import shop_postgres
from tests.shop import claim
from tests.shop_postgres import plain

pytestmark = pytest.mark.server
CHANGE = "UPDATE subscription SET amount = 7 WHERE id = 1"


def swallowed(db: psycopg.Connection[Any]) -> None:
    """Send COMMIT, and hide what that raised."""
    with contextlib.suppress(BoundaryError):
        db.execute("COMMIT")


def failed_and_swallowed(db: psycopg.Connection[Any]) -> None:
    """Let a statement fail, and hide that."""
    with contextlib.suppress(psycopg.Error):
        db.execute("SELECT 1/0")


def savepoint(db: psycopg.Connection[Any]) -> None:
    """Change something inside a savepoint that stays."""
    with db.transaction():
        db.execute(CHANGE)


def savepoint_undone(db: psycopg.Connection[Any]) -> None:
    """Undo a savepoint in which a statement failed."""
    with contextlib.suppress(psycopg.Error), db.transaction():
        db.execute(CHANGE)
        db.execute("SELECT 1/0")


def by_server_cursor(db: psycopg.Connection[Any], statement: str) -> None:
    """Read by a cursor of the server's."""
    with db.cursor("mine") as cursor:
        cursor.execute(statement.encode()).fetchall()


ENDS: dict[str, Callable[[Any], Any]] = {
    "connection.commit": lambda db: db.commit(),
    "connection.rollback": lambda db: db.rollback(),
    "connection.close": lambda db: db.close(),
    "raw COMMIT": lambda db: db.execute("COMMIT"),
    "bytes": lambda db: db.cursor().execute(b"/* now */ end"),
    "composed": lambda db: db.execute(sql.SQL("{}").format(sql.SQL("ROLLBACK"))),
    "second statement": lambda db: db.execute("SELECT 1; COMMIT"),
    "executemany": lambda db: db.cursor().executemany("COMMIT", [()]),
    "stream": lambda db: list(db.cursor().stream("COMMIT")),
    "server cursor": lambda db: by_server_cursor(db, "SELECT 1; COMMIT"),
    "swallowed": swallowed,
    "failed and swallowed": failed_and_swallowed,
}
STAYS: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda _: None,
    "savepoint": savepoint,
    "savepoint undone": savepoint_undone,
    "server cursor": lambda db: by_server_cursor(db, "SELECT 1"),
    "the word in a value": lambda db: db.execute(
        "UPDATE subscription SET customer = 'x; commit' WHERE id = 1"
    ),
}


def test_a_handler_that_ends_the_transaction_has_no_effect(pg_url: str) -> None:
    """Nothing was written, neither the effect nor the key: the next delivery has its effect."""
    for number, (name, end) in enumerate(ENDS.items()):
        ending = [end]
        shop = shop_postgres.sync(pg_url, lambda db, e=ending: e.pop()(db) if e else None)
        shop.execute("UPDATE subscription SET state = 'pending', upgrades = 0 WHERE id = 1")
        sent = claim(f"evt_{number}", invoice=f"in_{number}")
        shop.provider.invoices[f"in_{number}"] = shop.provider.invoices["in_1"].__class__(
            f"in_{number}", "cus_1"
        )
        with shop.perimeter as perimeter:
            with pytest.raises((BoundaryError, psycopg.Error)):
                perimeter.admit(shop.payments, sent)
            assert (shop.row["state"], shop.row["upgrades"]) == ("pending", 0), name
            perimeter.admit(shop.payments, sent)
            assert (shop.row["state"], shop.row["upgrades"]) == ("active", 1), name


def test_a_handler_that_leaves_the_commit_to_us_has_one_effect(pg_url: str) -> None:
    """The twin: savepoints are fine, and the second delivery is a duplicate."""
    for number, (name, stay) in enumerate(STAYS.items()):
        shop = shop_postgres.sync(pg_url, stay)
        shop.execute(
            "UPDATE subscription SET state = 'pending', upgrades = 0, customer = 'cus_1' WHERE id = 1"
        )
        sent = claim(f"evt_{number}", invoice=f"in_{number}")
        shop.provider.invoices[f"in_{number}"] = shop.provider.invoices["in_1"].__class__(
            f"in_{number}", "cus_1"
        )
        with shop.perimeter as perimeter:
            perimeter.admit(shop.payments, sent)
            with pytest.raises(Refused) as refused:
                perimeter.admit(shop.payments, sent)
        assert refused.value.code == "replayed", name
        assert (shop.row["state"], shop.row["upgrades"]) == ("active", 1), name


def test_a_block_that_is_still_open_is_refused(pg_url: str) -> None:
    """A handler that enters transaction() and never leaves it; closed, it is admitted."""
    opened: list[Any] = []

    def open_one(db: psycopg.Connection[Any]) -> None:
        if not opened:
            opened.append(db.transaction())
            opened[0].__enter__()

    shop = shop_postgres.sync(pg_url, open_one)
    with shop.perimeter as perimeter:
        with pytest.raises(BoundaryError, match="transaction"):
            perimeter.admit(shop.payments, claim())
        assert shop.row["upgrades"] == 0
        perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


async def test_an_async_handler_that_commits_has_no_effect(pg_url: str) -> None:
    """The same on the event loop; without the commit it has its effect."""
    ending = [lambda db: db.commit(), lambda db: db.execute("COMMIT"), lambda db: db.close()]

    async def end(db: Any) -> None:
        if ending:
            await ending.pop()(db)

    shop = shop_postgres.asynchronous(pg_url, end)
    async with shop.perimeter as perimeter:
        for _ in range(3):
            with pytest.raises((BoundaryError, psycopg.Error)):
                await perimeter.aadmit(shop.payments, claim())
            assert shop.row["upgrades"] == 0
        await perimeter.aadmit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_link_that_locks_nothing_is_refused(pg_url: str, is_async: bool) -> None:
    """Two deliveries about one row would both read "pending"; with FOR UPDATE it is admitted."""
    if is_async:
        shop = shop_postgres.asynchronous(pg_url)
        async with shop.perimeter as perimeter:
            await perimeter.aadmit(shop.payments, claim())
        assert shop.row["upgrades"] == 1
        return
    unlocked = "SELECT * FROM subscription WHERE customer = %s -- FOR UPDATE"
    for row, effects in ((unlocked, 0), (unlocked.replace("-- ", ""), 1)):
        shop = shop_postgres.sync(pg_url, row=row)
        with shop.perimeter as perimeter:
            if effects:
                perimeter.admit(shop.payments, claim())
            else:
                with pytest.raises((BoundaryError, Refused)) as refused:
                    perimeter.admit(shop.payments, claim())
                assert "without a lock" in str(refused.value) + str(refused.value.__cause__)
        assert shop.row["upgrades"] == effects


def test_a_deferred_constraint_is_the_handlers_own_error(pg_url: str) -> None:
    """What can't be committed comes out as the database says it, and nothing is kept."""
    doing = [
        "ALTER TABLE subscription ADD CONSTRAINT one UNIQUE (customer) DEFERRABLE INITIALLY DEFERRED",
    ]
    shop = shop_postgres.sync(pg_url, lambda db: db.execute("UPDATE subscription SET customer='x'"))
    shop.execute(doing[0])
    with shop.perimeter as perimeter, pytest.raises(psycopg.errors.UniqueViolation):
        perimeter.admit(shop.payments, claim())
    assert [row["customer"] for row in shop.rows()] == ["cus_1", "cus_2"]


def test_a_users_own_pool_and_callable_serve(pg_url: str) -> None:
    """A pool, a callable that connects; an async one needs its twin."""
    with ConnectionPool[Any](plain(pg_url), min_size=1, open=True) as pool:
        for store in (
            stores.postgres(pool),
            stores.postgres(lambda: psycopg.connect(plain(pg_url))),
            stores.postgres(lambda: psycopg.connect(plain(pg_url), autocommit=True)),
        ):
            shop = shop_postgres.sync(pg_url, store=store)
            shop.execute("UPDATE subscription SET state = 'pending', upgrades = 0")
            shop.execute("DROP TABLE IF EXISTS pratique_store, pratique_key, pratique_refusal")
            with shop.perimeter as perimeter:
                perimeter.admit(shop.payments, claim())
            assert shop.row["upgrades"] == 1


async def test_a_users_own_async_pool_and_callable_serve(pg_url: str) -> None:
    """The same on the event loop."""

    async def connect() -> Any:
        return await psycopg.AsyncConnection.connect(plain(pg_url))

    async with AsyncConnectionPool[Any](plain(pg_url), min_size=1, open=False) as pool:
        for store in (stores.postgres(pool), stores.postgres(connect)):
            shop = shop_postgres.asynchronous(pg_url, store=store)
            shop.execute("UPDATE subscription SET state = 'pending', upgrades = 0")
            shop.execute("DROP TABLE IF EXISTS pratique_store, pratique_key, pratique_refusal")
            async with shop.perimeter as perimeter:
                await perimeter.aadmit(shop.payments, claim())
            assert shop.row["upgrades"] == 1


class Forgetful(psycopg.Connection[Any]):
    """Says that it is inside a transaction, and commits each statement."""

    @contextlib.contextmanager
    def transaction(self, *_: Any, **__: Any) -> Any:
        """Begin nothing."""
        yield None


def test_refuses_to_start_where_one_commit_can_not_hold_both(pg_url: str) -> None:
    """Each with its reason; the plain URL starts, and the probe left nothing."""
    url = plain(pg_url)

    def with_option(option: str) -> Any:
        return stores.postgres(lambda: psycopg.connect(url, options=f"-c {option}"))

    refused = {
        "keeps what was rolled back": stores.postgres(
            lambda: Forgetful.connect(url, autocommit=True)
        ),
        "synchronous_commit is off": with_option("synchronous_commit=off"),
        "transactions are read-only": with_option("default_transaction_read_only=on"),
        "takes a callable that makes a connection": stores.postgres(object),
    }
    for word, store in refused.items():
        with pytest.raises(BoundaryError, match=word):
            store.sync.start()
    stores.postgres(url).sync.start()
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*) FROM pratique_key").fetchone() == (0,)


def test_refuses_a_source_that_is_none() -> None:
    """At the declaration; no text of it, which may hold a password, is told."""
    for bad in ("mysql://u:hunter2@h/d", "postgresql://u:hunter2@[::1/d", 7):
        with pytest.raises(BoundaryError) as refused:
            stores.postgres(bad)
        assert "hunter2" not in str(refused.value)
    with pytest.raises(BoundaryError, match="a connection"):
        stores.postgres("postgresql://h/d", connections=0)
    stores.postgres("postgresql://u:hunter2@h/d", connections=1)


def test_refuses_another_database_than_the_one_it_is_told(pg_url: str) -> None:
    """Empty or replaced, what was kept would be new again; the right one starts."""
    url = plain(pg_url)
    with pytest.raises(BoundaryError, match="holds no store"):
        stores.postgres(url, identity="5d1f").sync.start()
    first = stores.postgres(url).sync
    first.start()
    with psycopg.connect(url) as db:
        row = db.execute("SELECT identity FROM pratique_store").fetchone()
        assert row is not None
    with pytest.raises(BoundaryError, match="another database"):
        stores.postgres(url, identity="5d1f").sync.start()
    stores.postgres(url, identity=row[0]).sync.start()
    with psycopg.connect(url) as db:
        db.execute("UPDATE pratique_store SET identity = 'replaced'")
    with pytest.raises(BoundaryError, match=f"{row[0]} was expected"):
        first.start()
    with psycopg.connect(url) as db:
        db.execute("UPDATE pratique_store SET identity = %s", row)
    first.start()


class Counting(psycopg.Connection[Any]):
    """Counts the transaction blocks that are opened, each of which is two more round trips."""

    blocks = 0

    @contextlib.contextmanager
    def transaction(self, *given: Any, **named: Any) -> Any:
        """Count it, and open it."""
        type(self).blocks += 1
        with super().transaction(*given, **named) as block:
            yield block


def test_a_claim_of_one_key_is_one_statement(pg_url: str) -> None:
    """New or used, nothing has to be undone; two keys share a block, of which none is left."""
    url = plain(pg_url)
    for autocommit in (True, False):
        face: Any = stores.postgres(lambda: Counting.connect(url, autocommit=autocommit)).sync
        face.start()
        key = b"one %d" % autocommit
        Counting.blocks = 0
        assert face.first_use((key,), "c") is None
        assert face.first_use((key,), "d") == key
        assert Counting.blocks == 0
        assert face.first_use((b"new", key), "e") == key
        assert Counting.blocks == 1
        face.close()
        with psycopg.connect(url) as db:
            kept = db.execute("SELECT key FROM pratique_key WHERE key IN (%s, 'new')", (key,))
            assert [bytes(row[0]) for row in kept] == [key]


def test_a_server_that_is_not_there_is_a_store_error() -> None:
    """Nobody listens: at the start, and later; no text of the driver's."""
    store = stores.postgres(
        "postgresql://u:hunter2@127.0.0.1:1/none",
        connection_timeout=stores.opening.LEAST * 100,
    ).sync
    for ask in (store.start, lambda: store.find("c"), store.begin):
        with pytest.raises(StoreError) as refused:
            ask()
        assert "hunter2" not in str(refused.value)
    store.close()
