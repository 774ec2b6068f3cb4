"""One contract for every store.

What `SyncStore` and `AsyncStore` promise, asked of each through one face.
"""

import inspect
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from pratique import stores
from pratique.core.event import Outcome, Record
from pratique.core.refusal import BoundaryError, StoreBusy
from pratique.core.store import Busy, Conflict, Held, Kept, Settled
from pratique.stores import schema
from tests import django_site as site

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=30)
IN_SQL = (
    "sqlite",
    "sqlite-async",
    "sqlite3",
    "sqlalchemy-sqlite",
    "sqlalchemy-aiosqlite",
    pytest.param("sqlalchemy-psycopg", marks=pytest.mark.server),
    pytest.param("sqlalchemy-asyncpg", marks=pytest.mark.server),
    pytest.param("postgres", marks=pytest.mark.server),
    pytest.param("postgres-async", marks=pytest.mark.server),
    "django-sqlite",
    pytest.param("django-psycopg", marks=pytest.mark.server),
)
KINDS = (
    "memory",
    "memory-async",
    *IN_SQL,
    pytest.param("redis", marks=pytest.mark.server),
    pytest.param("redis-async", marks=pytest.mark.server),
)


class Face:
    """Awaits what a store's method gives, where that is a coroutine.

    One test for sync and async faces.
    """

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.thing, name)

        async def call(*args: Any, **named: Any) -> Any:
            value = method(*args, **named)
            return await value if inspect.isawaitable(value) else value

        return call


def record(
    crossing_id: str, outcome: Outcome = Outcome.PROVEN, code: str = "", boundary: str = "payments"
) -> Record:
    """Return one record."""
    return Record(crossing_id, AT, boundary, "webhook", outcome, code=code)


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    """Return a store's face, started."""
    kind, ends = request.param, []
    path = tmp_path / "store.db"
    if kind.startswith("memory"):
        made: Any = stores.memory()
    elif kind.startswith("sqlite-") or kind == "sqlite":
        made = stores.sqlite(path)
    elif kind.startswith("redis"):
        made = stores.redis(request.getfixturevalue("redis_url"))
    elif kind == "sqlite3":
        made = stores.sqlite3(lambda: sqlite3.connect(path))
    elif kind in ("sqlalchemy-sqlite", "sqlalchemy-psycopg"):
        url = f"sqlite:///{path}" if kind.endswith("sqlite") else request.getfixturevalue("pg_url")
        engine = create_engine(url)
        ends.append(engine.dispose)
        made = stores.sqlalchemy(sessionmaker(engine))
    elif kind.startswith("postgres"):
        made = stores.postgres(
            request.getfixturevalue("pg_url"),
            connection=psycopg.AsyncConnection if kind.endswith("-async") else None,
        )
    elif kind.startswith("django"):
        # The contract is asked on a loop; who calls Django from one leaves its fuse in.
        request.getfixturevalue("monkeypatch").setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        database = (
            site.sqlite(path)
            if kind.endswith("sqlite")
            else site.postgresql(request.getfixturevalue("pg_url"))
        )
        known = site.databases(default=database)
        known.__enter__()
        ends.append(lambda: known.__exit__(None, None, None))
        site.migrate(with_shop=False)
        made = site.store()
    else:
        plain = (
            f"sqlite+aiosqlite:///{path}"
            if kind.endswith("sqlite")
            else request.getfixturevalue("pg_url")
        )
        aengine = create_async_engine(plain.replace("+psycopg", "+asyncpg"))
        ends.append(aengine.dispose)
        made = stores.sqlalchemy(async_sessionmaker(aengine))
    is_async = kind.startswith("postgres-async") or kind.endswith(
        ("-async", "aiosqlite", "asyncpg")
    )
    face = Face(made.asynchronous if is_async else made.sync)
    face.transactional, face.has_session = made.transactional, made.has_session
    await face.start()
    yield face
    await face.close()
    for end in ends:
        value = end()
        if inspect.isawaitable(value):
            await value


async def test_first_use_is_admitted_once(store: Any) -> None:
    """The first caller gets None, each later one the key; another key is new."""
    assert await store.first_use((b"a",), "c1") is None
    assert await store.first_use((b"a",), "c2") == b"a"
    assert await store.first_use((b"b",), "c3") is None


async def test_first_use_writes_all_keys_or_none(store: Any) -> None:
    """Where one of two keys was used, the other stays free."""
    assert await store.first_use((b"a",), "c1") is None
    assert await store.first_use((b"b", b"a"), "c2") == b"a"
    assert await store.first_use((b"b",), "c3") is None


async def test_keys_are_compared_as_bytes(store: Any) -> None:
    """Zero bytes, invalid UTF-8 and case make different keys."""
    keys = (b"a\0b", b"a\0c", b"a", b"A", b"\xff\xfe", b"\xff\xff")
    for key in keys:
        assert await store.first_use((key,), "c") is None
    for key in keys:
        assert await store.first_use((key,), "d") == key


async def test_a_settled_hold_gives_its_result_again(store: Any) -> None:
    """Held → settle → settled(result), and its record is found."""
    held = await store.hold(b"k", lease=LEASE, crossing_id="c1")
    assert isinstance(held, Held)
    assert await store.settle(b"k", held.token, b"answer", record=record("c1"))
    assert await store.hold(b"k", lease=LEASE) == Settled(b"answer")
    assert (await store.find("c1")).outcome is Outcome.PROVEN


async def test_a_held_key_is_busy_with_the_time_left(store: Any) -> None:
    """A second caller is told how long the lease runs; another key is free."""
    assert isinstance(await store.hold(b"k", lease=LEASE), Held)
    busy = await store.hold(b"k", lease=LEASE)
    assert isinstance(busy, Busy)
    assert timedelta(0) < busy.retry_after <= LEASE
    assert isinstance(await store.hold(b"other", lease=LEASE), Held)


async def test_another_request_under_one_key_is_a_conflict(store: Any) -> None:
    """The fingerprint tells two requests apart, held and settled.

    The same one is busy, then settled.
    """
    held = await store.hold(b"k", lease=LEASE, fingerprint=b"one")
    assert isinstance(await store.hold(b"k", lease=LEASE, fingerprint=b"two"), Conflict)
    assert isinstance(await store.hold(b"k", lease=LEASE, fingerprint=b"one"), Busy)
    assert await store.settle(b"k", held.token, b"r")
    assert isinstance(await store.hold(b"k", lease=LEASE, fingerprint=b"two"), Conflict)
    assert await store.hold(b"k", lease=LEASE, fingerprint=b"one") == Settled(b"r")


async def test_a_released_key_is_free_at_once(store: Any) -> None:
    """Release ends the lease; the next token is higher; the old one is worth nothing."""
    first = await store.hold(b"k", lease=LEASE)
    assert await store.release(b"k", first.token)
    second = await store.hold(b"k", lease=LEASE)
    assert isinstance(second, Held)
    assert second.token > first.token
    assert not await store.release(b"k", first.token)
    assert isinstance(await store.hold(b"k", lease=LEASE), Busy)


async def test_an_expired_lease_is_taken_over_and_its_holder_fenced_off(store: Any) -> None:
    """After takeover the first holder's settle is refused and writes nothing.

    The second one's is final.
    """
    first = await store.hold(b"k", lease=timedelta(0), crossing_id="c1")
    second = await store.hold(b"k", lease=LEASE, crossing_id="c2")
    assert isinstance(second, Held)
    assert second.token > first.token
    assert not await store.settle(b"k", first.token, b"late", record=record("c1"))
    assert await store.find("c1") is None
    assert await store.settle(b"k", second.token, b"mine", record=record("c2"))
    assert await store.hold(b"k", lease=LEASE) == Settled(b"mine")


async def test_an_expired_hold_that_nobody_took_can_still_be_settled(store: Any) -> None:
    """Fencing is by token, never by the clock of a slow worker."""
    held = await store.hold(b"k", lease=timedelta(0))
    assert await store.settle(b"k", held.token, b"r")


async def test_settling_twice_is_refused(store: Any) -> None:
    """A settled key has no holder; release can't free it."""
    held = await store.hold(b"k", lease=LEASE)
    assert await store.settle(b"k", held.token, b"r")
    assert not await store.settle(b"k", held.token, b"other")
    assert not await store.release(b"k", held.token)
    assert await store.hold(b"k", lease=LEASE) == Settled(b"r")


async def test_a_first_use_meets_a_settled_hold(store: Any) -> None:
    """Both ways of single use share one table: what was settled by a hold is used."""
    held = await store.hold(b"k", lease=LEASE)
    assert await store.settle(b"k", held.token)
    assert await store.first_use((b"k",), "c") == b"k"


async def test_a_first_use_meets_a_held_key(store: Any) -> None:
    """A key that somebody holds is busy, not used: given back or expired, it is free for one."""
    held = await store.hold(b"k", lease=LEASE, crossing_id="holder")
    with pytest.raises(StoreBusy):
        await store.first_use((b"k",), "c")
    assert await store.release(b"k", held.token)
    assert await store.first_use((b"k",), "c") is None
    assert not await store.settle(b"k", held.token)
    assert await store.first_use((b"k",), "d") == b"k"


async def test_refusals_of_one_kind_are_one_row(store: Any) -> None:
    """A delivery replayed for ever fills no disk.

    The last crossing id is found, the earlier ones are counted.
    """
    for number in range(3):
        await store.record_refusal(record(f"c{number}", Outcome.REFUSED, "not_linked"), b"k", None)
    await store.record_refusal(record("d", Outcome.MISMATCH, "mismatch"), b"k", b"content")
    assert (await store.find("c2")).code == "not_linked"
    assert (await store.find("d")).outcome is Outcome.MISMATCH
    assert await store.find("nobody") is None


async def test_a_transaction_keeps_keys_and_record_together(store: Any) -> None:
    """Rolled back, keys and record are gone and the key is free; committed, both are there."""
    if not store.transactional:
        with pytest.raises(BoundaryError):
            await store.begin()
        return
    for end, used, found in (("rollback", None, False), ("commit", b"k", True)):
        transaction = Face(await store.begin())
        assert await transaction.first_use((b"k", b"b"), record("c")) is None
        await getattr(transaction, end)()
        assert (await store.find("c") is not None) is found
        if used is not None:
            assert await store.first_use((b"n", b"b", b"k"), "d") == b"b"
            assert await store.first_use((b"k",), "d") == used


async def test_an_answer_lies_beside_its_key(store: Any) -> None:
    """Committed, the answer is there for whoever finds the key used; rolled back, neither is."""
    if not store.transactional:
        with pytest.raises(BoundaryError):
            await store.look()
        return
    answer = Kept(b"f" * 32, b'{"ok": true}')
    for end, used in (("rollback", None), ("commit", b"k")):
        transaction = Face(await store.begin())
        assert await transaction.first_use((b"k", b"b"), record("c")) is None
        await transaction.keep(b"k", answer)
        await getattr(transaction, end)()
        again = Face(await store.begin())
        assert await again.first_use((b"k",), record("d")) == used
        if used is not None:
            assert await again.kept(b"k") == answer
            assert await again.kept(b"nothing") is None
        await again.rollback()


async def test_a_count_outlives_what_fails(store: Any) -> None:
    """Each count is one more in its window, by keys; taken back, never below zero."""
    window = timedelta(seconds=30)
    counted = [await store.count(b"a", window) for _ in range(3)]
    assert [one.times for one in counted] == [1, 2, 3]
    assert all(timedelta(0) < one.ends_in <= window for one in counted)
    assert (await store.count(b"b", window)).times == 1
    await store.uncount(b"a", 2)
    assert (await store.count(b"a", window)).times == 2
    await store.uncount(b"a", 99)
    assert (await store.count(b"a", window)).times == 1
    await store.uncount(b"never counted", 1)


async def test_a_count_begins_anew_after_its_window(store: Any) -> None:
    """A window that is over by the store's clock is followed by one of its own."""
    assert (await store.count(b"a", timedelta(milliseconds=1))).times == 1
    for _ in range(10_000):
        later = await store.count(b"a", timedelta(milliseconds=1))
        if later.times == 1:
            break
    assert later.times == 1
    assert (await store.count(b"a", timedelta(seconds=30))).ends_in <= timedelta(seconds=30)


async def test_a_settled_hold_keeps_its_record(store: Any) -> None:
    """The record of a crossing whose effect is outside a transaction lies beside its key too."""
    held = await store.hold(b"k", lease=LEASE, crossing_id="c")
    assert await store.find("c") is None
    assert await store.settle(b"k", held.token, record=record("c"))
    assert (await store.find("c")).outcome is Outcome.PROVEN


async def test_a_store_starts_again(store: Any) -> None:
    """A second start finds its tables; what was used before stays used."""
    assert await store.first_use((b"k",), "c") is None
    await store.close()
    await store.start()
    assert await store.first_use((b"k",), "d") == b"k"


def test_a_hold_on_a_locked_file_is_busy(tmp_path: Path) -> None:
    """Another writer's lock is StoreBusy after the busy timeout.

    Without it the same call is answered.
    """
    path = tmp_path / "store.db"
    store = stores.sqlite3(lambda: sqlite3.connect(path, timeout=0.05))
    store.start()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy):
        store.hold(b"k", lease=LEASE)
    other.execute("ROLLBACK")
    assert isinstance(store.hold(b"k", lease=LEASE), Held)
    store.close()
    other.close()


def test_refusals_are_counted(tmp_path: Path) -> None:
    """The row says how often and when first and last."""
    path = tmp_path / "store.db"
    store = stores.sqlite(path)
    store.start()
    for number in range(5):
        store.record_refusal(record(f"c{number}", Outcome.REFUSED, "not_linked"), b"k", None)
    store.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT times, crossing_id FROM pratique_refusal").fetchall() == [
            (5, "c4")
        ]
    db.close()


@pytest.mark.server
def test_two_workers_may_make_the_tables_at_once(pg_url: str) -> None:
    """PostgreSQL's CREATE TABLE IF NOT EXISTS fails in a race.

    8 first starts at once all succeed, one identity.
    """
    from concurrent.futures import ThreadPoolExecutor

    engine = create_engine(pg_url, pool_size=8)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            list(pool.map(lambda _: stores.sqlalchemy(sessionmaker(engine)).sync.start(), range(8)))
            with engine.begin() as connection:
                assert (
                    connection.execute(text("SELECT count(*) FROM pratique_store")).scalar_one()
                    == 1
                )
                connection.execute(text(f"DROP TABLE {', '.join(schema.TABLE_NAMES)}"))
    engine.dispose()
