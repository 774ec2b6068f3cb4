"""The tables come by migrations, and are those of every SQL store."""

from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connections
from django.test import override_settings
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import NullPool

from pratique import stores
from pratique.core.event import Outcome, Record
from pratique.integrations.django import store
from tests import django_site as site
from tests.shop import NOW

TABLES = ("pratique_key", "pratique_refusal", "pratique_store")


def tables() -> list[Any]:
    """Return what the database says of our tables."""
    with connections["default"].cursor() as cursor:
        if connections["default"].vendor == "sqlite":
            cursor.execute(
                "SELECT name, sql FROM sqlite_master WHERE name LIKE 'pratique%' ORDER BY name"
            )
            return list(cursor.fetchall())
        cursor.execute(
            "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
            "WHERE table_name LIKE 'pratique%' ORDER BY 1, 2"
        )
        columns = list(cursor.fetchall())
        cursor.execute(
            "SELECT indexdef, '' FROM pg_indexes WHERE tablename LIKE 'pratique%' ORDER BY 1"
        )
        return columns + list(cursor.fetchall())


def by_sqlalchemy(request: pytest.FixtureRequest, database: dict[str, Any]) -> Any:
    """Return a started store of SQLAlchemy's on the same database."""
    is_file = database["ENGINE"].endswith("sqlite3")
    url = f"sqlite:///{database['NAME']}" if is_file else request.getfixturevalue("pg_url")
    face = stores.sqlalchemy(sessionmaker(create_engine(url, poolclass=NullPool))).sync
    assert face is not None
    face.start()
    return face


def test_makemigrations_finds_nothing(migrated: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models and the migration agree, and Django's checks; a model that changed is found."""
    call_command("check", "pratique", fail_level="WARNING", databases=["default"])
    call_command("makemigrations", "pratique", check=True, dry_run=True, verbosity=0)
    meta = apps.get_model("pratique", "Key")._meta
    monkeypatch.setitem(meta.original_attrs, "db_table", "another")
    with pytest.raises(SystemExit):
        call_command("makemigrations", "pratique", check=True, dry_run=True, verbosity=0)


def test_migrates_from_nothing_and_back(database: dict[str, Any]) -> None:
    """And again: what was dropped is new."""
    made = store()
    with site.databases(default=database):
        for _ in range(2):
            site.migrate(with_shop=False)
            made.start()
            assert made.first_use((b"k",), "c") is None
            call_command("migrate", "pratique", "zero", verbosity=0)
            assert tables() == []


def test_a_process_of_sqlalchemy_has_the_same_tables(
    request: pytest.FixtureRequest, database: dict[str, Any]
) -> None:
    """Whoever comes first makes them, and what one has used is used for the other."""
    with site.databases(default=database):
        other = by_sqlalchemy(request, database)
        made_there = tables()
        assert other.first_use((b"there",), "c") is None
        site.migrate(with_shop=False)
        assert tables() == made_there
        made = store()
        made.start()
        assert made.first_use((b"there",), "d") == b"there"
        assert made.first_use((b"here",), "d") is None
        assert other.first_use((b"here",), "c") == b"here"
        call_command("migrate", "pratique", "zero", verbosity=0)
        site.migrate(with_shop=False)
        assert tables() == made_there


@pytest.mark.usefixtures("own_apps")
def test_tables_made_from_the_models_alone_serve_too(database: dict[str, Any]) -> None:
    """`pytest --nomigrations` and MIGRATION_MODULES make them so."""
    record = Record("c", NOW, "payments", "webhook", Outcome.MISMATCH, code="not_allowed")
    with (
        site.databases(default=database),
        override_settings(MIGRATION_MODULES={"pratique": None, "shop": None}),
    ):
        call_command("migrate", run_syncdb=True, verbosity=0, interactive=False)
        made = store()
        made.start()
        for _ in range(2):
            made.record_refusal(record, b"k", b"{}")
        assert made.find("c") == record
        assert made.first_use((b"k",), "c") is None
        assert made.first_use((b"k",), "d") == b"k"
