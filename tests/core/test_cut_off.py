"""A crossing that is cancelled on its way is counted as what it is, and never as proven."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pratique import Perimeter
from pratique.core.event import Outcome
from pratique.stores import memory_store
from pratique.stores.memory_store import MemoryStore
from tests.shop import NOW, Invoice, boundary, claim
from tests.sink import Kept


class Holding(MemoryStore):
    """A store without transactions: keys are held around the effect."""

    transactional = False


class Case:
    """A boundary one of whose callables waits until it is let go on; sent a delivery."""

    def __init__(self, store: MemoryStore, waits_in: str) -> None:
        self.sink, self.waits_in = Kept(), waits_in
        self.is_there, self.goes_on = asyncio.Event(), asyncio.Event()
        self.perimeter = Perimeter(store, self.sink, clock=lambda: NOW, deadline=None)
        self.payments = self.perimeter.declare(boundary())

        async def allow(invoice: Any, row: Any) -> bool:
            _ = invoice, row
            await self.wait("allow")
            return True

        async def act(paid: Any) -> None:
            _ = paid
            await self.wait("act")

        self.payments.on(
            "invoice.paid",
            confirm=lambda event: Invoice(event.object_id, "cus_1"),
            once=lambda invoice: invoice.id,
            link=lambda invoice: invoice,
            allow=allow,
        )(act)

    async def wait(self, place: str) -> None:
        """Say that it was reached, and wait, where that is asked for."""
        if place == self.waits_in:
            self.is_there.set()
            await self.goes_on.wait()

    async def end(self, *, is_cancelled: bool) -> None:
        """Send a delivery; cancel it where it waits, or let it go on."""
        async with self.perimeter:
            task = asyncio.create_task(self.perimeter.aadmit(self.payments, claim()))
            await self.is_there.wait()
            if is_cancelled:
                task.cancel()
            else:
                self.goes_on.set()
            try:
                await task
            except asyncio.CancelledError:
                assert is_cancelled

    @property
    def ended(self) -> tuple[list[str], list[str]]:
        """Return the outcomes of its records, and those that were measured."""
        measured = self.perimeter.measures.crossings
        return [each.outcome for each in self.sink.records], [outcome for _, outcome in measured]


@pytest.mark.parametrize(
    ("store", "waits_in", "outcomes"),
    [
        (MemoryStore, "act", [Outcome.EFFECT_FAILED]),
        (MemoryStore, "commit", [Outcome.UNKNOWN]),
        (Holding, "act", [Outcome.UNKNOWN]),
        (MemoryStore, "allow", []),
        (Holding, "allow", []),
    ],
)
async def test_what_is_cancelled_is_not_proven(
    store: Callable[[], MemoryStore],
    waits_in: str,
    outcomes: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rolled back, it failed; where nobody knows, it says so; before its effect it is nothing.

    The twin that goes on is proven, once.
    """
    for is_cancelled, expected in ((True, outcomes), (False, [Outcome.PROVEN])):
        case = Case(store(), waits_in)
        commit = memory_store._AsyncMemoryTransaction.commit

        async def waiting(self: Any, case: Case = case, commit: Any = commit) -> None:
            await case.wait("commit")
            await commit(self)

        with monkeypatch.context() as patch:
            patch.setattr(memory_store._AsyncMemoryTransaction, "commit", waiting)
            await case.end(is_cancelled=is_cancelled)
        assert case.ended == (expected, expected)


@pytest.mark.parametrize("ends", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize(
    ("store", "outcome"), [(MemoryStore, Outcome.EFFECT_FAILED), (Holding, Outcome.UNKNOWN)]
)
def test_an_effect_that_ends_with_its_process_is_not_proven(
    store: Callable[[], MemoryStore], outcome: str, ends: type[BaseException]
) -> None:
    """The same on a thread: what leaves is what the effect raised; the next delivery has its own."""
    sink = Kept()
    perimeter = Perimeter(store(), sink, clock=lambda: NOW, deadline=None)
    payments, raised = perimeter.declare(boundary()), [ends]

    @payments.on(
        "invoice.paid",
        confirm=lambda event: Invoice(event.object_id, "cus_1"),
        once=lambda invoice: invoice.id,
        link=lambda invoice: invoice,
        allow=lambda invoice, row: True,
    )
    def act(paid: Any) -> None:
        _ = paid
        if raised:
            raise raised.pop()

    with perimeter:
        with pytest.raises(ends):
            perimeter.admit(payments, claim())
        assert [each.outcome for each in sink.records] == [outcome]
        assert sink.records[0].error == f"{ends.__name__} in the effect"
        perimeter.admit(payments, claim("evt_2", invoice="in_2"))
    assert [each.outcome for each in sink.records] == [outcome, Outcome.PROVEN]
    assert set(perimeter.measures.crossings) == {("payments", outcome), ("payments", "proven")}
