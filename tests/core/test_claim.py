"""Claim and Fields."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


NAMES = st.sampled_from([b"host", b"Host", b"x-a", b"X-A", b"a b", b"", b"\xe9"])
VALUES = st.one_of(st.binary(max_size=4), st.sampled_from([b"", b"x y", b"\n", b"a\r\nb", b"\0"]))


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5))
def test_octets_are_read_as_their_text_is(lines: list[tuple[bytes, bytes]]) -> None:
    """ASGI hands over octets: whatever came, it is refused as latin-1 text is, or says the same."""
    text = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in lines]
    impossible = any(sign in value for _, value in text for sign in "\r\n\0")
    no_name = any(name not in {"host", "Host", "x-a", "X-A"} for name, _ in text)
    if impossible or no_name:
        for read_lines in (lambda: Fields(text), lambda: Fields.of_octets(lines)):
            with pytest.raises(Refused) as refused:
                read_lines()
            assert refused.value.code == ("bad_field_name" if no_name else "bad_field_value")
        return
    told, read = Fields(text), Fields.of_octets(lines)
    assert (list(read), dict(read.by_name), len(read)) == (text, dict(told.by_name), len(text))
    for name in ("host", "x-a"):
        assert read.all(name) == tuple(value for key, value in text if key.lower() == name)
