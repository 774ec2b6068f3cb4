"""A memo holds what it may, and begins anew instead of growing."""

from pratique.core.memo import Memo


def test_what_is_kept_is_read_as_from_a_dict() -> None:
    """A hit is a dict's hit; what isn't there is None; a value kept again replaces the first."""
    memo = Memo[str, int](2)
    assert memo.get("a") is None
    assert memo.keep("a", 1) == 1
    assert memo.keep("a", 2) == 2
    assert (memo.get("a"), len(memo)) == (2, 1)


def test_one_more_than_it_may_hold_begins_anew() -> None:
    """CWE-770: it never grows over its bound, and what comes last is always there."""
    memo = Memo[int, int](3)
    for number in range(100):
        memo.keep(number, -number)
        assert len(memo) <= 3
        assert memo[number] == -number
    assert list(memo) == [99]
