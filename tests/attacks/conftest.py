"""The door under attack, on two stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.door import SHOPS, Door, open_door


@pytest.fixture(params=SHOPS)
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """Return a guarded application on one of the stores."""
    with open_door(SHOPS[request.param](tmp_path)) as opened:
        yield opened
