"""The protocol of holds, leases, fencing tokens and settled keys, as a model that a checker walks.

A world is a handful of numbers: what the store has of each key, where each worker stands, and how
many effects there were. A step is what a worker, the clock or a crash can do next. Two ways of
having an effect are modelled: in the commit that settles the key (the inbox, and every store that
is the user's own database), and beside the store, with two keys held around it. Each can be built
without one of its conditions, to show what the condition is for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")
FREE, HELD, SETTLED = range(3)
MOST_EFFECTS: Final = 3
"""More are as wrong: a world stops counting there."""


class Key(NamedTuple):
    """What the store has of one key. Its token is told by who holds it: see `Worker`."""

    state: int = FREE
    is_live: bool = False
    """The lease runs."""
    is_given_back: bool = False


class Worker(NamedTuple):
    """One process that handles one delivery at a time.

    A token is only ever compared with the one in force, and grows: so a world needs to know whether
    a worker's is still that one, and no number.
    """

    at: str = "idle"
    event: int = 0
    has_event: bool = False
    """The token in force on the event's key is this worker's."""
    has_business: bool = False
    """And that on the business key."""


class World(NamedTuple):
    """Everything that matters."""

    events: tuple[Key, ...]
    business: Key
    workers: tuple[Worker, ...]
    answered: tuple[bool, ...]
    """The sender has its 2xx for the event."""
    effects: int = 0
    windows: int = 0
    """How often a crash, or the end of a lease, came between an effect and its keys' settling."""
    landed_late: bool = False
    """An effect landed after its refusal was answered."""
    crashes: int = 0
    expiries: int = 0
    """How many of each may still come."""


class Step(NamedTuple):
    """What happened, as the store saw it."""

    action: str
    worker: int
    key: int
    """Of which event; -1 is the business key, -2 none."""
    answer: str


Next = tuple[Step, World]
BUSINESS, NONE = -1, -2


@dataclass(frozen=True)
class Protocol:
    """What may happen.

    Args:
        workers: How many processes, each of which may be handed any event at any time.
        events: How many events, all about one business object.
        crashes: How many a run may have.
        expiries: How many leases may end under their holder.
        beside: The effect is outside the store, keys are held around it; else it is in the commit.
        checks_token: A settle is conditional on the token.
        checks_lease: A takeover is one statement, conditional on the lease; else it reads first.
    """

    workers: int = 3
    events: int = 1
    crashes: int = 2
    expiries: int = 2
    beside: bool = False
    checks_token: bool = True
    checks_lease: bool = True

    def start(self) -> World:
        """Return the world before anything has come."""
        return World(
            (Key(),) * self.events,
            Key(),
            (Worker(),) * self.workers,
            (False,) * self.events,
            crashes=self.crashes,
            expiries=self.expiries,
        )

    def steps(self, world: World) -> Iterator[Next]:
        """Yield what can happen next."""
        for number, worker in enumerate(world.workers):
            if worker.at == "idle":
                for event in range(self.events):
                    yield from self._deliver(world, number, event)
            else:
                yield from self._go_on(world, number, worker)
                yield from self._crash(world, number, worker)
        yield from self._expire(world)

    def _deliver(self, world: World, number: int, event: int) -> Iterator[Next]:
        if world.answered[event]:
            return  # a sender that has its answer sends no more
        yield from self._hold(world, number, Worker("idle", event), event)

    def _hold(self, world: World, number: int, worker: Worker, name: int) -> Iterator[Next]:
        key = _key(world, name)
        if key.state == SETTLED:
            yield Step("hold", number, name, "settled"), self._used(world, number, worker, name)
        elif key.state == HELD and key.is_live:
            yield Step("hold", number, name, "busy"), self._refused(world, number, worker, name)
        elif key.state == HELD and not self.checks_lease:
            seen = worker._replace(at="reading" if name != BUSINESS else "reading b")
            yield Step("read", number, name, "over"), _with(world, number, seen)
        else:
            yield self._taken(world, number, worker, name)

    def _taken(self, world: World, number: int, worker: Worker, name: int) -> Next:
        """Take the key, with a token above all before: whoever had one has none in force now."""
        if self.checks_lease:
            world = world._replace(workers=tuple(_without(each, name) for each in world.workers))
        held = _keyed(world, name, Key(HELD, is_live=True))
        if name == BUSINESS:
            moved = worker._replace(at="both", has_business=True)
        else:
            moved = worker._replace(at="held", has_event=True)
        return Step("hold", number, name, "held"), _with(held, number, moved)

    def _used(self, world: World, number: int, worker: Worker, name: int) -> World:
        """Acknowledge: another delivery did it. A hold of the event is given back."""
        if name == BUSINESS:
            world = _given_back(world, worker)[1]
        answered = _at(world.answered, worker.event, True)
        return _with(world, number, Worker())._replace(answered=answered)

    def _refused(self, world: World, number: int, worker: Worker, name: int) -> World:
        """Answer 503: the sender comes again."""
        if name == BUSINESS:
            world = _given_back(world, worker)[1]
        return _with(world, number, Worker())

    def _go_on(self, world: World, number: int, worker: Worker) -> Iterator[Next]:
        match worker.at:
            case "reading" | "reading b":
                name = BUSINESS if worker.at == "reading b" else worker.event
                yield self._taken(world, number, worker, name)
            case "held":
                yield from self._too_late(world, number, worker)
                if self.beside:
                    yield from self._hold(world, number, worker, BUSINESS)
                else:
                    yield self._commit(world, number, worker)
            case "both":
                effects = min(MOST_EFFECTS, world.effects + 1)
                acted = _with(world, number, worker._replace(at="acted"))
                open_window = not _holds_both(world, worker)
                yield (
                    Step("act", number, NONE, ""),
                    acted._replace(effects=effects, windows=world.windows + open_window),
                )
            case "acted":
                yield self._settle(world, number, worker, BUSINESS, "half")
            case "half":
                yield self._settle(world, number, worker, worker.event, "done")
            case "revoked":
                yield self._commit(world, number, worker)
            case "done":
                answered = _at(world.answered, worker.event, True)
                yield (
                    Step("answer", number, NONE, ""),
                    _with(world, number, Worker())._replace(answered=answered),
                )

    def _too_late(self, world: World, number: int, worker: Worker) -> Iterator[Next]:
        """The deadline passes: the hold is given back, the refusal answered, the thread goes on."""
        if self.beside:
            return
        done, after = _given_back(world, worker)
        step = Step("release", number, worker.event, "true" if done else "false")
        yield step, _with(after, number, worker._replace(at="revoked"))

    def _commit(self, world: World, number: int, worker: Worker) -> Next:
        """Settle and have the effect, in one commit, or neither."""
        name = worker.event
        if not self._may_settle(_key(world, name), is_mine=worker.has_event):
            return Step("settle", number, name, "false"), _with(world, number, Worker())
        late = world.landed_late or worker.at == "revoked"
        moved = Worker() if worker.at == "revoked" else worker._replace(at="done")
        settled = _with(_keyed(world, name, Key(SETTLED)), number, moved)
        effects = min(MOST_EFFECTS, world.effects + 1)
        after = settled._replace(effects=effects, landed_late=late)
        return Step("settle", number, name, "true"), after

    def _settle(self, world: World, number: int, worker: Worker, name: int, then: str) -> Next:
        is_mine = worker.has_business if name == BUSINESS else worker.has_event
        if not self._may_settle(_key(world, name), is_mine=is_mine):  # "overtaken": 503
            return Step("settle", number, name, "false"), _with(world, number, Worker())
        settled = _keyed(world, name, Key(SETTLED))
        moved = worker._replace(at=then)
        return Step("settle", number, name, "true"), _with(settled, number, moved)

    def _may_settle(self, key: Key, *, is_mine: bool) -> bool:
        if not self.checks_token:
            return True
        return key.state == HELD and is_mine and not key.is_given_back

    def _crash(self, world: World, number: int, worker: Worker) -> Iterator[Next]:
        if world.crashes:
            after = _with(world, number, Worker())._replace(crashes=world.crashes - 1)
            if worker.at in ("acted", "half"):
                after = after._replace(windows=after.windows + 1)
            yield Step("crash", number, NONE, ""), after

    def _expire(self, world: World) -> Iterator[Next]:
        """End a lease. One that nobody alive holds ends for nothing: time passes by itself."""
        for name in (*range(self.events), BUSINESS):
            key = _key(world, name)
            if key.state != HELD or not key.is_live:
                continue
            holders = [worker for worker in world.workers if _holds(worker, name)]
            if holders and not world.expiries:
                continue
            after = _keyed(world, name, key._replace(is_live=False))
            opened = any(worker.at in ("acted", "half") for worker in holders)
            yield (
                Step("expire", 0, name, ""),
                after._replace(
                    expiries=world.expiries - bool(holders), windows=world.windows + opened
                ),
            )


def _holds_both(world: World, worker: Worker) -> bool:
    is_live = _key(world, worker.event).is_live and world.business.is_live
    return is_live and worker.has_event and worker.has_business


def _holds(worker: Worker, name: int) -> bool:
    if name == BUSINESS:
        return worker.has_business and worker.at != "idle"
    return worker.has_event and worker.event == name


def _without(worker: Worker, name: int) -> Worker:
    if name == BUSINESS:
        return worker._replace(has_business=False)
    return worker._replace(has_event=False) if worker.event == name else worker


def _given_back(world: World, worker: Worker) -> tuple[bool, World]:
    """End the lease of the event's key now, where its token is still this worker's."""
    key = _key(world, worker.event)
    if key.state != HELD or not worker.has_event or key.is_given_back:
        return False, world
    given = key._replace(is_live=False, is_given_back=True)
    return True, _keyed(world, worker.event, given)


def _key(world: World, name: int) -> Key:
    return world.business if name == BUSINESS else world.events[name]


def _keyed(world: World, name: int, key: Key) -> World:
    if name == BUSINESS:
        return world._replace(business=key)
    return world._replace(events=_at(world.events, name, key))


def _with(world: World, number: int, worker: Worker) -> World:
    return world._replace(workers=_at(world.workers, number, worker))


def _at(row: tuple[T, ...], place: int, value: T) -> tuple[T, ...]:
    return (*row[:place], value, *row[place + 1 :])
