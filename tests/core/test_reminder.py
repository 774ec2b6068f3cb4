"""What ends by itself is told two weeks before, once a day."""

from datetime import timedelta
from pathlib import Path

import pytest

from pratique import Refused, unsafe
from pratique.core.event import Outcome
from tests.shop import NOW, Shop, claim, plain_sqlite3
from tests.sink import Kept


def observing(tmp_path: Path, *, days: int) -> tuple[Shop, Kept]:
    """Return a shop that observes for so many days."""
    kept = Kept()
    shop = plain_sqlite3(tmp_path / "shop.db", events=kept)
    until = NOW.date() + timedelta(days=days)
    shop.payments.observe = unsafe.observe(until=until, reason="old system", owner="payments team")
    return shop, kept


def said(kept: Kept) -> list[str]:
    """Return the end of each warning."""
    told = [each for each in kept.records if each.outcome is Outcome.WARNED]
    assert {(each.boundary, each.code) for each in told} <= {("payments", "observe_ends")}
    return [each.detail.rpartition(": ")[2] for each in told]


def test_the_end_of_observing_is_told_from_14_days_before_it_once_a_day(tmp_path: Path) -> None:
    """Every process tells it, however many requests come; and once when it has ended."""
    shop, kept = observing(tmp_path, days=15)
    with shop.perimeter:
        for hours in (0, 6, 12, 13, 20, 35, 36, 37, 24 * 15, 24 * 16):
            shop.clock[0] = NOW + timedelta(hours=hours)
            forged = claim(secret="whsec_of_somebody_else_1", at=shop.clock[0])
            with pytest.raises(Refused):
                shop.perimeter.admit(shop.payments, forged)
    assert said(kept) == ["ends in 14 d.", "ends in 13 d.", "ended, and owed again."]


def test_an_end_that_is_far_is_no_warning(tmp_path: Path) -> None:
    """The command line lists what the perimeter says; the twin ends next week."""
    far, _ = observing(tmp_path, days=80)
    assert far.perimeter.warnings() == []
    far.payments.observe = unsafe.observe(
        until=NOW.date() + timedelta(days=7), reason="old system", owner="payments team"
    )
    (warning,) = far.perimeter.warnings()
    assert warning == (
        'Boundary "payments" only observes until 2026-12-01, for payments team: ends in 6 d.'
    )
