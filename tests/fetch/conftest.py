"""What the tests of the fetch room share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fetch.world import World, quiet, small_internet


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """Give a small internet on loopback."""
    with quiet(), small_internet(monkeypatch, tmp_path) as made:
        yield made
