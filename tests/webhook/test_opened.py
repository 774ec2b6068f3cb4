"""Which ids are fit for a URL and a key."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.webhook.opened import fit, is_id

SIGNS = set(string.ascii_letters + string.digits + "_-.:")


@given(st.one_of(st.text(max_size=12), st.text(alphabet="aé٢_.-:/ 1", max_size=12)))
def test_the_quick_way_says_what_the_pattern_says(text: str) -> None:
    """Letters, digits and "_-.:" of ASCII, no dot first, 1 to 255 characters."""
    fits = bool(text) and set(text) <= SIGNS and not text.startswith(".")
    assert fit(text) == (text if fits else "")
    assert (is_id(text) is not None) == fits


@pytest.mark.parametrize("sign", ["a", "-"])
def test_256_characters_are_too_many(sign: str) -> None:
    """By either way; one fewer is fit."""
    assert fit(sign * 256) == ""
    assert fit(sign * 255) == sign * 255
