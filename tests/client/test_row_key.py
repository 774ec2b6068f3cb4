"""A key in a path is read as its column has it, in one spelling, or no row could have it."""

from collections.abc import Callable
from uuid import UUID

import pytest

from pratique.client.row_key import MAX_KEY, integer_of, key_of, text_of, uuid_of
from pratique.core.obligation import VALID
from pratique.core.refusal import Refused

ONE = "0192f7c4-1c1e-7c3a-9b1e-3f0f6e9a2b4d"


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (integer_of, "007"),
        (integer_of, "-7"),
        (integer_of, "٧"),
        (text_of, ""),
        (text_of, "a\x00"),
        (text_of, "a" * (MAX_KEY + 1)),
        (uuid_of, ONE.upper()),
        (uuid_of, "7"),
    ],
)
def test_refuses_a_key_that_no_row_could_have(read: Callable[[str], object], text: str) -> None:
    """VALID: another spelling of a key, or none at all, is "bad_key", 404."""
    with pytest.raises(Refused) as refused:
        key_of(text, read)
    told = refused.value
    assert (told.obligation, told.code, told.status) == (VALID, "bad_key", 404)


@pytest.mark.parametrize(
    ("read", "text", "key"),
    [
        (integer_of, "7", 7),
        (integer_of, "0", 0),
        (text_of, "a" * MAX_KEY, "a" * MAX_KEY),
        (uuid_of, ONE, UUID(ONE)),
    ],
)
def test_reads_a_key_in_its_one_spelling(
    read: Callable[[str], object], text: str, key: object
) -> None:
    """The twin: the same kinds of key as they are written."""
    assert key_of(text, read) == key
