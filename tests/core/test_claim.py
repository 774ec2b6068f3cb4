"""Claim and Fields."""

from datetime import datetime

import pytest

from pratique import Claim, Fields, Refused
from tests.shop import NOW


def test_a_field_that_came_twice_is_refused_and_once_is_read() -> None:
    """CWE-436: two lines of one name."""
    with pytest.raises(Refused) as refused:
        Fields([("A", "1"), ("a", "2")]).one("A")
    assert refused.value.code == "duplicate_field"
    assert Fields([("A", "1")]).one("a") == "1"
    assert Fields([("A", "1"), ("a", "2")]).all("A") == ("1", "2")
    assert Fields().one("a") is None


@pytest.mark.parametrize(("name", "value"), [("", "x"), ("a b", "x"), ("a", "x\r\ny"), ("a", "\0")])
def test_an_impossible_field_is_refused(name: str, value: str) -> None:
    """RFC 9110 section 5."""
    with pytest.raises(Refused):
        Fields([(name, value)])
    assert len(Fields([("a", "x y")])) == 1


def test_a_claim_owes_a_time_zone_and_shows_no_value() -> None:
    """Its repr is names and sizes."""
    with pytest.raises(ValueError, match="time zone"):
        Claim(b"", Fields(), datetime(2026, 1, 1))  # noqa: DTZ001
    shown = repr(Claim(b"secret-body", Fields([("Auth", "secret-token")]), NOW))
    assert "secret-body" not in shown
    assert "secret-token" not in shown
