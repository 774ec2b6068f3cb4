"""What the model says of a store, each real store says too: ways over every kind of step, replayed."""

from datetime import timedelta
from typing import Any

from pratique.core.store import Busy, Held, Settled
from tests.model.checker import walk, ways_over_every_step
from tests.model.protocol import BUSINESS, Protocol, Step
from tests.stores.test_contract import store

__all__ = ["store"]  # the fixture: each store, by each face
MODELS = (Protocol(workers=2), Protocol(workers=2, events=2, crashes=1, expiries=1, beside=True))
WAYS = [
    way
    for model in MODELS
    for way in ways_over_every_step(model, walk(model, lambda _: True))
    if way[-1].action in ("hold", "settle", "release")
]
KINDS = {Held: "held", Busy: "busy", Settled: "settled"}
HOUR = timedelta(hours=1)


class Replay:
    """Does the steps of one way to a store, under keys of its own."""

    def __init__(self, store: Any, number: int, way: list[Step]) -> None:
        self.store = store
        self.number = number
        self.way = way
        self.tokens: dict[tuple[int, int], int] = {}
        self.events: dict[int, int] = {}

    async def run(self) -> list[tuple[Step, str]]:
        """Return each step with the store's own answer where that is another one."""
        wrong: list[tuple[Step, str]] = []
        for place, step in enumerate(self.way):
            answer = await self.do(place, step)
            if answer != step.answer:
                wrong.append((step, answer))
        return wrong

    async def do(self, place: int, step: Step) -> str:
        """Do one step. What happens in a worker alone asks the store nothing."""
        key, who = self.key(step.key), (step.worker, step.key)
        match step.action:
            case "hold":
                if step.answer == "busy" and self.ends(place, step.key) is not None:
                    return "busy"  # the store would be asked before its time has passed
                is_short = self.ends(place, step.key) is not None
                found = await self.store.hold(key, lease=timedelta(0) if is_short else HOUR)
                if isinstance(found, Held):
                    self.tokens[who] = found.token
                    if step.key != BUSINESS:
                        self.events[step.worker] = step.key
                elif step.key == BUSINESS:  # the hold of the event is given back with the refusal
                    event = self.events[step.worker]
                    await self.store.release(self.key(event), self.tokens[step.worker, event])
                return KINDS[type(found)]
            case "settle":
                return str(await self.store.settle(key, self.tokens[who])).lower()
            case "release":
                return str(await self.store.release(key, self.tokens[who])).lower()
            case _:
                return step.answer

    def key(self, name: int) -> bytes:
        """Return the key of an event, or of the business object, in this way alone."""
        return f"way {self.number} key {name}".encode()

    def ends(self, place: int, name: int) -> int | None:
        """Return where the lease ends that runs at a place; None where it doesn't."""
        for later, step in enumerate(self.way[place + 1 :], place + 1):
            if step.key == name and step.action == "expire":
                return later
            if step.key == name and step.answer in ("held", "true"):
                return None
        return None


async def test_each_way_of_the_model_is_a_way_of_the_store(store: Any) -> None:
    """Hold, take over, settle, give back: what a store answers at each step is what the model says."""
    for number, way in enumerate(WAYS):
        assert await Replay(store, number, way).run() == [], way


def test_the_ways_hold_each_answer() -> None:
    """Nothing is replayed that says little: a hold that is held, busy, settled; both answers of the others."""
    answers = {(step.action, step.answer) for way in WAYS for step in way}
    assert {("hold", word) for word in KINDS.values()} <= answers
    assert {(act, said) for act in ("settle", "release") for said in ("true", "false")} <= answers
