"""A NumericDate is a number of seconds that a datetime holds, and nothing that only looks like one."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pratique.core.obligation import FRESH
from pratique.core.proofs.authentic.numeric_date import LAST_SECOND, is_numeric_date, seconds_of
from pratique.core.refusal import Refused


@pytest.mark.parametrize(
    "value", [True, None, "1", [1], -1, -0.5, LAST_SECOND + 1, 1e300, float("nan"), float("inf")]
)
def test_refuses_what_is_no_number_of_seconds(value: Any) -> None:
    """FRESH, "bad_date"; the text names the member and not what came."""
    assert not is_numeric_date(value)
    with pytest.raises(Refused) as refused:
        seconds_of({"exp": value}, "exp")
    assert (refused.value.obligation, refused.value.code) == (FRESH, "bad_date")
    assert refused.value.detail.startswith("exp is missing, or no number of seconds")


def test_refuses_a_member_that_is_missing() -> None:
    """Nothing is no date that never comes."""
    with pytest.raises(Refused) as refused:
        seconds_of({}, "exp")
    assert refused.value.code == "bad_date"


@pytest.mark.parametrize("value", [0, 1.5, LAST_SECOND])
def test_returns_the_seconds_of_a_moment_that_a_datetime_holds(value: float) -> None:
    """The twin: whole seconds and fractions, the first and the last."""
    assert seconds_of({"exp": value}, "exp") == value
    assert datetime.fromtimestamp(value, UTC).timestamp() == value
