"""What a claim costs as the settled keys grow: they never expire, so it must not.

For each size there is a store that holds so many keys, and a copy of it in which one claims by
hand: the same INSERT … ON CONFLICT DO NOTHING, SET NX in Redis. What grows by hand is the
database's own; the rest is ours. All of a kind stand side by side and claim in turns, a block each,
so that whatever else the machine does hits them alike; the first blocks are warm-up. Each claim is
of a new key, and keys are digests: no two lie near each other, which is the worst case of an index.
With --in-order they are those of a sender whose ids grow with time.

    python -m benchmarks.growth --keys 10000000 --kind sqlite

A row's figures are the median of the block that was disturbed least, by which sizes are compared,
and the median, the 95th percentile and the mean of all. Without the wait for the disk, which hides
what grows: TMPDIR=/dev/shm for SQLite, --set fsync=off for PostgreSQL, --set appendfsync=everysec
for Redis. Ten million keys take some minutes, and at most 8 GB of disk, or 4 GB of memory in Redis;
without the option it is a million.
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path
from statistics import mean, median, quantiles

from benchmarks import growth_places
from benchmarks.claims import Claim
from benchmarks.growth_places import BY_HAND, OURS, Key, Place, digest, in_order
from benchmarks.timing import row

FIRST = 10_000
BLOCK = 50
WARM = 8
"""Blocks that aren't counted: after 400 claims SQLite has had its first checkpoint, and what was
just opened has its pages at hand."""
FLAT = 1.2
"""At most so many times what it was at the first step."""


def in_turns(
    claims: dict[Place, Claim], keys: Iterator[bytes], rounds: int
) -> dict[Place, list[float]]:
    """Return the microseconds of each claim, of each place: blocks in turns.

    Who begins moves on by one each round: nobody always comes after the same neighbour.
    """
    took: dict[Place, list[float]] = {place: [] for place in claims}
    order = list(claims)
    for number in range(WARM + rounds):
        order.append(order.pop(0))
        for place in order:
            claim = claims[place]
            for key in (next(keys) for _ in range(BLOCK)):
                begin = time.perf_counter()
                is_new = claim(key)
                spent = time.perf_counter() - begin
                if not is_new:
                    raise SystemExit(f"{place}: a new key was used before")
                if number >= WARM:
                    took[place].append(spent * 1e6)
    return took


def quiet(times: list[float]) -> float:
    """Return the median of the block that was disturbed least by what else the machine does."""
    return min(median(times[n : n + BLOCK]) for n in range(0, len(times), BLOCK))


def table(kind: str, took: dict[Place, list[float]]) -> None:
    """Print a kind's rows: each size to the first, beside what is claimed by hand."""
    first = {place.who: quiet(times) for place, times in reversed(took.items())}
    for place, times in took.items():
        cuts, least = quantiles(times, n=20), quiet(times)
        spread = f"{least:.0f} / {cuts[9]:.0f} / {cuts[18]:.0f} / {mean(times):.0f}"
        what = f"{kind}, {place.keys} keys, {place.who}: {spread}"
        told = f"<= {FLAT} x" if place.who == OURS else "-"
        grown = least / first[place.who]
        row(what, grown, told, ok=place.who == BY_HAND or grown <= FLAT)


@contextlib.contextmanager
def _places(
    kind: str, sizes: list[int], settings: list[str], key: Key
) -> Generator[dict[Place, Claim]]:
    with (
        tempfile.TemporaryDirectory(prefix="pratique-growth-") as folder,
        contextlib.ExitStack() as ends,
    ):
        if kind == "sqlite":
            yield growth_places.sqlite(Path(folder), sizes, key, ends)
        elif kind == "postgres":
            yield growth_places.postgres(Path(folder), sizes, settings, key, ends)
        else:
            yield growth_places.redis(sizes, settings, ends)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keys", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=40, help=f"of {BLOCK} claims each")
    options.add_argument("--kind", choices=("sqlite", "postgres", "redis"), action="append")
    options.add_argument(
        "--set", action="append", default=[], help="of PostgreSQL or Redis: shared_buffers=1GB"
    )
    options.add_argument("--in-order", action="store_true", help="keys that grow with time")
    given = options.parse_args()
    key: Key = in_order if given.in_order else digest
    sizes = [FIRST]
    while sizes[-1] * 10 <= given.keys:
        sizes.append(sizes[-1] * 10)
    for kind in given.kind or ("sqlite", "postgres", "redis"):
        print(
            "microseconds a claim, quietest block / median / 95 % / mean; that block to the first"
        )
        with _places(kind, sizes, given.set, key) as claims:
            table(kind, in_turns(claims, map(key, count(sizes[-1])), given.rounds))


if __name__ == "__main__":
    main()
