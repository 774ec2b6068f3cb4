"""SQLite over a fork: the locks of a file are a process's, and no child may take them for its own."""

import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import sessionmaker

from pratique import stores
from pratique.core.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


ENGINES: list[Engine] = []


def by_orm(path: Path) -> Store:
    """A user's engine on a file, in WAL."""
    engine = create_engine(f"sqlite:///{path}")
    ENGINES.append(engine)

    @event.listens_for(engine, "connect")
    def wal(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    return stores.sqlalchemy(sessionmaker(engine))


def by_sqlite3(path: Path) -> Store:
    """A user's own connections, in WAL."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        return connection

    return stores.sqlite3(connect)


KINDS: list[Callable[[Path], Store]] = [stores.sqlite, by_sqlite3, by_orm]


def keys_of(path: Path) -> int:
    """Count the keys that are in the file, as a process that comes later does."""
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM pratique_key").fetchone()[0])
    finally:
        connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_parent_that_closes_takes_no_key_of_its_child(
    kind: Callable[[Path], Store], tmp_path: Path
) -> None:
    """Its last connection deletes the WAL, unless the child's own locks say that it is in use."""
    path = tmp_path / "keys.db"
    store = kind(path)
    store.sync.start()
    assert store.sync.first_use((b"parent",), "c") is None
    (reads, closed), (hears, opened) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20)
        code = 1
        try:
            new = [store.sync.first_use((b"child 1",), "c") is None]
            os.write(opened, b"1")
            os.read(reads, 1)
            new.append(store.sync.first_use((b"child 2",), "c") is None)
            code = 0 if all(new) else 1
        finally:
            os._exit(code)
    os.read(hears, 1)
    store.sync.close()
    while ENGINES:
        ENGINES.pop().dispose()  # a user's own end
    os.write(closed, b"1")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert keys_of(path) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_parent_goes_on_after_a_fork(kind: Callable[[Path], Store], tmp_path: Path) -> None:
    """The twin: it opens its file again, and knows what it did."""
    store = kind(tmp_path / "keys.db")
    store.sync.start()
    assert store.sync.first_use((b"k",), "c") is None
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert store.sync.first_use((b"k2",), "c") is None
    assert keys_of(tmp_path / "keys.db") == 2
    store.sync.close()


def test_a_fork_refuses_nobody_who_writes_meanwhile(tmp_path: Path) -> None:
    """What waits for the disk is finished before the fork, what comes meanwhile after it."""
    store = stores.sqlite(tmp_path / "keys.db")
    store.start()
    written, enough = [], Event()

    def write() -> None:
        while not enough.is_set() or not written:
            assert store.first_use((b"%d" % len(written),), "c") is None
            written.append(1)

    thread = Thread(target=write)
    thread.start()
    for _ in range(5):
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            code = 1
            try:
                code = 0 if store.first_use((os.urandom(8),), "c") is None else 1
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    enough.set()
    thread.join()
    store.close()
    assert keys_of(tmp_path / "keys.db") == len(written) + 5
