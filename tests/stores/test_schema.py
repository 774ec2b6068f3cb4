"""Tables of an earlier version are upgraded where they are; what is strange refuses the start."""

import contextlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import NullPool

from pratique import stores
from pratique.core.refusal import BoundaryError, StoreBusy
from pratique.stores import schema
from tests.stores import version_1


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Return an engine on an empty database."""
    made = create_engine(url)
    yield made
    made.dispose()


@pytest.fixture
def old(engine: Engine) -> Engine:
    """Return it with the tables of version 1, and one key that was used."""
    run(engine, *version_1.statements(engine.dialect.name))
    used = "X'6b'" if engine.dialect.name == "sqlite" else "'k'"
    run(
        engine,
        f"INSERT INTO pratique_key VALUES ({used}, 1, 0, NULL, {used}, {used}, 'c', 0, NULL)",
    )
    return engine


def run(engine: Engine, *statements: str) -> None:
    """Run statements in one transaction."""
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def store_rows(engine: Engine) -> list[Any]:
    """Return what the database says of the store."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT * FROM pratique_store"))]


def shape(engine: Engine) -> dict[str, Any]:
    """Return names of tables and indexes, and the columns' types."""
    seen = inspect(engine)
    return {
        name: (
            [(column["name"], str(column["type"])) for column in seen.get_columns(name)],
            sorted(str(index["name"]) for index in seen.get_indexes(name)),
        )
        for name in sorted(seen.get_table_names())
    }


def face(engine: Engine) -> Any:
    """Return a store's face on it."""
    return stores.sqlalchemy(sessionmaker(engine)).sync


def test_a_store_of_version_1_is_upgraded_at_the_start(old: Engine) -> None:
    """Its identity and its keys stay, its shape is that of a fresh one."""
    made = face(old)
    for _ in range(2):
        made.start()
        assert store_rows(old) == [(version_1.IDENTITY, schema.SCHEMA_VERSION)]
        assert made.first_use((b"k",), "d") == b"k"
    assert made.first_use((b"new",), "d") is None
    upgraded = shape(old)
    run(old, *(f"DROP TABLE {name}" for name in schema.TABLE_NAMES))
    face(old).start()
    assert shape(old) == upgraded


def test_tables_of_a_later_version_refuse_the_start(old: Engine) -> None:
    """An older pratique doesn't know what they hold; of its own version they serve."""
    run(old, "UPDATE pratique_store SET version = 99")
    with pytest.raises(BoundaryError, match="version 99, this pratique knows"):
        face(old).start()
    assert store_rows(old) == [(version_1.IDENTITY, 99)]
    run(old, f"UPDATE pratique_store SET version = {schema.SCHEMA_VERSION - 1}")
    face(old).start()


def test_a_store_that_lost_a_table_refuses_the_start(old: Engine) -> None:
    """Made anew, it would be empty: everything that was used would be new."""
    run(old, "ALTER TABLE pratique_key RENAME TO elsewhere")
    with pytest.raises(BoundaryError, match="lost its table pratique_key"):
        face(old).start()
    run(old, "ALTER TABLE elsewhere RENAME TO pratique_key")
    face(old).start()


@pytest.mark.server
@pytest.mark.parametrize("is_fresh", [True, False])
def test_an_owners_statements_make_and_upgrade(pg_url: str, is_fresh: bool) -> None:
    """And may be run again; a role that may do neither is told them."""
    role = "app_" + pg_url.rpartition("/")[2].partition("?")[0]
    owner = create_engine(pg_url)
    if not is_fresh:
        run(owner, *version_1.statements("postgresql"))
    run(owner, f"CREATE ROLE {role} LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    if not is_fresh:
        run(owner, f"GRANT SELECT ON pratique_store TO {role}")
    app = create_engine(owner.url.set(username=role))
    with pytest.raises(BoundaryError, match="neither make the store's tables") as refused:
        face(app).start()
    statements = stores.store_tables(role)
    assert all(statement in str(refused.value) for statement in statements)
    for _ in range(2):
        run(owner, *statements)
    made = face(app)
    made.start()
    assert made.first_use((b"k",), "c") is None
    assert store_rows(owner)[0][1] == schema.SCHEMA_VERSION
    app.dispose()
    run(owner, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    owner.dispose()


def as_of_version_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the schema be that of the first version, for as long as the patch lives."""
    monkeypatch.setattr(schema, "VERSIONS", schema.VERSIONS[:1])
    monkeypatch.setattr(schema, "SCHEMA_VERSION", 1)
    monkeypatch.setattr(schema, "TABLE_NAMES", schema.VERSIONS[0].tables)


def of_kind(kind: str, request: pytest.FixtureRequest, path: Path) -> Any:
    """Return a new store on the same database, as another process would."""
    if kind == "sqlite":
        return stores.sqlite(path).sync
    if kind == "sqlite3":
        return stores.sqlite3(lambda: sqlite3.connect(path, timeout=30))
    if kind == "postgres":
        return stores.postgres(request.getfixturevalue("pg_url"), connections=1).sync
    url = f"sqlite:///{path}" if kind.endswith("sqlite") else request.getfixturevalue("pg_url")
    connect: dict[str, Any] = {"timeout": 30} if kind.endswith("sqlite") else {}
    return face(create_engine(url, connect_args=connect, pool_size=1, max_overflow=0))


WRITERS = 32
KEYS = 8


@pytest.mark.parametrize(
    "kind",
    [
        "sqlite",
        "sqlite3",
        "sqlalchemy-sqlite",
        pytest.param("postgres", marks=pytest.mark.server),
        pytest.param("sqlalchemy-psycopg", marks=pytest.mark.server),
    ],
)
def test_an_upgrade_under_32_writers_loses_and_doubles_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    """Writers of version 1 go on while four processes of ours start on their tables.

    Each key is claimed by two of them: one is first, always.
    """
    path = tmp_path / "keys.db"
    with pytest.MonkeyPatch.context() as patch:
        as_of_version_1(patch)
        writers = [of_kind(kind, request, path) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
    upgrading = [of_kind(kind, request, path) for _ in range(4)]
    barrier = Barrier(WRITERS + len(upgrading))

    def write(number: int) -> list[bytes]:
        first = []
        barrier.wait()
        for n in range(KEYS):
            key = f"{number // 2} {n}".encode()
            if admitted(writers[number], key, f"c{number}"):
                first.append(key)
        return first

    def upgrade(number: int) -> list[bytes]:
        barrier.wait()
        upgrading[number].start()
        return []

    with ThreadPoolExecutor(WRITERS + len(upgrading)) as pool:
        running = [pool.submit(write, number) for number in range(WRITERS)]
        running += [pool.submit(upgrade, number) for number in range(len(upgrading))]
        firsts = [key for each in running for key in each.result()]
    wanted = {f"{number} {n}".encode() for number in range(WRITERS // 2) for n in range(KEYS)}
    assert len(firsts) == len(wanted)
    assert set(firsts) == wanted
    for key in wanted:
        assert upgrading[0].first_use((key,), "later") == key
    for each in (*writers, *upgrading):
        each.start()  # version 1 is upgraded once: one identity, and all agree on it
        each.close()


def admitted(writer: Any, key: bytes, crossing_id: str) -> bool:
    """Claim a key as often as it takes: whoever is busy asks the sender to retry."""
    for _ in range(1000):
        with contextlib.suppress(StoreBusy):
            return writer.first_use((key,), crossing_id) is None
    raise AssertionError(key)


def test_each_store_refuses_an_empty_database_where_it_expects_its_own(tmp_path: Path) -> None:
    """Declared, or seen before by this process; what it made itself it finds again."""
    path = tmp_path / "keys.db"
    for made in (
        lambda identity: stores.sqlite(path, identity=identity).sync,
        lambda identity: stores.sqlite3(lambda: sqlite3.connect(path), identity=identity),
        lambda identity: (
            stores.sqlalchemy(
                sessionmaker(create_engine(f"sqlite:///{path}", poolclass=NullPool)),
                identity=identity,
            ).sync
        ),
    ):
        with pytest.raises(BoundaryError, match="holds no store"):
            made("5d1f").start()
        known = made("")
        known.start()
        known.close()
        with contextlib.closing(sqlite3.connect(path)) as db:
            identity = db.execute("SELECT identity FROM pratique_store").fetchone()[0]
        again = made(identity)
        again.start()
        again.close()
        path.unlink()
        for each in (known, again):
            with pytest.raises(BoundaryError, match=f"{identity} was expected"):
                each.start()
            each.close()
        for rest in tmp_path.iterdir():
            rest.unlink()
