"""What can't matter any more goes; what could stays, in every store."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import NullPool

from pratique import stores
from pratique.core.event import Outcome
from pratique.core.key import ATTEMPTS, IDEMPOTENCY, PROOFS, REVOKED, TOKENS, prefixed
from pratique.core.refusal import BoundaryError
from pratique.core.store import Held, Stale, Swept
from pratique.stores import memory_store
from pratique.webhook.key import business_key, business_prefix, event_key, event_prefix
from tests.stores.test_contract import Face, record
from tests.stores.test_contract import store as each_store

__all__ = ["each_store"]
NONE, HOUR = timedelta(0), timedelta(hours=1)
PAST = datetime(2020, 1, 1, tzinfo=UTC)
A_DAY = 24 * 3600 * 1000
USED, MINE = prefixed(PROOFS), prefixed(b"elsewhere")
# What a provider sends is the provider's to name, and stays for good.
WEBHOOKS = (
    event_key(event_prefix("attempts", "jti"), "dpop", b"idempotency"),
    business_key(business_prefix("revoked", "attempts", "jti"), "idempotency"),
    business_key(prefixed(b"once", b"idempotency"), "attempts"),
)


async def test_counters_and_revocations_go_at_their_end(each_store: Any) -> None:
    """A window that is over and a revocation that nothing needs go; those that run stay, and so does another kind's."""
    for kind in (USED, MINE):
        await each_store.count(kind + b"over", NONE)
        await each_store.count(kind + b"runs", HOUR)
        await each_store.revoke(kind + b"past", until=PAST, kept=NONE)
        await each_store.revoke(kind + b"kept", until=PAST, kept=HOUR)
    assert await each_store.sweep(Stale(USED), after=b"", most=100) == Swept(2, b"")
    assert (await each_store.count(USED + b"over", HOUR)).times == 1
    assert (await each_store.count(USED + b"runs", HOUR)).times == 2
    names = [kind + name for kind in (USED, MINE) for name in (b"past", b"kept")]
    assert set(await each_store.revoked(names)) == {USED + b"kept", MINE + b"past", MINE + b"kept"}


async def test_what_was_used_goes_by_its_age(each_store: Any) -> None:
    """Used longer ago than it is kept: gone, and free again; used since, or of another kind: refused as before."""
    for key in (USED + b"a", MINE + b"a"):
        assert await each_store.first_use((key,), "c1") is None
    await each_store.sweep(Stale(USED, HOUR), after=b"", most=100)
    assert await each_store.first_use((USED + b"a",), "c2") == USED + b"a"
    assert await each_store.sweep(Stale(USED, NONE), after=b"", most=100) == Swept(1, b"")
    assert await each_store.first_use((USED + b"a",), "c3") is None
    assert await each_store.first_use((MINE + b"a",), "c4") == MINE + b"a"


async def test_a_hold_is_none_of_what_ages(each_store: Any) -> None:
    """Its token is never given twice, also after its lease: a sweep of used keys leaves it alone."""
    first = await each_store.hold(USED + b"a", lease=NONE, crossing_id="c1")
    await each_store.sweep(Stale(USED, NONE), after=b"", most=100)
    second = await each_store.hold(USED + b"a", lease=HOUR, crossing_id="c2")
    assert isinstance(first, Held)
    assert isinstance(second, Held)
    assert second.token > first.token


async def test_a_record_stays_with_its_key(each_store: Any) -> None:
    """The last key of a crossing bears its record and outlives the others: `find` finds it afterwards."""
    if not each_store.transactional or each_store.thing.__class__.__name__ in (
        "MemoryStore",
        "_OnLoop",
    ):
        return  # there a record lies beside no key, or there is no transaction
    transaction = Face(await each_store.begin())
    crossing = record("c1")
    keys = (USED + b"first", USED + b"last")
    await transaction.first_use(keys, crossing)
    await transaction.commit()
    assert (await each_store.sweep(Stale(USED, NONE), after=b"", most=100)).deleted == 1
    assert await each_store.first_use(keys[1:], "c2") == keys[1]
    assert await each_store.find("c1") == crossing


async def test_a_slice_is_bounded(each_store: Any) -> None:
    """Seven keys in slices of three: three looks, and none is passed over."""
    keys = [USED + bytes([n]) for n in range(7)]
    for key in keys[::2]:
        await each_store.first_use((key,), "c")
    for key in keys[1::2]:
        await each_store.count(key, HOUR)
    last, deleted, looks = b"", 0, 0
    while True:
        done = await each_store.sweep(Stale(USED, NONE), after=last, most=3)
        deleted, last, looks = deleted + done.deleted, done.last, looks + 1
        if not last:
            break
    assert deleted == 4
    assert looks in (1, 3)  # memory does it at once
    assert (await each_store.count(keys[1], HOUR)).times == 2


def filled(store: Any) -> None:
    """Use a key of each kind, and three that stay for good."""
    store.count(prefixed(ATTEMPTS, b"a"), timedelta(minutes=15))
    store.revoke(prefixed(REVOKED, b"a"), until=PAST, kept=HOUR)
    for kind in (PROOFS, TOKENS, IDEMPOTENCY):
        store.first_use((prefixed(kind) + b"a",), "c")
    for key in WEBHOOKS:
        store.first_use((key,), "c")


AGED = "UPDATE pratique_key SET at_ms = at_ms - {ms}, expires_ms = expires_ms - {ms}"


@pytest.mark.parametrize("kind", ["sqlite", "sqlite3", "sqlalchemy"])
def test_what_is_over_goes_and_webhooks_stay(kind: str, tmp_path: Path) -> None:
    """Young: nothing goes. After 2 hours all but the answer, after 8 days that too; a thousand days on, what webhooks settled is settled."""
    path = tmp_path / "kept.db"
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    store = {
        "sqlite": lambda: stores.sqlite(path),
        "sqlite3": lambda: stores.sqlite3(lambda: sqlite3.connect(path)),
        "sqlalchemy": lambda: stores.sqlalchemy(sessionmaker(engine)),
    }[kind]()
    store.sync.start()
    filled(store.sync)
    gone = []
    for hours in (0, 2, 8 * 24, 1000 * 24):
        with sqlite3.connect(path) as db:
            db.execute(AGED.format(ms=hours * 3600 * 1000))
        db.close()
        gone.append(stores.sweep(store))
    assert gone == [0, 4, 1, 0]
    assert [store.sync.first_use((key,), "d") for key in WEBHOOKS] == [*WEBHOOKS]
    store.sync.close()


@pytest.mark.server
@pytest.mark.parametrize("is_async", [False, True])
async def test_postgresql_sweeps_alike(pg_url: str, is_async: bool) -> None:
    """The same on PostgreSQL, by psycopg and by asyncpg."""
    engine = create_engine(pg_url, poolclass=NullPool)
    store = stores.sqlalchemy(sessionmaker(engine))
    assert store.sync is not None
    store.sync.start()
    filled(store.sync)
    swept = store
    if is_async:
        aengine = create_async_engine(pg_url.replace("+psycopg", "+asyncpg"), poolclass=NullPool)
        swept = stores.sqlalchemy(async_sessionmaker(aengine))
        assert swept.asynchronous is not None
        await swept.asynchronous.start()
    gone = []
    for days in (0, 2, 8):
        with engine.begin() as db:
            db.execute(text(AGED.format(ms=days * A_DAY)))
        gone.append(await stores.asweep(swept) if is_async else stores.sweep(swept))
    assert gone == [0, 4, 1]
    assert [store.sync.first_use((key,), "d") for key in WEBHOOKS] == [*WEBHOOKS]


def test_memory_is_swept_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock is the process's own."""
    now = [1000.0]
    monkeypatch.setattr(memory_store, "monotonic", lambda: now[0])
    store = stores.memory()
    filled(store)
    gone = []
    for hours in (0, 2, 8 * 24, 1000 * 24):
        now[0] += hours * 3600
        gone.append(stores.sweep(store))
    assert gone == [0, 4, 1, 0]
    assert [store.first_use((key,), "d") for key in WEBHOOKS] == [*WEBHOOKS]


async def test_the_face_that_a_store_has_is_used(tmp_path: Path) -> None:
    """Without a face on the loop a thread does it; without a sync one, `sweep` says what to call."""
    store = stores.sqlite3(lambda: sqlite3.connect(tmp_path / "kept.db"))
    store.start()
    assert await stores.asweep(store) == 0
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=NullPool)
    with pytest.raises(BoundaryError, match="asweep"):
        stores.sweep(stores.sqlalchemy(async_sessionmaker(engine)))
    with pytest.raises(BoundaryError, match="a day at least"):
        stores.sweep(store, answers=timedelta(hours=23))


async def forgotten(store: Any, kept: timedelta) -> int:
    """Forget contents, two at a time, and return how many went."""
    gone, last = 0, b""
    while True:
        done = await store.forget_contents(kept=kept, after=last, most=2)
        gone, last = gone + done.deleted, done.last
        if not last:
            return gone


async def test_contents_of_dead_letters_go_by_their_age(each_store: Any) -> None:
    """The content goes, a slice at a time; that they came, and why, stays. Younger ones stay whole."""
    for number in range(3):
        told = record(f"c{number}", Outcome.MISMATCH, "mismatch")
        await each_store.record_refusal(told, f"k{number}".encode(), b"{}")
    await each_store.record_refusal(record("none", Outcome.REFUSED, "not_linked"), b"k", None)
    assert await forgotten(each_store, timedelta(days=36500)) == 0
    assert await forgotten(each_store, NONE) == 3
    assert await forgotten(each_store, NONE) == 0
    for crossing in ("c0", "none"):
        assert (await each_store.find(crossing)).crossing_id == crossing


def test_a_sweep_forgets_contents_by_a_keep_time_of_a_day_and_more(tmp_path: Path) -> None:
    """The record of the tests is a day old and more."""
    store = stores.sqlite(tmp_path / "keys.db")
    store.start()
    store.record_refusal(record("c", Outcome.MISMATCH, "mismatch"), b"k", b"{}")
    with pytest.raises(BoundaryError, match="contents"):
        stores.sweep(store, contents=HOUR)
    assert stores.sweep(store, contents=timedelta(days=36500)) == 0
    assert stores.sweep(store, contents=timedelta(days=1)) == 1
    assert stores.sweep(store, contents=timedelta(days=1)) == 0
    store.close()


def test_a_url_names_a_store(tmp_path: Path) -> None:
    """A file of ours, PostgreSQL, Redis; of any other the text, which may hold a password, isn't told."""
    kinds = {
        f"sqlite:///{tmp_path}/keys.db": "SqliteStore",
        "postgresql://u:hunter2@127.0.0.1:1/d": "PostgresStore",
        "postgresql+psycopg://u:hunter2@127.0.0.1:1/d": "PostgresStore",
        "redis://127.0.0.1:1": "RedisStore",
    }
    for url, kind in kinds.items():
        assert type(stores.from_url(url)).__name__ == kind
    for url in (
        "",
        "sqlite://",
        "sqlite:///",
        "keys.db",
        "mysql://u:hunter2@h/d",
        "postgresql:hunter2",
    ):
        with pytest.raises(BoundaryError, match="from_url") as refused:
            stores.from_url(url)
        assert "hunter2" not in str(refused.value)
