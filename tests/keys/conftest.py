"""What the tests of the keys room share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fetch.world import World, quiet, small_internet
from tests.keys.issuer import ADDRESS


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """Give a small internet on loopback with one issuer."""
    with quiet(), small_internet(monkeypatch, tmp_path) as made:
        made.names["issuer.test"] = [ADDRESS]
        made.names["keys.test"] = [ADDRESS]
        yield made
