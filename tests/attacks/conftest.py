"""The door under attack, on two stores; and a small internet for what goes out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.door import SHOPS, Door, open_door
from tests.fetch.world import World, quiet, small_internet


@pytest.fixture(params=SHOPS)
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """Return a guarded application on one of the stores."""
    with open_door(SHOPS[request.param](tmp_path)) as opened:
        yield opened


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """Give a small internet on loopback."""
    with quiet(), small_internet(monkeypatch, tmp_path) as made:
        yield made
