"""FRESH: age and lead, each bounded; each refusal with the second that is admitted."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pratique.core.obligation import FRESH
from pratique.core.proofs import require_fresh
from pratique.core.refusal import Refused

AT = datetime(2026, 11, 24, tzinfo=UTC)
TOLERANCE = timedelta(seconds=300)


@pytest.mark.parametrize(("age", "code"), [(301, "stale"), (-301, "from_the_future")])
def test_refuses_a_time_outside_the_tolerance(age: int, code: str) -> None:
    """CWE-294: one second nearer is admitted."""
    with pytest.raises(Refused) as refused:
        require_fresh(AT - timedelta(seconds=age), at=AT, tolerance=TOLERANCE)
    assert (refused.value.obligation, refused.value.code) == (FRESH, code)
    nearer = age - 1 if age > 0 else age + 1
    require_fresh(AT - timedelta(seconds=nearer), at=AT, tolerance=TOLERANCE)


def test_the_same_instant_in_another_zone_is_the_same_instant() -> None:
    """A zone is a way of writing."""
    require_fresh(AT.astimezone(timezone(timedelta(hours=9))), at=AT, tolerance=TOLERANCE)


def test_a_time_without_a_zone_is_never_guessed() -> None:
    """Read as local time it could be hours off; the twin says which zone."""
    with pytest.raises(TypeError):
        require_fresh(AT.replace(tzinfo=None), at=AT, tolerance=TOLERANCE)
    require_fresh(AT, at=AT, tolerance=TOLERANCE)
