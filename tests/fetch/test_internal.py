"""A way inside is whole, or it is said which word of it is none."""

from dataclasses import replace

import pytest

from pratique.core.refusal import BoundaryError
from pratique.fetch import FetchPolicy, Internal

WIKI = Internal("wiki.corp.example", "10.1.2.0/24", 8080, "tickets link to its pages")


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (replace(WIKI, host="wiki corp"), r"Internal\('wiki corp'\): the host can't be used"),
        (replace(WIKI, port=0), r"Internal\('wiki.corp.example'\): port 0 is outside"),
        (replace(WIKI, port=True), "port True is outside"),
        (replace(WIKI, network="10.1.2.1/24"), "'10.1.2.1/24' is no network"),
        (replace(WIKI, reason=" "), "has no reason"),
    ],
    ids=["host", "port", "bool", "network", "reason"],
)
def test_a_way_that_is_none_is_named(way: Internal, said: str) -> None:
    """The policy isn't made, and the sentence names the way, not the policy's hosts."""
    with pytest.raises(BoundaryError, match=said):
        FetchPolicy(hosts={"a.example"}, internal=[way])


def test_a_way_has_one_spelling() -> None:
    """The twin: a whole one is taken, its host spelt as a gated URL spells it."""
    policy = FetchPolicy(hosts={"a.example"}, internal=[replace(WIKI, host="WIKI.corp.example.")])
    assert policy.internal == (WIKI,)
