"""What a peer asks for in Retry-After: seconds or a date, once, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.claim import Fields
from pratique.core.retry_after import retry_after

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def asked(*said: str) -> timedelta | None:
    """Return the pause that those lines ask for at noon."""
    return retry_after(Fields([("Retry-After", one) for one in said]), at=NOON)


@pytest.mark.parametrize(
    ("said", "pause"),
    [
        ("0", timedelta(0)),
        ("120", timedelta(minutes=2)),
        ("0000000000120", timedelta(minutes=2)),
        ("9" * 500, timedelta(seconds=9_999_999_999)),
        ("Tue, 24 Nov 2026 12:10:00 GMT", timedelta(minutes=10)),
        ("Tuesday, 24-Nov-26 12:10:00 GMT", timedelta(minutes=10)),
        ("Tue Nov 24 12:10:00 2026", timedelta(minutes=10)),
        ("Tue, 24 Nov 2026 11:50:00 GMT", timedelta(0)),
    ],
)
def test_seconds_and_the_three_dates_are_read(said: str, pause: timedelta) -> None:
    """RFC 9110 §5.6.7 has three forms of a date; one that is over asks for no pause."""
    assert asked(said) == pause


@pytest.mark.parametrize(
    "said",
    [(), ("",), ("-5",), ("1.5",), ("soon",), ("１２",), ("60", "60"), ("Tue, 99 Nov 2026",)],
)
def test_what_is_neither_asks_for_nothing(said: tuple[str, ...]) -> None:
    """No field, several, another script's digits, no date: as if nothing was said. 60 is read."""
    assert asked(*said) is None
    assert asked("60") == timedelta(minutes=1)


@given(st.text(st.characters(exclude_characters="\r\n\0"), max_size=60))
def test_any_text_is_a_pause_or_none(text: str) -> None:
    """Hostile text raises nothing, and never asks for a pause before now."""
    pause = asked(text)
    assert pause is None or pause >= timedelta(0)
