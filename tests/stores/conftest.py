"""An empty database for each test, and engines that don't outlive it."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

URLS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)]


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("pg_url"))
    return f"sqlite:///{tmp_path}/shop.db"


@pytest.fixture(autouse=True)
def _no_open_engines() -> Iterator[None]:
    yield
    for thing in gc.get_objects():
        if type(thing) is Engine:
            thing.dispose()
