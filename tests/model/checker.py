"""Walks every world of a protocol, breadth first, and says which break a law."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.model.protocol import Protocol, Step, World

Law = Callable[[World], bool]


@dataclass
class Walk:
    """What was seen.

    `came` has, for each world, the step and the world before it: the shortest way back.
    """

    came: dict[World, tuple[Step, World] | None] = field(default_factory=dict)
    leads_to: dict[World, list[World]] = field(default_factory=dict)
    broken: World | None = None

    @property
    def worlds(self) -> int:
        """Return how many worlds were visited."""
        return len(self.came)

    def way(self, world: World) -> list[Step]:
        """Return the steps that lead to a world."""
        steps: list[Step] = []
        while (before := self.came[world]) is not None:
            step, world = before
            steps.append(step)
        return steps[::-1]


def walk(protocol: Protocol, law: Law) -> Walk:
    """Visit every world that can be reached; stop at the first that breaks the law."""
    start = protocol.start()
    seen = Walk({start: None})
    waiting = deque([start])
    while waiting:
        world = waiting.popleft()
        if not law(world):
            seen.broken = world
            return seen
        after = seen.leads_to[world] = []
        for step, then in protocol.steps(world):
            after.append(then)
            if then not in seen.came:
                seen.came[then] = (step, world)
                waiting.append(then)
    return seen


def stuck(seen: Walk, goal: Law) -> World | None:
    """Return a world from which the goal can't be reached any more; None where there is none."""
    before: dict[World, list[World]] = {}
    for world, after in seen.leads_to.items():
        for then in after:
            before.setdefault(then, []).append(world)
    reaching = {world for world in seen.came if goal(world)}
    waiting = deque(reaching)
    while waiting:
        for world in before.get(waiting.popleft(), ()):
            if world not in reaching:
                reaching.add(world)
                waiting.append(world)
    return next((world for world in seen.came if world not in reaching), None)


def ways_over_every_step(protocol: Protocol, seen: Walk) -> Iterable[list[Step]]:
    """Yield ways that together take each kind of step, with each answer, from each kind of place."""
    taken: set[tuple[object, ...]] = set()
    for world in seen.came:
        for step, _ in protocol.steps(world):
            places = tuple(sorted(worker.at for worker in world.workers))
            kind = (step.action, step.answer, step.key, world.workers[step.worker].at, places)
            if kind not in taken:
                taken.add(kind)
                yield [*seen.way(world), step]
