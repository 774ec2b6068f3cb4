"""A store refuses to start where effect and single use could part, or be forgotten.

Each refusal has a twin.
"""

import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.orm import Session, sessionmaker

from pratique import stores
from pratique.core.refusal import BoundaryError
from tests.shop import Base, Subscription


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
    """Return by name.

    A session factory that is refused, its twin that is admitted, a word of the refusal.
    """
    engine, other = create_engine(url), create_engine(url)
    table = Subscription.__table__
    return {
        "autocommit": (
            sessionmaker(create_engine(url, isolation_level="AUTOCOMMIT")),
            sessionmaker(create_engine(url, isolation_level="SERIALIZABLE")),
            "commits each statement",
        ),
        "binds": (
            sessionmaker(engine, binds={table: other, Base: engine}),
            sessionmaker(engine),
            "several databases",
        ),
        "own get_bind": (
            sessionmaker(engine, class_=Routed),
            sessionmaker(engine, class_=Session),
            "several databases",
        ),
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
    """A level below FULL is refused at start, FULL starts."""
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
    """sqlite3's autocommit=False (Python 3.12) is refused.

    The legacy default and isolation_level=None start.
    """
    path = tmp_path / "shop.db"
    if sys.version_info >= (3, 12):
        bad = stores.sqlite3(lambda: sqlite3.connect(path, autocommit=False))
    else:
        bad = stores.sqlite3(lambda: sqlite3.connect(path, factory=AlwaysInside))
    with pytest.raises(BoundaryError, match="autocommit=False"):
        bad.start()
    for good in (
        lambda: sqlite3.connect(path),
        lambda: sqlite3.connect(path, isolation_level=None),
    ):
        store = stores.sqlite3(good)
        store.start()
        store.close()
