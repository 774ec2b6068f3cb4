"""A waiver and an observed boundary: whole, ended, and bounded in time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pratique import Obligation, unsafe
from pratique.core.refusal import BoundaryError

TODAY = date(2026, 11, 24)
GOOD: dict[str, Any] = {
    "reason": "the provider has no API yet",
    "owner": "payments@shop.example",
    "until": TODAY + timedelta(days=30),
    "bound": "at most 100 EUR a day",
}


@pytest.mark.parametrize(
    ("wrong", "debt"),
    [
        ({"reason": " "}, "empty reason"),
        ({"owner": ""}, "empty owner"),
        ({"bound": ""}, "empty bound"),
        ({"until": TODAY}, "ended on 2026-11-24"),
        ({"until": TODAY - timedelta(days=1)}, "ended on 2026-11-23"),
    ],
)
def test_a_waiver_that_is_not_whole_is_a_debt(wrong: dict[str, Any], debt: str) -> None:
    """Reason, owner, end and bound; the twin has them all."""
    (found,) = unsafe.waive(Obligation.CONFIRMED, **{**GOOD, **wrong}).debts(TODAY)
    assert debt in found
    assert unsafe.waive(Obligation.CONFIRMED, **GOOD).debts(TODAY) == []


def test_a_waiver_ends_with_the_first_second_of_its_day() -> None:
    """UTC; from then on the obligation is owed again while the program runs."""
    waiver = unsafe.waive(Obligation.FRESH, **GOOD)
    end = datetime(2026, 12, 24, tzinfo=UTC)
    assert waiver.holds(end - timedelta(microseconds=1))
    assert not waiver.holds(end)


@pytest.mark.parametrize(("days", "count"), [(90, 0), (91, 1), (0, 1)])
def test_observing_ends_within_ninety_days(days: int, count: int) -> None:
    """An observed boundary enforces nothing: it can't be for ever."""
    until = TODAY + timedelta(days=days)
    observed = unsafe.observe(until=until, reason="taken over from v1", owner="api@shop.example")
    assert len(observed.debts(TODAY)) == count


@pytest.mark.parametrize("moment", [datetime(2026, 12, 24, tzinfo=UTC), "2026-12-24", None])
def test_an_end_that_is_no_day_is_refused_where_it_is_declared(moment: Any) -> None:
    """A moment, or a text: the twin is the day."""
    with pytest.raises(BoundaryError, match="is no day"):
        unsafe.observe(until=moment, reason="taken over from v1", owner="api@shop.example")
    with pytest.raises(BoundaryError, match="is no day"):
        unsafe.waive(Obligation.FRESH, **{**GOOD, "until": moment})
    assert unsafe.waive(Obligation.FRESH, **GOOD).debts(TODAY) == []


def test_vouching_needs_a_reason() -> None:
    """The twin carries no proof, and says so."""
    with pytest.raises(BoundaryError, match="reason"):
        unsafe.vouch(1, reason=" ")
    assert unsafe.vouch(1, reason="backfill, OPS-112").proofs == ()
