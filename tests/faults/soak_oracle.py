"""What must hold when the fault run is over, read from the database and from nobody's answer."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from pratique.demo.preview.site import HONEST as PAGE
from tests.faults.soak_hostile import AWAY, Hostile, states_of
from tests.faults.soak_rows import HONEST, PRICE
from tests.faults.soak_traffic import KEPT, Tally
from tests.faults.soak_world import World

DECIDED = {"approve", "review"}
"""Where the partner lied meanwhile, a person looks: that is decided too."""


def judged(world: World, tally: Tally, hostile: Hostile) -> list[str]:
    """Return one sentence for each thing that mustn't be."""
    found = list(tally.wrong)
    for kind, asked in tally.asked.items():
        late = asked - tally.done[kind]
        found += [f"{kind}: {len(late)} honest never got a 2xx: {sorted(late)[:9]}"] * bool(late)
    if world.parties.canary_hits:
        found.append(f"the canary was hit {len(world.parties.canary_hits)} times")
    for judge in (_payments, _orders, _decisions, _previews, _visits):
        found += judge(world, tally, hostile)
    return found[:KEPT]


def _rows(world: World, query: str) -> list[Any]:
    with world.engine.connect() as db:
        return list(db.execute(text(query)))


def _once(what: str, counts: dict[int, int], done: set[int], most: dict[int, int]) -> Iterator[str]:
    """Yield what was lost, doubled, or done for nobody."""
    for number in sorted(done - {n for n, times in counts.items() if times == 1}):
        yield f"{what} {number}: answered 2xx, and done {counts.get(number, 0)} times"
    for number, times in sorted(counts.items()):
        if number < HONEST and number not in done:
            yield f"{what} {number}: nobody asked, or nobody heard, and it was done {times} times"
        if number >= HONEST and times > most.get(number, 0):
            yield f"{what} {number}: hostile, and done {times} times"


def _payments(world: World, tally: Tally, hostile: Hostile) -> Iterator[str]:
    rows = _rows(world, "SELECT id, upgrades FROM subscription WHERE upgrades <> 0")
    counts = {row[0]: row[1] for row in rows}
    yield from _once("payment", counts, tally.done["payments"], hostile.payments)
    ((total, shop),) = _rows(
        world,
        "SELECT (SELECT sum(balance) FROM account), balance FROM account WHERE owner = 'shop'",
    )
    if total != 0 or shop != PRICE * sum(counts.values()):
        yield f"the sums: all accounts {total}, the shop {shop}, {len(counts)} payments"
    ((apart,),) = _rows(
        world,
        "SELECT count(*) FROM account a JOIN subscription s ON a.owner = s.customer "
        f"WHERE a.balance <> -{PRICE} * s.upgrades",
    )
    if apart:
        yield f"{apart} accounts don't say what their subscriptions say"


def _orders(world: World, tally: Tally, hostile: Hostile) -> Iterator[str]:
    rows = _rows(world, "SELECT id, refunds FROM orders WHERE refunds <> 0")
    counts = {row[0]: row[1] for row in rows}
    yield from _once("refund", counts, tally.done["orders"], hostile.orders)


def _decisions(world: World, tally: Tally, _: Hostile) -> Iterator[str]:
    rows = _rows(world, "SELECT id, state, decisions FROM decision WHERE decisions <> 0")
    honest = {row[0]: row[2] for row in rows if row[0] < HONEST}
    yield from _once("decision", honest, tally.done["risk"], {})
    for number, state, _times in rows:
        if state not in (DECIDED if number < HONEST else states_of(number)):
            yield f"decision {number}: {state}"


def _previews(world: World, tally: Tally, hostile: Hostile) -> Iterator[str]:
    kept = {row[0]: row[1] for row in _rows(world, "SELECT id, text FROM preview")}
    honest = {name: page for name, page in kept.items() if name.startswith("h")}
    for number in sorted(tally.done["preview"]):
        if honest.pop(f"h{number}", None) != PAGE:
            yield f"preview {number}: answered 2xx, and another page or none is kept"
    for name in honest:
        yield f"preview {name}: nobody heard of it"
    for user in sorted(hostile.previews & set(kept)):
        yield f"preview {user}: hostile, and kept"


def _visits(world: World, tally: Tally, _: Hostile) -> Iterator[str]:
    kept = {row[0]: row[1] for row in _rows(world, "SELECT id, client FROM visit")}
    honest = {number: client for number, client in kept.items() if number < HONEST}
    yield from _once("visit", dict.fromkeys(honest, 1), tally.done["gateway"], {})
    for number, client in sorted(kept.items()):
        if number < HONEST and client != tally.visitors.get(number):
            yield f"visit {number}: came from {tally.visitors.get(number)}, {client} is kept"
        if number >= HONEST and not client.startswith(AWAY):
            yield f"visit {number}: hostile, and {client} is believed"
