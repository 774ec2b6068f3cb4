"""Single-use keys: no two different tuples are one, and an event's is never a business object's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.refusal import Refused
from pratique.webhook.key import business_key, business_prefix, event_key, event_prefix

TEXT = st.text(max_size=8)
FOUR = st.tuples(TEXT, TEXT, TEXT, TEXT)


def of_event(parts: tuple[str, str, str, str]) -> bytes:
    """Return the key of (scheme, scope, account, id)."""
    scheme, scope, account, event_id = parts
    return event_key(event_prefix(scheme, scope), account, event_id.encode())


@given(one=FOUR, other=FOUR)
def test_two_events_have_one_key_only_if_every_part_is_equal(
    one: tuple[str, str, str, str], other: tuple[str, str, str, str]
) -> None:
    """Length prefixes: `a|bc` is never `ab|c`."""
    assert (of_event(one) == of_event(other)) == (one == other)


@given(
    parts=FOUR,
    scheme=TEXT,
    scope=TEXT,
    effect=TEXT,
    value=st.one_of(st.text(min_size=1, max_size=8), st.integers(), st.binary(min_size=1)),
)
def test_an_event_s_key_is_never_a_business_key(
    parts: tuple[str, str, str, str], scheme: str, scope: str, effect: str, value: object
) -> None:
    """Each kind has its own tag."""
    assert of_event(parts) != business_key(business_prefix(scheme, scope, effect), value)


def test_one_as_text_and_one_as_number_are_two_objects() -> None:
    """The type is part of a business key; its twin, the same value, is the same key."""
    prefix = business_prefix("stripe", "", "paid")
    assert len({business_key(prefix, value) for value in (1, "1", b"1", ("1", "1"))}) == 4
    assert business_key(prefix, "in_1") == business_key(prefix, "in_1")


@pytest.mark.parametrize("value", ["", b"", (), ("", ""), None, 1.5, True, "x" * 513, ["in_1"]])
def test_refuses_a_business_key_that_names_nothing(value: object) -> None:
    """Law 6: empty is never "unset"; a name of 500 characters still is one."""
    prefix = business_prefix("stripe", "", "paid")
    with pytest.raises(Refused) as refused:
        business_key(prefix, value)
    assert refused.value.code == "bad_business_key"
    assert business_key(prefix, "x" * 500)
