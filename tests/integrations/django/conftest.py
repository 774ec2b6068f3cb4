"""Two kinds of database, migrated from zero."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections
from django.test.utils import override_settings

from tests import django_site as site

if TYPE_CHECKING:
    from tests.integrations.django.market.site import Market

site.configure()  # before a test module imports a model

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)]
TABLES = "pratique_key, pratique_refusal, pratique_store, shop_note, subscription"


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Return the settings of an empty database."""
    if request.param == "postgresql":
        return site.postgresql(request.getfixturevalue("pg_url"))
    return site.sqlite(tmp_path / "shop.db")


@pytest.fixture(scope="session")
def pg_migrated(pg_server: str) -> Iterator[dict[str, Any]]:
    """Return the settings of one PostgreSQL database with every table, for a whole run."""
    import psycopg

    name = f"django_{os.getpid()}"
    with psycopg.connect(pg_server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    settings = {**site.postgresql(pg_server), "NAME": name}
    with site.databases(default=settings):
        site.migrate()
    yield settings
    with psycopg.connect(pg_server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=KINDS)
def migrated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Let Django have a database with every table, and no row."""
    if request.param == "postgresql":
        settings = request.getfixturevalue("pg_migrated")
        with site.databases(default=settings):
            with connections["default"].cursor() as cursor:
                cursor.execute(f"TRUNCATE {TABLES}")
            yield settings
        return
    settings = site.sqlite(tmp_path / "shop.db")
    with site.databases(default=settings):
        site.migrate()
        yield settings


@pytest.fixture
def market(tmp_path: Path) -> Iterator["Market"]:
    """Give the market on a database of its own."""
    from tests.integrations.django.market.site import Market, opened

    with opened(tmp_path):
        made = Market()
        yield made
        made.perimeter.close()


@pytest.fixture
def own_apps() -> Iterator[None]:
    """Install nothing but the store and its shop, for commands that look at every app."""
    with override_settings(INSTALLED_APPS=site.OWN_APPS):
        yield
