"""A whole crossing with the memory store against the floor, by both drivers.

Run it: `python -m benchmarks.crossing`.
"""

import asyncio
import itertools
import time
from datetime import UTC, datetime, timedelta

from benchmarks.opening import SECRET, content_of, floor
from benchmarks.timing import row
from pratique import Admitted, Claim, Perimeter, stores
from pratique.core.event import Record
from pratique.webhook import Event, Webhook, providers

COUNT, ROUNDS = 2000, 10


class NoSink:
    """A sink that keeps nothing: what a sink costs is measured beside its own store."""

    def emit(self, record: Record) -> None:
        """Drop it."""

    def find(self, crossing_id: str) -> None:
        """Tell nothing."""

    def close(self) -> None:
        """Keep nothing open."""


def perimeter(*, is_async: bool, deadline: timedelta | None) -> tuple[Perimeter, Webhook]:
    """Return a started perimeter whose callables do the least that they can."""
    made = Perimeter(store=stores.memory(), events=NoSink(), deadline=deadline)
    payments = made.declare(Webhook("payments", providers.stripe(secrets=SECRET, livemode=True)))
    numbers = itertools.count()

    def confirm(_event: Event) -> int:
        return next(numbers)

    async def aconfirm(_event: Event) -> int:
        return next(numbers)

    def link(number: int) -> dict[str, int]:
        return {"row": number}

    def act(paid: Admitted[Event, int, dict[str, int]]) -> None:
        paid.linked["row"] += 1

    async def aact(paid: Admitted[Event, int, dict[str, int]]) -> None:
        paid.linked["row"] += 1

    options = {"once": lambda number: number, "link": link, "allow": lambda _, row: row["row"] >= 0}
    if is_async:
        payments.on("invoice.paid", confirm=aconfirm, **options)(aact)  # type: ignore[call-overload]
    else:
        payments.on("invoice.paid", confirm=confirm, **options)(act)  # type: ignore[call-overload]
    return made, payments


def deliveries(count: int) -> list[tuple[Claim, str]]:
    """Return that many different signed events of 1 KiB."""
    at = datetime.now(UTC)
    contents = [
        content_of(1024).replace(b"evt_1NG8Du2eZvKYlo2C", b"evt_%016d" % n) for n in range(count)
    ]
    sealed = [
        (content, providers.stripe.seal(content, secret=SECRET, at=at)) for content in contents
    ]
    return [
        (Claim(content, fields, at), fields.one("Stripe-Signature") or "")
        for content, fields in sealed
    ]


def main() -> None:
    """Print the table."""
    best = dict.fromkeys(("floor", "drive", "adrive"), float("inf"))
    made, key = deliveries(COUNT), SECRET.encode()
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for claim, header in made:
            floor(header, claim.content, key)
        best["floor"] = min(best["floor"], (time.perf_counter() - begin) / COUNT * 1e6)
        best["drive"] = min(best["drive"], _drive(made))
        best["adrive"] = min(best["adrive"], asyncio.run(_adrive(made)))
    print(" ".join(f"{name} {spent:.2f} µs" for name, spent in best.items()))
    drive, adrive = best["drive"] / best["floor"], best["adrive"] / best["floor"]
    row("whole crossing by drive, × of the floor", drive, "<= 3", ok=drive <= 3)
    row(
        "whole crossing by adrive with a deadline, × of the floor",
        adrive,
        "<= 4.5",
        ok=adrive <= 4.5,
    )


def _drive(made: list[tuple[Claim, str]]) -> float:
    gate, payments = perimeter(is_async=False, deadline=None)
    with gate:
        begin = time.perf_counter()
        for claim, _ in made:
            gate.admit(payments, claim)
        return (time.perf_counter() - begin) / COUNT * 1e6


async def _adrive(made: list[tuple[Claim, str]]) -> float:
    gate, payments = perimeter(is_async=True, deadline=timedelta(seconds=10))
    async with gate:
        begin = time.perf_counter()
        for claim, _ in made:
            await gate.aadmit(payments, claim)
        return (time.perf_counter() - begin) / COUNT * 1e6


if __name__ == "__main__":
    main()
