"""The protocol of holds, checked exhaustively: with its conditions nothing is lost or doubled; without one of them, something is."""

import pytest

from tests.model.checker import stuck, walk
from tests.model.protocol import Protocol, World

IN_THE_COMMIT = [
    Protocol(),
    Protocol(workers=2, crashes=3, expiries=3),
    Protocol(workers=3, events=2, crashes=1, expiries=1),
]
BESIDE = [
    Protocol(workers=2, beside=True),
    Protocol(workers=2, events=2, beside=True),
    Protocol(workers=3, events=2, crashes=1, expiries=1, beside=True),
]


def name_of(protocol: Protocol) -> str:
    """Return its figures."""
    return f"{protocol.workers}w-{protocol.events}e-{protocol.crashes}c-{protocol.expiries}x"


def one_each(world: World) -> bool:
    """Say whether no event had two effects, or one that landed after its refusal."""
    settled = sum(key.state == 2 for key in world.events)
    return world.effects == settled and not world.landed_late


def one_and_windows(world: World) -> bool:
    """Say whether each effect too many has a window of its own."""
    return world.effects <= 1 + world.windows


def is_told(world: World) -> bool:
    """Say whether each sender has its answer."""
    return all(world.answered) and world.effects > 0


@pytest.mark.parametrize("protocol", IN_THE_COMMIT, ids=name_of)
def test_in_the_commit_nothing_is_doubled_or_lost(protocol: Protocol) -> None:
    """Law 8, holes 2, 3, 18: crashes, leases that end, deliveries side by side: one effect an event; from each world all can still be told."""
    seen = walk(protocol, one_each)
    print(f"{seen.worlds} worlds")
    assert seen.broken is None, seen.way(seen.broken)
    lost = stuck(seen, is_told)
    assert lost is None, seen.way(lost)


@pytest.mark.parametrize("protocol", BESIDE, ids=name_of)
def test_beside_the_store_the_window_is_the_only_one(protocol: Protocol) -> None:
    """Law 8: an effect outside the store is doubled where a crash, or the end of a lease, parts it from its settling, and nowhere else."""
    seen = walk(protocol, one_and_windows)
    print(f"{seen.worlds} worlds")
    assert seen.broken is None, seen.way(seen.broken)
    lost = stuck(seen, is_told)
    assert lost is None, seen.way(lost)


def test_without_the_token_an_effect_is_doubled() -> None:
    """Fencing: a settle that asks for no token has the effect twice, and after its refusal; with it there is no such way."""
    blind = Protocol(checks_token=False)
    twice = walk(blind, lambda world: world.effects < 2)
    assert twice.broken is not None
    assert [step.action for step in twice.way(twice.broken)].count("settle") == 2
    late = walk(blind, lambda world: not world.landed_late)
    assert late.broken is not None
    assert (
        walk(Protocol(), lambda world: world.effects < 2 and not world.landed_late).broken is None
    )


def test_a_takeover_that_reads_first_doubles_an_effect() -> None:
    """A lease that is read, and then taken without a condition, has two holders: both act, no window was open."""
    seen = walk(Protocol(workers=3, beside=True, checks_lease=False), one_and_windows)
    assert seen.broken is not None
    assert any(step.action == "read" for step in seen.way(seen.broken))
