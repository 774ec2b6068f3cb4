"""What the tests of decision points share."""

from datetime import UTC, datetime

import pytest

from pratique.core.claim import Claim, Fields
from pratique.core.crossing import Crossing
from pratique.fetch import PUBLIC, Fetch, FetchPolicy


@pytest.fixture
def crossing() -> Crossing:
    """Give the crossing of a claim that says nothing."""
    boundary = Fetch("any", FetchPolicy(hosts=PUBLIC))
    return Crossing(boundary, Claim(b"", Fields(), datetime(2026, 11, 26, tzinfo=UTC)))
