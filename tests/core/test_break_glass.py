"""Break-glass: one obligation of one boundary, for hours, loudly, and never who speaks."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique import Refused
from pratique.core.break_glass import VARIABLE, read_break_glass
from pratique.core.event import Outcome
from pratique.core.refusal import BoundaryError
from tests.shop import NOW, Shop, claim, plain_sqlite3
from tests.sink import Kept

END = NOW + timedelta(hours=3)
GOOD = f"payments:allowed:INC-112:{END.isoformat()}"


def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str = GOOD) -> tuple[Shop, Kept]:
    """Return a shop whose row allows nothing, with a glass broken; it has not started."""
    kept = Kept()
    monkeypatch.setenv(VARIABLE, value)
    shop = plain_sqlite3(tmp_path / "shop.db", events=kept)
    shop.execute("UPDATE subscription SET state = 'active'")
    return shop, kept


def test_an_obligation_is_not_asked_for_until_the_end_and_then_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends by itself while the process runs; each crossing under it names the incident."""
    shop, kept = broken(tmp_path, monkeypatch)
    with shop.perimeter:
        shop.perimeter.admit(shop.payments, claim())
        assert shop.row["upgrades"] == 1
        under = kept.records[-1]
        assert (under.outcome, under.incident) == (Outcome.PROVEN, "INC-112")
        assert "allowed" not in under.proofs
        shop.clock[0] = END
        with pytest.raises(Refused) as refused:
            shop.perimeter.admit(shop.payments, claim("evt_2", invoice="in_2", at=END))
        assert refused.value.code == "not_allowed"
        assert kept.records[-1].incident == ""
    assert [row["upgrades"] for row in shop.rows()] == [1, 0]


def test_everything_else_is_still_owed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forged delivery, one that is repeated and one that its source denies stay outside."""
    shop, _ = broken(tmp_path, monkeypatch)
    with shop.perimeter:
        wrongs: list[dict[str, Any]] = [
            {"secret": "whsec_of_somebody_else_1"},
            {"invoice": "in_9"},
        ]
        for wrong in wrongs:
            with pytest.raises(Refused):
                shop.perimeter.admit(shop.payments, claim(**wrong))
        shop.perimeter.admit(shop.payments, claim())
        with pytest.raises(Refused) as refused:
            shop.perimeter.admit(shop.payments, claim())
    assert refused.value.code == "replayed"
    assert shop.row["upgrades"] == 1


def test_it_is_told_at_the_start_each_hour_and_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error in the log and an event of its own, at most one an hour."""
    shop, kept = broken(tmp_path, monkeypatch)
    with shop.perimeter:
        for minutes in (0, 1, 59, 60, 61, 120, 180, 181, 600):
            shop.clock[0] = NOW + timedelta(minutes=minutes)
            forged = claim(secret="whsec_of_somebody_else_1", at=shop.clock[0])
            with pytest.raises(Refused):
                shop.perimeter.admit(shop.payments, forged)
        told = [each.detail for each in kept.records if each.outcome is Outcome.WARNED]
    assert [text.rpartition(": ")[2] for text in told] == [
        "ends in 3 h.",
        "ends in 2 h.",
        "ends in 1 h.",
        "ended, and owed again.",
    ]
    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert errors == told
    assert "incident INC-112" in told[0]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "is none"),
        ("payments:allowed:INC-1", "is none"),
        (f"payments:allowed: :{END.isoformat()}", "is none"),
        (f"payments:alowed:INC-1:{END.isoformat()}", "There is: allowed"),
        (f"payments:authentic:INC-1:{END.isoformat()}", "AUTHENTIC is never broken"),
        ("payments:allowed:INC-1:tomorrow", "no time with an offset"),
        ("payments:allowed:INC-1:2026-11-24T15:00:00", "no time with an offset"),
        ("payments:allowed:INC-1:2026-11-25T12:00:01+00:00", "at most 24 h"),
        (f"payments:allowed:{'I' * 65}:{END.isoformat()}", "64 printable"),
        (f"payments:allowed:a\nb:{END.isoformat()}", "64 printable"),
        (f"payment:allowed:INC-1:{END.isoformat()}", "There is: payments"),
        (f"payments:linked:INC-1:{END.isoformat()}", "It can go without: confirmed, allowed"),
        (f"payments:unique:INC-1:{END.isoformat()}", "It can go without: confirmed, allowed"),
    ],
)
def test_a_bad_value_refuses_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    """A typo must not pass for a broken glass, nor for none."""
    shop, _ = broken(tmp_path, monkeypatch, value)
    with pytest.raises(BoundaryError, match=said):
        shop.perimeter.start()
    monkeypatch.setenv(VARIABLE, GOOD)
    with shop.perimeter:
        assert shop.payments.glass is not None


def test_one_that_has_ended_starts_and_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that was forgotten must not keep a worker from starting again."""
    shop, kept = broken(tmp_path, monkeypatch, f"payments:allowed:INC-1:{NOW.isoformat()}")
    with shop.perimeter:
        with pytest.raises(Refused, match="legal"):
            shop.perimeter.admit(shop.payments, claim())
        assert kept.records[0].detail.endswith("ended, and owed again.")
    assert shop.row["upgrades"] == 0


def test_a_source_that_is_down_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `confirmed` the callables after it are given the event: what needs more refuses."""
    shop, _ = broken(tmp_path, monkeypatch, GOOD.replace("allowed", "confirmed"))
    shop.execute("UPDATE subscription SET state = 'pending'")
    with shop.perimeter, pytest.raises(Refused) as refused:
        shop.perimeter.admit(shop.payments, claim())
    assert refused.value.code in ("internal", "no_business_key")
    assert shop.provider.asked == []


def test_24_hours_are_the_most() -> None:
    """The twin of the value that is a second longer."""
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    value = "payments:allowed:INC-1:2026-11-25T13:00:00+01:00"
    found = read_break_glass(now, {VARIABLE: value})
    assert found is not None
    assert found.until == now + timedelta(hours=24)
    assert read_break_glass(now, {}) is None
