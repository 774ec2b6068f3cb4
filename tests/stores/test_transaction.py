"""Effect and single use are one commit: who tries to part them is refused, at start or when it happens."""

import asyncio
import os
import resource
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, select, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from pratique import Perimeter, Refused, stores
from pratique.core.refusal import BoundaryError, StoreError
from tests import shop as shops
from tests.shop import NOW, Base, Shop, Subscription, boundary, claim

ROOT = Path(__file__).parents[2]


def orm(url: str, act: Callable[[Any], Any], *, link_lock: bool = True, maker: Any = None) -> Shop:
    """Return a shop on a sync engine whose handler changes the row and then does *act* with its session."""
    made = maker or sessionmaker(create_engine(url))
    Base.metadata.create_all(made.kw["bind"])
    with made.begin() as session:
        session.add(Subscription(id=1, customer="cus_1"))
    perimeter = Perimeter(store=stores.sqlalchemy(made), clock=lambda: NOW)
    payments, provider = perimeter.declare(boundary()), shops._provider()

    def link(invoice: Any, db: Session) -> Any:
        query = select(Subscription).where(Subscription.customer == invoice.customer)
        return db.scalar(query.with_for_update() if link_lock else query)

    @payments.on(
        "invoice.paid",
        confirm=shops.confirmation(provider, is_async=False),
        once=lambda i: i.id,
        link=link,
        allow=shops.may_activate,
    )
    def activate(paid: Any, db: Session) -> None:
        paid.linked.state = "active"
        paid.linked.upgrades += 1
        act(db)

    rows, execute = lambda: shops._orm_rows(made), lambda sql: shops._orm_execute(made, sql)
    return Shop(perimeter, payments, provider, rows, execute, [NOW])


def plain(path: Path, act: Callable[[Any], Any]) -> Shop:
    """Return the same on sqlite3."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE subscription (id INTEGER PRIMARY KEY, customer TEXT, state TEXT, upgrades INT, amount INT)")
        db.execute("INSERT INTO subscription VALUES (1, 'cus_1', 'pending', 0, 0)")
    db.close()

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=0.2)
        connection.row_factory = sqlite3.Row
        return connection

    perimeter = Perimeter(store=stores.sqlite3(connect), clock=lambda: NOW, deadline=None)
    payments, provider = perimeter.declare(boundary()), shops._provider()

    @payments.on(
        "invoice.paid",
        confirm=shops.confirmation(provider, is_async=False),
        once=lambda i: i.id,
        link=lambda invoice, db: db.execute("SELECT * FROM subscription WHERE customer = ?", (invoice.customer,)).fetchone(),
        allow=shops.may_activate,
    )
    def activate(paid: Any, db: sqlite3.Connection) -> None:
        db.execute("UPDATE subscription SET state = 'active', upgrades = upgrades + 1 WHERE id = ?", (paid.linked["id"],))
        act(db)

    def rows() -> list[dict[str, Any]]:
        db = connect()
        found = [dict(row) for row in db.execute("SELECT * FROM subscription")]
        db.close()
        return found

    def execute(sql: str) -> None:
        db = connect()
        with db:
            db.execute(sql)
        db.close()

    return Shop(perimeter, payments, provider, rows, execute, [NOW])


def nested(db: Session) -> None:
    """Change something inside a savepoint."""
    with db.begin_nested():
        db.execute(text("UPDATE subscription SET amount = 7 WHERE id = 1"))


def nested_and_undone(db: Session) -> None:
    """Undo a savepoint."""
    point = db.begin_nested()
    db.execute(text("UPDATE subscription SET amount = 7 WHERE id = 1"))
    point.rollback()


def swallowed(db: Session) -> None:
    """Commit, and hide what it raised."""
    try:
        db.commit()
    except BoundaryError:
        return


def anew(db: Session) -> None:
    """Leave our transaction, and commit the effect in another one."""
    db.rollback()
    db.execute(text("UPDATE subscription SET upgrades = 7 WHERE id = 1"))
    db.commit()


ORM_ENDS = {
    "session.commit": lambda db: db.commit(),
    "session.rollback": lambda db: db.rollback(),
    "session.close": lambda db: db.close(),
    "connection.commit": lambda db: db.connection().commit(),
    "raw COMMIT": lambda db: db.execute(text("COMMIT")),
    "raw commit after a comment": lambda db: db.execute(text("/* now */ commit")),
    "driver's COMMIT": lambda db: db.connection().exec_driver_sql("COMMIT"),
    "driver's ROLLBACK": lambda db: db.connection().exec_driver_sql("ROLLBACK"),
    "swallowed": swallowed,
    "begun anew": anew,
}
ORM_STAYS = {
    "nothing": lambda _: None,
    "begin_nested": nested,
    "begin_nested rolled back": nested_and_undone,
    "flush": lambda db: db.flush(),
    "the word in a value": lambda db: db.execute(text("UPDATE subscription SET customer = 'x; commit' WHERE id = 1")),
}
PLAIN_ENDS = {
    "connection.commit": lambda db: db.commit(),
    "connection.rollback": lambda db: db.rollback(),
    "with connection": lambda db: db.__exit__(None, None, None),
    "raw COMMIT": lambda db: db.execute("COMMIT"),
    "raw END": lambda db: db.execute("END"),
    "executescript": lambda db: db.executescript("UPDATE subscription SET amount = 7"),
}


def savepoint(db: sqlite3.Connection) -> None:
    """Use a savepoint."""
    db.execute("SAVEPOINT mine")
    db.execute("UPDATE subscription SET amount = 7")
    db.execute("ROLLBACK TO mine")
    db.execute("RELEASE mine")


URLS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)]


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("pg_url"))
    return f"sqlite:///{tmp_path}/shop.db"


@pytest.mark.parametrize("end", ORM_ENDS)
def test_a_handler_that_ends_the_transaction_has_no_effect(url: str, end: str) -> None:
    """It is refused before it happens; nothing was written, neither the effect nor the key."""
    shop = orm(url, ORM_ENDS[end])
    with shop.perimeter as perimeter:
        for _ in range(2):
            with pytest.raises(BoundaryError, match="transaction"):
                perimeter.admit(shop.payments, claim())
            assert (shop.row["state"], shop.row["upgrades"]) == ("pending", 0)


@pytest.mark.parametrize("stay", ORM_STAYS)
def test_a_handler_that_leaves_the_commit_to_us_has_one_effect(url: str, stay: str) -> None:
    """The twin: savepoints and flushes are fine, and the second delivery is a duplicate."""
    shop = orm(url, ORM_STAYS[stay])
    with shop.perimeter as perimeter:
        perimeter.admit(shop.payments, claim())
        with pytest.raises(Refused) as refused:
            perimeter.admit(shop.payments, claim())
    assert refused.value.code == "replayed"
    assert (shop.row["state"], shop.row["upgrades"]) == ("active", 1)


@pytest.mark.parametrize("end", PLAIN_ENDS)
def test_sqlite_itself_denies_a_handler_the_end_of_the_transaction(tmp_path: Path, end: str) -> None:
    """COMMIT, ROLLBACK and executescript are denied by SQLite's authorizer."""
    shop = plain(tmp_path / "shop.db", PLAIN_ENDS[end])
    with shop.perimeter as perimeter:
        for _ in range(2):
            with pytest.raises((sqlite3.DatabaseError, BoundaryError)):
                perimeter.admit(shop.payments, claim())
            assert (shop.row["state"], shop.row["upgrades"]) == ("pending", 0)


@pytest.mark.parametrize("stay", [savepoint, lambda _: None])
def test_a_savepoint_on_sqlite3_is_admitted(tmp_path: Path, stay: Callable[[Any], None]) -> None:
    """The twin: savepoints stay allowed."""
    shop = plain(tmp_path / "shop.db", stay)
    with shop.perimeter as perimeter:
        perimeter.admit(shop.payments, claim())
    assert (shop.row["state"], shop.row["upgrades"], shop.row["amount"]) == ("active", 1, 0)


@pytest.mark.server
async def test_an_async_handler_that_commits_has_no_effect(pg_url: str) -> None:
    """`await session.commit()` on asyncpg is refused like the sync one; without it the same handler has its effect."""
    engine = create_async_engine(pg_url.replace("+psycopg", "+asyncpg"))
    plain_maker = sessionmaker(create_engine(pg_url))
    Base.metadata.create_all(plain_maker.kw["bind"])
    with plain_maker.begin() as session:
        session.add(Subscription(id=1, customer="cus_1"))
    for commits in (True, False):
        perimeter = Perimeter(store=stores.sqlalchemy(async_sessionmaker(engine)), clock=lambda: NOW)
        payments, provider = perimeter.declare(boundary()), shops._provider()

        async def link(invoice: Any, db: Any) -> Any:
            return await db.scalar(select(Subscription).where(Subscription.customer == invoice.customer))

        async def activate(paid: Any, db: Any, *, commits: bool = commits) -> None:
            paid.linked.upgrades += 1
            if commits:
                await db.commit()

        payments.on(
            "invoice.paid",
            confirm=shops.confirmation(provider, is_async=True),
            once=lambda i: i.id,
            link=link,
            allow=shops.may_activate,
        )(activate)
        async with perimeter:
            if commits:
                with pytest.raises(BoundaryError):
                    await perimeter.aadmit(payments, claim())
            else:
                await perimeter.aadmit(payments, claim())
        assert shops._orm_rows(plain_maker)[0]["upgrades"] == (0 if commits else 1)
    await engine.dispose()
    plain_maker.kw["bind"].dispose()


def full(engine: Engine) -> Engine:
    """Set synchronous=FULL, which is SQLite's own default, on each connection."""
    return with_level(engine, "FULL")


def with_level(engine: Engine, level: str) -> Engine:
    """Set PRAGMA synchronous on each connection."""

    @event.listens_for(engine, "connect")
    def _(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA synchronous = {level}")

    return engine


class Routed(Session):
    def get_bind(self, *_: Any, **__: Any) -> Any:
        return self.bind


def refused_makers(url: str) -> dict[str, tuple[Any, Any, str]]:
    """Return by name: a session factory that is refused, its twin that is admitted, a word of the refusal."""
    engine, other = create_engine(url), create_engine(url)
    table = Subscription.__table__
    return {
        "autocommit": (
            sessionmaker(create_engine(url, isolation_level="AUTOCOMMIT")),
            sessionmaker(create_engine(url, isolation_level="SERIALIZABLE")),
            "commits each statement",
        ),
        "binds": (sessionmaker(engine, binds={table: other, Base: engine}), sessionmaker(engine), "several databases"),
        "own get_bind": (sessionmaker(engine, class_=Routed), sessionmaker(engine, class_=Session), "several databases"),
        "no session": (engine.connect, sessionmaker(engine), "takes a sessionmaker"),
    }


@pytest.mark.parametrize("name", ["autocommit", "binds", "own get_bind", "no session"])
def test_refuses_to_start_where_one_transaction_can_not_hold_both(url: str, name: str) -> None:
    """Refused at start with the reason; the twin starts, and the probe left nothing."""
    bad, good, word = refused_makers(url)[name]
    with pytest.raises(BoundaryError, match=word):
        stores.sqlalchemy(bad).sync.start()
    stores.sqlalchemy(good).sync.start()
    with good() as session:
        assert session.execute(text("SELECT count(*) FROM pratique_key")).scalar_one() == 0


@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
def test_refuses_an_engine_that_forgets_what_it_acknowledged(tmp_path: Path, level: str) -> None:
    """synchronous below FULL is refused at start, FULL starts."""
    url = f"sqlite:///{tmp_path}/shop.db"
    with pytest.raises(BoundaryError, match="synchronous"):
        stores.sqlalchemy(sessionmaker(with_level(create_engine(url), level))).sync.start()
    stores.sqlalchemy(sessionmaker(full(create_engine(url)))).sync.start()


@pytest.mark.server
def test_refuses_a_role_whose_commits_are_not_durable(pg_url: str) -> None:
    """synchronous_commit=off is refused at start, on starts."""
    off = create_engine(pg_url, connect_args={"options": "-c synchronous_commit=off"})
    with pytest.raises(BoundaryError, match="synchronous_commit"):
        stores.sqlalchemy(sessionmaker(off)).sync.start()
    stores.sqlalchemy(sessionmaker(create_engine(pg_url))).sync.start()


class AlwaysInside(sqlite3.Connection):
    autocommit = False


def test_refuses_a_connection_that_is_always_inside_a_transaction(tmp_path: Path) -> None:
    """sqlite3's autocommit=False (Python 3.12) is refused; the legacy default and isolation_level=None start."""
    path = tmp_path / "shop.db"
    if sys.version_info >= (3, 12):
        bad = stores.sqlite3(lambda: sqlite3.connect(path, autocommit=False))
    else:
        bad = stores.sqlite3(lambda: sqlite3.connect(path, factory=AlwaysInside))
    with pytest.raises(BoundaryError, match="autocommit=False"):
        bad.start()
    for good in (lambda: sqlite3.connect(path), lambda: sqlite3.connect(path, isolation_level=None)):
        store = stores.sqlite3(good)
        store.start()
        store.close()


def test_a_row_cancelled_between_confirm_and_effect_is_not_activated(url: str) -> None:
    """The source is asked before the transaction; `allow` judges the row inside it. Its twin isn't cancelled."""
    for cancelled, code, state in ((True, "not_allowed", "cancelled"), (False, None, "active")):
        shop = orm(url, lambda _: None) if cancelled else shop
        if cancelled:
            confirmed = shop.provider.invoice

            def invoice(invoice_id: str) -> Any:
                shop.execute("UPDATE subscription SET state = 'cancelled' WHERE id = 1")
                return confirmed(invoice_id)

            shop.provider.invoice = invoice
        else:
            shop.provider.invoice = confirmed
            shop.execute("UPDATE subscription SET state = 'pending' WHERE id = 1")
        with shop.perimeter as perimeter:
            if code is not None:
                with pytest.raises(Refused) as refused:
                    perimeter.admit(shop.payments, claim("evt_a"))
                assert refused.value.obligation.value == "allowed"
            else:
                perimeter.admit(shop.payments, claim("evt_b"))
        assert shop.row["state"] == state


@pytest.mark.server
@pytest.mark.parametrize("link_lock", [True, False])
def test_a_linked_row_is_locked_until_the_commit(pg_url: str, link_lock: bool) -> None:
    """On PostgreSQL nobody else changes the row between `allow` and commit, also where `link` forgot FOR UPDATE."""
    import psycopg

    tried: list[str] = []

    def cancel(_: Session) -> None:
        other = create_engine(pg_url, connect_args={"options": "-c lock_timeout=100"})
        try:
            with other.begin() as connection:
                connection.execute(text("UPDATE subscription SET state = 'cancelled' WHERE id = 1"))
            tried.append("changed")
        except Exception as error:
            tried.append(type(getattr(error, "orig", error)).__name__)
        other.dispose()

    shop = orm(pg_url, cancel, link_lock=link_lock)
    with shop.perimeter as perimeter:
        perimeter.admit(shop.payments, claim())
    assert tried == [psycopg.errors.LockNotAvailable.__name__]
    assert shop.row["state"] == "active"
    shop.execute("UPDATE subscription SET state = 'cancelled' WHERE id = 1")
    assert shop.row["state"] == "cancelled"


@pytest.mark.server
def test_a_row_cancelled_after_link_read_it_is_judged_as_it_is_now(pg_url: str) -> None:
    """A `link` without FOR UPDATE read "pending"; cancelled before our lock, `allow` sees "cancelled"."""
    shop = orm(pg_url, lambda _: None, link_lock=False)

    def cancel(target: Session) -> None:
        if any(isinstance(thing, Subscription) for thing in target.identity_map.values()):
            shop.execute("UPDATE subscription SET state = 'cancelled' WHERE id = 1")

    from pratique.stores import sqlalchemy_transaction

    lock = sqlalchemy_transaction.SqlTransaction.lock

    def late(self: Any, linked: object) -> None:
        cancel(self.session)
        lock(self, linked)

    with pytest.MonkeyPatch.context() as patch, shop.perimeter as perimeter:
        patch.setattr(sqlalchemy_transaction.SqlTransaction, "lock", late)
        with pytest.raises(Refused) as refused:
            perimeter.admit(shop.payments, claim())
    assert refused.value.obligation.value == "allowed"
    assert shop.row["state"] == "cancelled"


FORK = """
    import os, sys
    from pathlib import Path
    from pratique import Refused, stores
    from tests import shop as shops
    kind, folder = sys.argv[1], Path(sys.argv[2])
    if kind == "sqlite":
        shop = shops.held(stores.sqlite(folder / "keys.db"))
    elif kind == "sqlite3":
        shop = shops.plain_sqlite3(folder / "shop.db")
    else:
        shop = shops.sync_orm(sys.argv[3])
    effects = os.open(folder / "effects", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    shop.perimeter.start()
    def deliver(event):
        try:
            shop.perimeter.admit(shop.payments, shops.claim(event, invoice="in_" + event[-1]))
            os.write(effects, event.encode() + b"\\n")
        except Refused as refused:
            os.write(effects, refused.code.encode() + b"\\n")
    child = os.fork()
    if child == 0:
        if kind == "orm":
            import gc
            from sqlalchemy.engine import Engine
            for thing in gc.get_objects():
                if isinstance(thing, Engine):
                    thing.dispose(close=False)
    deliver("evt_1")
    deliver("evt_2" if child == 0 else "evt_1")
    if child == 0:
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    deliver("evt_2")
    shop.perimeter.close()
    sys.exit(status)
"""


def in_a_process(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, args)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("kind", ["sqlite", "sqlite3", "orm"])
def test_a_fork_after_the_start_still_gives_one_effect(tmp_path: Path, kind: str) -> None:
    """gunicorn --preload: parent and child deliver the same events; each has one effect, nobody waits for ever."""
    done = in_a_process(FORK, kind, tmp_path, f"sqlite:///{tmp_path}/orm.db")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "effects").read_text().split()
    assert lines.count("evt_1") == 1, lines
    assert lines.count("evt_2") == 1, lines


@pytest.mark.parametrize("kind", ["sqlite3", "sqlalchemy", "sqlite"])
def test_a_locked_file_asks_the_sender_to_retry(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer has the file: 503 busy, nothing written; when it lets go the same delivery has its effect."""
    monkeypatch.setattr("pratique.stores.sqlite_store.BUSY_MS", 100)
    if kind == "sqlite3":
        shop = plain(tmp_path / "shop.db", lambda _: None)
    elif kind == "sqlalchemy":
        engine = create_engine(f"sqlite:///{tmp_path}/shop.db", connect_args={"timeout": 0.1})
        shop = orm("", lambda _: None, maker=sessionmaker(engine))
    else:
        shop = shops.held(stores.sqlite(tmp_path / "shop.db"))
    with shop.perimeter as perimeter:
        other = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Refused) as refused:
            perimeter.admit(shop.payments, claim())
        other.execute("ROLLBACK")
        other.close()
        assert (refused.value.status, refused.value.code) == (503, "busy")
        assert refused.value.retry_after is not None
        assert shop.row["upgrades"] == 0
        perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


def test_a_closed_store_refuses(tmp_path: Path) -> None:
    """After close every call is a StoreError at once, never a wait; started again it answers."""
    store = stores.sqlite(tmp_path / "keys.db")
    store.start()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.first_use((b"k",), "c")
    store.start()
    assert store.first_use((b"k",), "c") is None
    store.close()


def test_nobody_waits_for_a_store_that_closes(tmp_path: Path) -> None:
    """Callers that race with close are answered or refused, all of them."""
    from concurrent.futures import ThreadPoolExecutor

    store = stores.sqlite(tmp_path / "keys.db")
    for turn in range(20):
        store.start()
        with ThreadPoolExecutor(16) as pool:

            def use(number: int, turn: int = turn) -> bool:
                try:
                    return store.first_use((f"{turn}-{number}".encode(),), "c") is None
                except StoreError:
                    return False

            answers = [pool.submit(use, number) for number in range(64)]
            store.close()
            for answer in answers:
                answer.result(timeout=10)


@pytest.mark.parametrize("kind", ["sqlite", "sqlite3", "sqlalchemy"])
def test_a_database_that_can_not_be_written_is_refused_at_start(tmp_path: Path, kind: str) -> None:
    """Opened read-only: StoreError at start; opened for writing it starts."""
    path = tmp_path / "shop.db"
    sqlite3.connect(path).close()

    def store(mode: str) -> Any:
        uri = f"file:{path}?mode={mode}"
        if kind == "sqlite":
            return stores.sqlite(path, connect=lambda _: _open(uri))
        if kind == "sqlite3":
            return stores.sqlite3(lambda: _open(uri))
        return stores.sqlalchemy(sessionmaker(create_engine("sqlite://", creator=lambda: _open(uri, "")))).sync

    with pytest.raises(StoreError):
        store("ro").start()
    good = store("rwc")
    good.start()
    good.close()


def _open(uri: str, isolation_level: Any = None) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=isolation_level)


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    from pratique import stores
    from pratique.core.refusal import StoreError
    store = stores.sqlite(Path(sys.argv[1]) / "keys.db")
    store.start()
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    done, refused = [], 0
    for number in range(3000):
        if number == 100:
            size = (Path(sys.argv[1]) / "keys.db-wal").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20000, old[1]))
        key = b"%08d" % number + bytes(200)
        try:
            store.first_use((key,), "c")
            done.append(key)
        except StoreError:
            refused += 1
            if refused == 3:
                break
    resource.setrlimit(resource.RLIMIT_FSIZE, old)
    lost = sum(store.first_use((key,), "c") is None for key in done)
    again = store.first_use((b"after",), "c")
    store.close()
    print(len(done) > 100, refused, lost, again)
"""


def test_a_full_disk_refuses_and_forgets_nothing(tmp_path: Path) -> None:
    """Writes that don't fit are StoreError; what was acknowledged stays; with room again the store goes on."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
    done = in_a_process(FULL_DISK, tmp_path)
    assert done.stdout.split() == ["True", "3", "0", "None"], done.stdout + done.stderr


def test_a_database_that_is_gone_is_a_store_error() -> None:
    """No server behind the URL: StoreError, sync and async, never the driver's own exception."""
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    with pytest.raises(StoreError):
        stores.sqlalchemy(sessionmaker(create_engine(url))).sync.start()
    astore = stores.sqlalchemy(async_sessionmaker(create_async_engine(url.replace("+psycopg", "+asyncpg"))))
    with pytest.raises(StoreError):
        asyncio.run(astore.asynchronous.start())


@pytest.fixture(autouse=True)
def _no_open_engines() -> Iterator[None]:
    yield
    import gc

    for thing in gc.get_objects():
        if type(thing) is Engine:
            thing.dispose()
