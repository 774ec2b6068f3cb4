"""Where a store could answer wrongly without an error: forks, threads, cancellations, foreign commits."""

import asyncio
import gc
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.pool import NullPool

from pratique import stores
from pratique.core.event import Outcome, Record
from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.store import Held

LEASE = timedelta(seconds=30)
RECORD = Record("c", datetime.now(UTC), "payments", "webhook", Outcome.PROVEN)


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)


class Plan(Base):
    __tablename__ = "plan"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]


def own(path: Path) -> Any:
    """Return a started store on the user's own sqlite3 file."""
    store = stores.sqlite3(lambda: sqlite3.connect(path, timeout=0.2))
    store.start()
    return store


def by_orm(url: str) -> Any:
    """Return a started store on a sync engine."""
    face = stores.sqlalchemy(sessionmaker(create_engine(url, poolclass=NullPool))).sync
    assert face is not None
    face.start()
    return face


def open_files() -> int:
    """Return how many files this process has open, where the system says so."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_a_key_given_twice_is_one_key(tmp_path: Path) -> None:
    """Event key and business key may be equal bytes: new is new, and used is used."""
    for store in (own(tmp_path / "a.db"), by_orm(f"sqlite:///{tmp_path}/b.db")):
        assert store.first_use((b"a", b"a"), "c") is None
        assert store.first_use((b"a", b"a"), "d") == b"a"
        with pytest.raises(StoreError, match="no key"):
            store.first_use((), "e")
        store.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_what_was_released_can_not_be_settled(tmp_path: Path, kind: str) -> None:
    """Release revokes the token: an effect that ends after its deadline writes nothing. Its twin is in time."""
    store: Any = stores.memory() if kind == "memory" else stores.sqlite(tmp_path / "keys.db")
    store.start()
    late = store.hold(b"late", lease=LEASE)
    assert store.release(b"late", late.token)
    assert not store.settle(b"late", late.token)
    held = store.hold(b"k", lease=LEASE)
    assert store.settle(b"k", held.token)
    store.close()


def test_a_key_that_was_given_back_leaves_nothing_in_memory() -> None:
    """CWE-770: what is taken and released keeps no mark, and no token of it is given again.

    The twin settles: a key that is used is a row, and stays.
    """
    store = stores.memory()
    given = []
    for number in range(300):
        held = store.hold(b"%d" % (number % 100), lease=LEASE)
        assert isinstance(held, Held)
        assert store.release(b"%d" % (number % 100), held.token)
        given.append((number % 100, held.token))
    assert len(set(given)) == 300
    assert sum(len(value) for value in vars(store).values() if isinstance(value, dict)) == 0
    last = store.hold(b"0", lease=LEASE)
    assert isinstance(last, Held)
    assert not any(store.settle(b"0", token) for _, token in given)
    assert store.settle(b"0", last.token)
    assert list(store.settled) == [b"0"]


def test_a_transaction_in_memory_keeps_its_keys() -> None:
    """Committed is used; rolled back is free."""
    store = stores.memory()
    for end, used in (("rollback", None), ("commit", b"k")):
        transaction = store.begin()
        assert transaction.first_use((b"k",), RECORD) is None
        getattr(transaction, end)()
        if used is not None:
            assert store.first_use((b"k",), "d") == used


def test_a_connection_that_a_handler_closed_is_replaced(tmp_path: Path) -> None:
    """Its transaction is refused, rollback doesn't raise, and the next crossing of the thread has a new one."""
    store = own(tmp_path / "a.db")
    transaction = store.begin()
    assert transaction.first_use((b"k",), RECORD) is None
    transaction.session.close()
    with pytest.raises(BoundaryError):
        transaction.commit()
    transaction.rollback()
    assert store.first_use((b"k",), "c") is None
    store.close()


def test_a_thread_takes_its_connection_with_it(tmp_path: Path) -> None:
    """A server with a thread a request doesn't run out of files."""
    store = own(tmp_path / "a.db")
    before = open_files()
    for number in range(40):
        thread = Thread(target=store.first_use, args=((b"%d" % number,), "c"))
        thread.start()
        thread.join()
    gc.collect()
    after = open_files()
    assert after - before < 5
    assert store.first_use((b"39",), "d") == b"39"
    store.close()


async def test_a_call_cancelled_before_its_turn_never_lands(tmp_path: Path) -> None:
    """Nothing lands after a deadline: the key stays free. Its twin, not cancelled, is used."""
    store = stores.sqlite(tmp_path / "keys.db")
    await store.asynchronous.start()
    with closing(sqlite3.connect(tmp_path / "keys.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        blocked = asyncio.create_task(store.asynchronous.find("x"))
        await asyncio.sleep(0.05)
        given_up = asyncio.create_task(store.asynchronous.first_use((b"a",), "c"))
        waiting = asyncio.create_task(store.asynchronous.first_use((b"b",), "c"))
        await asyncio.sleep(0)
        given_up.cancel()
        other.execute("ROLLBACK")
        await blocked
        await waiting
    assert await store.asynchronous.first_use((b"a",), "d") is None
    assert await store.asynchronous.first_use((b"b",), "d") == b"b"
    await store.asynchronous.close()


def test_memory_is_no_file() -> None:
    """stores.sqlite(":memory:") would forget without a word; stores.memory() says so."""
    with pytest.raises(BoundaryError, match=r"stores\.memory"):
        stores.sqlite(":memory:").start()
    stores.memory().start()


@pytest.mark.parametrize("commits", [True, False])
def test_a_commit_beneath_sqlalchemy_is_noticed(url: str, commits: bool) -> None:
    """A handler that commits on the driver's own connection is reported; one that reads it isn't."""
    transaction = by_orm(url).begin()
    assert transaction.first_use((b"k",), RECORD) is None
    driver = transaction.session.connection().connection.dbapi_connection
    if commits:
        driver.commit()
        with pytest.raises(BoundaryError):
            transaction.commit()
        transaction.rollback()
    else:
        transaction.commit()


@pytest.mark.server
def test_a_lock_on_another_table_does_not_count(pg_url: str) -> None:
    """`link` locked the account and read the plan: the plan is locked by us, before `allow` judges it."""
    store = by_orm(pg_url)
    engine = create_engine(
        pg_url, poolclass=NullPool, connect_args={"options": "-c lock_timeout=50"}
    )
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add_all([Account(id=1), Plan(id=1, state="pending")])
    transaction = store.begin()
    assert transaction.first_use((b"k",), RECORD) is None
    transaction.session.get(Account, 1, with_for_update=True)
    transaction.lock(transaction.session.get(Plan, 1))
    change = text("UPDATE plan SET state = 'cancelled'")
    with pytest.raises(Exception, match="lock timeout"), engine.begin() as other:
        other.execute(change)
    transaction.rollback()
    with engine.begin() as other:
        other.execute(change)


@pytest.mark.server
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that is the point
def test_a_forked_child_does_not_read_its_parents_answers(pg_url: str) -> None:
    """Parent and child use the store at once after a fork: every new key is new, in both."""
    store = by_orm(pg_url)
    assert store.first_use((b"warm",), "c") is None
    child = os.fork()
    name = b"child" if child == 0 else b"parent"
    new = [False]
    try:
        new = [store.first_use((name + b"%d" % number,), "c") is None for number in range(30)]
    finally:
        if child == 0:
            os._exit(0 if all(new) else 1)
    assert all(new)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.server
def test_tables_that_are_there_need_no_right_to_make_them(pg_url: str) -> None:
    """A role without CREATE starts on tables made by a migration; without tables it is told the SQL."""
    admin = create_engine(pg_url, poolclass=NullPool)
    with admin.begin() as connection:
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM public"))
        connection.execute(text("DROP ROLE IF EXISTS app"))
        connection.execute(text("CREATE ROLE app LOGIN"))
        connection.execute(text("GRANT USAGE ON SCHEMA public TO app"))
    app_url = pg_url.replace("//postgres:@", "//app:@").replace("//postgres@", "//app@")
    assert app_url != pg_url
    with pytest.raises(BoundaryError, match="CREATE TABLE"):
        by_orm(app_url)
    by_orm(pg_url)
    with admin.begin() as connection:
        connection.execute(text("GRANT ALL ON ALL TABLES IN SCHEMA public TO app"))
    by_orm(app_url)
    with admin.begin() as connection:
        connection.execute(text("DROP OWNED BY app"))
        connection.execute(text("DROP ROLE app"))
