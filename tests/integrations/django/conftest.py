"""Two kinds of database, migrated from zero for each test that asks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import django_site as site

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)]


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Return the settings of an empty database."""
    if request.param == "postgresql":
        return site.postgresql(request.getfixturevalue("pg_url"))
    return site.sqlite(tmp_path / "shop.db")


@pytest.fixture
def migrated(database: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Let Django have it, with every table."""
    with site.databases(default=database):
        site.migrate()
        yield database
