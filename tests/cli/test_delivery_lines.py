"""A kept delivery in words."""

from datetime import UTC, datetime, timedelta

import pytest

from pratique.cli.delivery_lines import line_of
from pratique.core.inbox import Listed, State

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "due", "told"),
    [
        (State.WAITING, 30, "due in 30 s"),
        (State.WAITING, 119, "due in 119 s"),
        (State.WAITING, 7_200, "due in 2 h"),
        (State.WAITING, -600, "due for 10 min"),
        (State.TAKEN, 50, "leased for 50 s"),
        (State.TAKEN, -864_000, "lease over for 10 d"),
        (State.DEAD, 50, "-"),
        (State.UNKNOWN, 50, "-"),
    ],
)
def test_a_list_says_when_a_row_is_due(state: State, due: int, told: str) -> None:
    """In the largest unit of which it is two: waiting, with a worker, or nobody's."""
    row = Listed("0a", "pay", state, 1, AT, 1, timedelta(seconds=due), "later", "c", "")
    words = line_of(row).split("  ")
    assert words[-2:] == [told, "later"]
    assert words[-4:-2] == ["1 attempt", "1 byte"]


def test_what_came_from_outside_does_nothing_to_the_terminal() -> None:
    """CWE-150: ids, names and codes of a row that somebody altered are text, and nothing else."""
    row = Listed("\x1b[2J", "a\nb", State.DEAD, 0, None, 0, timedelta(0), "\x9b", "", "")
    assert line_of(row) == ("\\x1b[2J  dead     a\\nb  -  0 attempts  0 bytes  -  \\x9b")
