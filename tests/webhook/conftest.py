"""The small internet in which a customer has a receiver."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fetch.world import World, small_internet
from tests.webhook.customers import (
    GOOD,
    OTHER,
)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """Give a small internet in which a.test is a customer's receiver."""
    with small_internet(monkeypatch, tmp_path) as made:
        made.names.update({"a.test": [GOOD], "b.test": [OTHER]})
        yield made
