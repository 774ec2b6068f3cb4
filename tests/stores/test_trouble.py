"""A store in trouble: forked, locked, closed, read-only, full, gone.

It refuses, and forgets nothing.
"""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from pratique import Refused, stores
from pratique.core.refusal import BoundaryError, StoreError
from tests import shop as shops
from tests.shop import claim
from tests.shop_with import orm, plain

ROOT = Path(__file__).parents[2]


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
    elif kind == "redis":
        shop = shops.held(stores.redis(sys.argv[3]))
    elif kind == "postgres":
        from tests import shop_postgres
        shop = shop_postgres.sync(sys.argv[3])
    else:
        shop = shops.sync_orm(sys.argv[3])
    effects = os.open(folder / "effects", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    shop.perimeter.start()
    shop.perimeter.find("nobody")  # it has a connection by now
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


@pytest.mark.parametrize(
    "kind",
    [
        "sqlite",
        "sqlite3",
        "orm",
        pytest.param("redis", marks=pytest.mark.server),
        pytest.param("postgres", marks=pytest.mark.server),
    ],
)
def test_a_fork_after_the_start_still_gives_one_effect(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """Under gunicorn --preload each event has one effect, and nobody waits for ever."""
    url = f"sqlite:///{tmp_path}/orm.db"
    if kind in ("redis", "postgres"):
        url = str(request.getfixturevalue("redis_url" if kind == "redis" else "pg_url"))
    done = in_a_process(FORK, kind, tmp_path, url)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "effects").read_text().split()
    assert lines.count("evt_1") == 1, lines
    assert lines.count("evt_2") == 1, lines


@pytest.mark.parametrize("kind", ["sqlite3", "sqlalchemy", "sqlite"])
def test_a_locked_file_asks_the_sender_to_retry(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer has the file: 503 busy, nothing written.

    When it lets go the same delivery has its effect.
    """
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
        return stores.sqlalchemy(
            sessionmaker(create_engine("sqlite://", creator=lambda: _open(uri, "")))
        ).sync

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
    lost = sum(store.first_use((key,), "d") is None for key in done)
    again = store.first_use((b"after",), "c")
    store.close()
    print(len(done) > 100, refused, lost, again)
"""


def test_a_full_disk_refuses_and_forgets_nothing(tmp_path: Path) -> None:
    """Writes that don't fit are StoreError; what was acknowledged stays.

    With room again the store goes on.
    """
    done = in_a_process(FULL_DISK, tmp_path)
    assert done.stdout.split() == ["True", "3", "0", "None"], done.stdout + done.stderr


def test_a_database_that_is_gone_is_a_store_error() -> None:
    """No server behind the URL: StoreError, sync and async, never the driver's own exception."""
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    with pytest.raises(StoreError):
        stores.sqlalchemy(sessionmaker(create_engine(url))).sync.start()
    astore = stores.sqlalchemy(
        async_sessionmaker(create_async_engine(url.replace("+psycopg", "+asyncpg")))
    )
    with pytest.raises(StoreError):
        asyncio.run(astore.asynchronous.start())


def _lose(db: Any) -> None:
    db.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def _lose_in_a_flush(db: Any) -> None:
    pid = db.scalar(text("SELECT pg_backend_pid()"))
    other = create_engine(db.get_bind().url)
    with other.begin() as killing:
        killing.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    other.dispose()
    db.get_one(shops.Subscription, 1).upgrades += 1
    db.flush()


def _lose_quietly(db: Any) -> None:
    with contextlib.suppress(OperationalError):
        _lose(db)
    db.rollback()
    db.execute(text("UPDATE subscription SET upgrades = upgrades + 1"))


@pytest.mark.parametrize(
    ("lose", "says"),
    [
        (_lose, OperationalError),
        (_lose_in_a_flush, OperationalError),
        (_lose_quietly, BoundaryError),
    ],
)
def test_a_database_lost_under_a_handler_undoes_all_and_is_named(
    pg_url: str, lose: Callable[[Any], None], says: type[Exception]
) -> None:
    """What the driver says comes out, not that of a rollback which failed beside it.

    Whoever swallows it and goes on has lost the transaction, as after any rollback. The twin is the
    next delivery: no connection is missing, and it has one effect.
    """
    losing = [lose]
    maker = sessionmaker(create_engine(pg_url, pool_size=1, max_overflow=0, pool_timeout=1))
    shop = orm(pg_url, lambda db: losing.pop()(db) if losing else None, maker=maker)
    with shop.perimeter:
        with pytest.raises(says):
            shop.perimeter.admit(shop.payments, claim("evt_1"))
        assert shop.rows()[0]["upgrades"] == 0
        shop.perimeter.admit(shop.payments, claim("evt_1"))
        assert shop.rows()[0]["upgrades"] == 1
    maker.kw["bind"].dispose()
