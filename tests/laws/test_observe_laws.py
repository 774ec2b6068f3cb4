"""Law: a boundary that only observes mints nothing and uses nothing up, whatever is sent."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique import Perimeter, Refused, stores, unsafe
from pratique.core.adrive import adrive
from pratique.core.claim import Claim, Fields, Via
from pratique.core.crossing import Crossing
from pratique.core.drive import drive
from pratique.core.event import Outcome
from pratique.core.proven import Proven
from pratique.core.question import Count, Uncount
from pratique.core.store import Counted
from pratique.core.world import World
from tests.laws.test_access_laws import CONTENT, HONEST, KEYS, Note, boundary, calls
from tests.service.orders import GATEWAY, NOON
from tests.sink import Kept

OBSERVE = unsafe.observe(until=NOON.date() + timedelta(days=30), reason="old", owner="team")
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["Cookie", "Origin", "Content-Type", "Txn-Token", "X-Forwarded-For"]),
        st.sampled_from([value for lines in HONEST.values() for _, value in lines] + ["", "a"]),
    ),
    max_size=5,
)


def observing(kind: str) -> tuple[Perimeter, Any, Kept]:
    """Return a started perimeter with one boundary that observes, and its action."""
    kept, told = Kept(), calls()
    perimeter = Perimeter(events=kept, clock=lambda: NOON, deadline=None)
    made = perimeter.declare(boundary(kind, told))
    made.observe = OBSERVE
    action = made.action(
        "order.read", verb="note", find=told["find"], read_key=lambda text: text, content=Note
    )
    perimeter.start()
    return perimeter, action, kept


@pytest.mark.parametrize("kind", ["client", "service"])
@given(lines=FIELDS, key=KEYS, honest=st.booleans(), content=st.sampled_from([CONTENT, b"", b"{"]))
@settings(max_examples=40, deadline=None)
def test_whatever_is_sent_nothing_is_minted(
    kind: str, lines: list[tuple[str, str]], key: str, honest: bool, content: bytes
) -> None:
    """Both drivers end in a refusal that is recorded as what it would have been."""
    perimeter, action, kept = observing(kind)
    try:
        fields = Fields([*HONEST[kind], *lines] if honest else lines)
    except Refused:
        return
    claim = Claim(content, fields, NOON, Via(peer=GATEWAY, method="POST"))

    def flow_of(crossing: Any) -> Any:
        return action.flow(crossing, key=key)

    with pytest.raises(Refused) as refused:
        perimeter.carry(action.boundary, claim, flow_of)
    with pytest.raises(Refused):
        asyncio.run(perimeter.acarry(action.boundary, claim, flow_of))
    outcome = Outcome.WOULD_ADMIT if refused.value.code == "observed" else Outcome.WOULD_REFUSE
    assert {each.outcome for each in kept.records} == {outcome}


@pytest.mark.parametrize("kind", ["client", "service"])
def test_the_honest_one_would_be_admitted_and_is_when_it_enforces(kind: str) -> None:
    """The twin: the same claim, observed and enforced."""
    perimeter, action, kept = observing(kind)
    claim = Claim(CONTENT, Fields(HONEST[kind]), NOON, Via(peer=GATEWAY, method="POST"))
    key = "10"

    def flow_of(crossing: Any) -> Any:
        return action.flow(crossing, key=key)

    with pytest.raises(Refused, match="only observes"):
        perimeter.carry(action.boundary, claim, flow_of)
    assert kept.records[-1].outcome is Outcome.WOULD_ADMIT
    action.boundary.observe = None
    assert isinstance(perimeter.carry(action.boundary, claim, flow_of), Proven)


def counted(*, is_async: bool, observes: bool) -> list[int]:
    """Return how often a key was counted, asked three times and taken back once."""
    made = boundary("client", calls())
    made.observe = OBSERVE if observes else None
    crossing = Crossing(made, Claim(b"", Fields(), NOON))
    perimeter = Perimeter(store=stores.memory(), events=Kept(), deadline=None)

    def flow() -> Any:
        question = Count(b"key", timedelta(minutes=1))
        first = cast("Counted", (yield question))
        second = cast("Counted", (yield question))
        third = cast("Counted", (yield question))
        yield Uncount(b"key", 1)
        return [first.times, second.times, third.times]

    world = World(perimeter.store, perimeter.recorder)
    if is_async:
        return asyncio.run(adrive(flow(), crossing, world))
    return drive(flow(), crossing, world)


@pytest.mark.parametrize("is_async", [False, True])
def test_attempts_are_not_counted_while_it_observes(is_async: bool) -> None:
    """Who will be let in by the old code must not find their attempts used up later."""
    assert counted(is_async=is_async, observes=True) == [0, 0, 0]
    assert counted(is_async=is_async, observes=False) == [1, 2, 3]
