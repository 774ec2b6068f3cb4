"""The fault run on the whole: every guarded API over PostgreSQL, honest and hostile, while it breaks.

    python -m tests.faults.soak --seconds 600 --out docs/explanation

Processes are killed, the database crashes, other parties hang, refuse and lie, the clock jumps, the
issuer rolls its keys. Afterwards the database is read: nothing lost, nothing doubled.
"""

import argparse
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from tests.faults.soak_hostile import Hostile
from tests.faults.soak_oracle import judged
from tests.faults.soak_page import Memory, write_page
from tests.faults.soak_parties import HONEST_MOOD, MOODS
from tests.faults.soak_traffic import Honest, Jumps, Tally
from tests.faults.soak_world import World, opened
from tests.processes import wait_for

SENDERS = {"payments": 3, "orders": 2, "risk": 2, "preview": 2, "gateway": 2}
"""Threads of honest senders; two more attack."""
PAUSE = 0.3
"""Seconds on average between two things that one thread sends."""
JUMP = 5_400.0
"""Seconds: an hour and a half, so that what an attacker kept for an hour stays stale."""
QUIET_SECONDS = 60.0
_MOMENT = 3.0
"""Seconds that a kill waits for a request."""


@dataclass
class Run:
    """What a run did, and what was found."""

    seed: int
    seconds: float
    injected: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)
    memory: list[Memory] = field(default_factory=list)
    attacks: int = 0
    starts: int = 0
    quiet: float = 0.0
    """Seconds until the last honest sender had its 2xx."""
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return what was counted, a sentence a line."""
        done = {kind: len(numbers) for kind, numbers in self.tally.done.items()}
        return [
            f"seed {self.seed}, {self.seconds:.0f} s; the last honest one {self.quiet:.0f} s later",
            f"done: {done}; sent: {dict(self.tally.sent)}; {self.attacks} attacks",
            f"injected: {dict(self.injected)}; {self.starts} starts",
            f"honest answers: {dict(sorted(self.tally.honest.items()))}",
            f"hostile answers: {dict(sorted(self.tally.hostile.items()))}",
            *(memory.line() for memory in self.memory),
            f"{len(self.wrong)} wrong",
            *(f"  {what}" for what in self.wrong),
        ]


class Faults:
    """Injects, each kind on a thread of its own, by a seed.

    Args:
        run: Where it is counted.
        world: What breaks.
        jumps: What moves the clock.
    """

    def __init__(self, run: Run, world: World, jumps: Jumps) -> None:
        self._run, self._world, self._jumps = run, world, jumps
        self._ends = Event()
        seconds = run.seconds
        periods: tuple[tuple[float, Callable[[random.Random], None]], ...] = (
            (10, self._kill),
            (60, self._crash),
            (15, self._spoil),
            (40, self._jump),
            (30, self._roll),
        )
        self._threads = [
            Thread(target=self._inject, args=(what, min(period, seconds / 3)))
            for period, what in periods
        ]

    def begin(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """End, and let everything be well again."""
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _inject(self, what: Callable[[random.Random], None], period: float) -> None:
        chance = random.Random(f"{self._run.seed} {what.__name__}")
        while not self._ends.wait(chance.uniform(0.8, 1.2) * period):
            try:
                what(chance)
            except Exception as error:
                self._run.tally.blame(f"{what.__name__} failed: {error!r}")

    def _for(self, seconds: float) -> None:
        self._ends.wait(min(seconds, self._run.seconds / 6))

    def _kill(self, chance: random.Random) -> None:
        api = self._world.of(chance.choice(self._world.kinds))[0]
        working = self._run.tally.working
        end = time.monotonic() + _MOMENT
        while working[api.name] == 0 and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.02)  # each step of a crossing, not its first alone
        is_working = working[api.name] > 0
        if api.kill():
            self._run.injected["kill -9 of an API"] += 1
            self._run.injected["kill -9 with a request under way"] += is_working

    def _crash(self, chance: random.Random) -> None:
        self._world.database.restart(min(chance.uniform(0.5, 3), self._run.seconds / 10))
        self._run.injected["PostgreSQL stopped at once and started"] += 1

    def _spoil(self, chance: random.Random) -> None:
        who = chance.choice(sorted(self._world.parties.mood))
        mood = chance.choice([one for one in MOODS if one != HONEST_MOOD])
        self._world.parties.mood[who] = mood
        self._run.injected[f"the {who} {mood}"] += 1
        self._for(chance.uniform(3, 9))
        self._world.parties.mood[who] = HONEST_MOOD

    def _jump(self, chance: random.Random) -> None:
        ahead = chance.choice((1, -1))
        self._jumps.begin(ahead * JUMP)
        self._run.injected[f"clock 90 min {'ahead' if ahead > 0 else 'back'}"] += 1
        self._for(chance.uniform(2, 6))
        self._jumps.end()

    def _roll(self, _: random.Random) -> None:
        self._world.parties.rotate()
        self._run.injected["the issuer rolls its keys"] += 1


def run(seed: int, seconds: float, *, keep: bool = False) -> Run:
    """Run it, and read the database afterwards.

    Args:
        seed: Of the faults and the senders; the machine's own timing isn't in it.
        seconds: For how long faults are injected.
        keep: Whether the folder with the events of each process stays.
    """
    made = Run(seed, seconds)
    folder = Path(tempfile.mkdtemp(prefix="pratique-soak-"))
    try:
        with opened(folder) as world:
            run_in(made, world)
    finally:
        if keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return made


def run_in(made: Run, world: World, *, pause: float = PAUSE) -> Hostile:
    """Run it in a world that is there.

    Args:
        made: What is counted goes there.
        world: Of which kinds of APIs it likes.
        pause: See `PAUSE`.
    """
    jumps = Jumps(world)
    honest, hostile = Honest(world, jumps, made.tally), Hostile(world, made.tally)
    faults, ends, gives_up = Faults(made, world, jumps), Event(), Event()
    made.memory = [Memory(api.name) for api in world.apis if api.name.endswith("-b")]
    with ThreadPoolExecutor(sum(SENDERS.values()) + 2) as pool:
        sending = [
            pool.submit(honest.run, kind, made.seed + number, pause, ends, gives_up)
            for kind in world.kinds
            for number in range(SENDERS[kind])
        ]
        attacking = [
            pool.submit(hostile.run, made.seed + number, 2 * pause, ends) for number in range(2)
        ]
        faults.begin()
        try:
            _watch(made, world)
        finally:
            faults.end()
            ends.set()
        began = time.monotonic()
        try:
            wait_for(lambda: all(one.done() for one in sending), QUIET_SECONDS)
        except AssertionError:
            made.tally.blame(f"honest senders weren't done {QUIET_SECONDS:.0f} s after the faults")
        gives_up.set()
        for one in (*sending, *attacking):
            one.result()
        made.quiet = time.monotonic() - began
    made.attacks = hostile.attacks
    made.starts = sum(api.starts for api in world.apis)
    for api in world.apis:
        if api.name.endswith("-b") and api.starts != 1:
            made.tally.blame(f"{api.name} wasn't killed, and was started {api.starts} times")
    made.wrong = judged(world, made.tally, hostile)
    return hostile


def _watch(made: Run, world: World) -> None:
    """Sample the memory of what isn't killed, until the time is over."""
    began = time.monotonic()
    of = {api.name: api for api in world.apis}
    while (now := time.monotonic() - began) < made.seconds:
        for memory in made.memory:
            memory.add(now, of[memory.name].rss_kib(), *of[memory.name].heap())
        world.parties.forget()
        time.sleep(max(0.25, made.seconds / 240))


def main() -> int:
    """Run it by hand. Return 1 where anything was lost, doubled, or believed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--out", type=Path, help="folder of fault-run.md and fault-run.svg")
    parser.add_argument("--keep", action="store_true", help="leave the events of each process")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    made = run(given.seed, given.seconds, keep=given.keep)
    print(*made.lines(), sep="\n")
    if given.out is not None:
        write_page(given.out, made)
    return 1 if made.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
