"""The tables as SQLAlchemy's metadata are those that the statements make, and Alembic says so."""

from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Index, Integer, create_engine, inspect
from sqlalchemy.engine import Engine
from sqlalchemy.orm import sessionmaker

from pratique import stores
from pratique.core.refusal import BoundaryError
from pratique.stores import schema
from pratique.stores.schema import Version
from tests.shop import Base


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Return an engine on an empty database."""
    made = create_engine(url)
    yield made
    made.dispose()


def differences(engine: Engine, metadata: Any) -> list[Any]:
    """Return what Alembic's autogenerate would write into a migration."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def test_alembic_finds_no_difference_from_what_the_start_makes(engine: Engine) -> None:
    """A column more, or an index, is found."""
    stores.sqlalchemy(sessionmaker(engine)).sync.start()
    assert differences(engine, stores.metadata()) == []
    other = stores.metadata()
    other.tables["pratique_key"].append_column(Column("another", Integer))
    Index("another_index", other.tables["pratique_refusal"].c.last_ms)
    assert {found[0] for found in differences(engine, other)} == {"add_column", "add_index"}


def test_tables_made_from_the_metadata_serve(engine: Engine) -> None:
    """By create_all, beside the user's own; the first start takes them as they are."""
    both = stores.metadata(Base.metadata.__class__())
    both.create_all(engine)
    face: Any = stores.sqlalchemy(sessionmaker(engine)).sync
    face.start()
    assert face.first_use((b"k",), "c") is None
    assert face.first_use((b"k",), "d") == b"k"
    assert set(inspect(engine).get_table_names()) == set(schema.TABLE_NAMES)


def test_what_can_not_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement of another form than the known ones leaves no hole in the metadata."""
    for strange in ("DROP TABLE x", "CREATE TABLE IF NOT EXISTS x (a b c)"):
        monkeypatch.setattr(
            "pratique.stores.sqlalchemy_store.metadata.VERSIONS", (Version(1, (), (strange,)),)
        )
        with pytest.raises(BoundaryError, match="can be read from"):
            stores.metadata()
