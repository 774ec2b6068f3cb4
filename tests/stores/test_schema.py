"""Tables of an earlier version are upgraded where they are; what is strange refuses the start."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import sessionmaker

from pratique import stores
from pratique.core.refusal import BoundaryError
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
    made.start()
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
