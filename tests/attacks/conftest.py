"""The doors under attack; and a small internet for what goes out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.door import DOORS, Door, open_door
from tests.fetch.world import World, quiet, small_internet


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """Return a guarded application of each framework, on one of the stores."""
    shop_in, app_of = DOORS[request.param]
    with shop_in(tmp_path) as shop, open_door(shop, app_of(shop)) as opened:
        yield opened


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """Give a small internet on loopback."""
    with quiet(), small_internet(monkeypatch, tmp_path) as made:
        yield made
