"""Delete each proof from the declaration, and replace each by a no-op: the first must not start, the second must let an attack in.

Run: python -m tests.faults.mutants
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from pratique import Perimeter, Refused, stores
from pratique.core.refusal import BoundaryError
from pratique.webhook import compile as opening
from pratique.webhook import verify
from tests.faults.noticed import Row, deletion, report, with_no_ops
from tests.shop import NOW, Invoice, boundary, claim

ROLES = ("confirm", "once", "link", "allow")
MISTAKES = (BoundaryError, TypeError)


class World:
    """A shop in a dictionary whose proofs can be swapped. `effects` lists what was applied."""

    def __init__(self, *, without: str = "", **swapped: Callable[..., Any]) -> None:
        self.invoices = {
            "in_1": Invoice("in_1", "cus_1"),
            "in_cheap": Invoice("in_cheap", "cus_1", amount=1),
            "in_stranger": Invoice("in_stranger", "cus_none"),
        }
        self.effects: list[str] = []
        proofs: dict[str, Any] = {
            "confirm": lambda event: self.invoices.get(event.object_id),
            "once": lambda invoice: invoice.id,
            "link": lambda invoice: invoice.customer if invoice.customer == "cus_1" else None,
            "allow": lambda invoice, row: invoice.amount == 2900,
        } | swapped
        proofs.pop(without, None)
        store = None if without == "store" else stores.memory()
        self.perimeter = Perimeter(store=store, clock=lambda: NOW, deadline=None)
        self.payments = self.perimeter.declare(boundary())

        def act(paid: Any) -> None:
            self.effects.append(str(paid.linked))

        on: Any = self.payments.on
        on("invoice.paid", **proofs)(act)

    def send(self, *args: Any, **more: Any) -> None:
        """Deliver one; a refusal is an answer."""
        try:
            self.perimeter.admit(self.payments, claim(*args, **more))
        except Refused:
            return


ATTACKS: dict[str, tuple[int, tuple[dict[str, Any], ...]]] = {
    # name: (effects that are legal, deliveries)
    "forged": (0, ({"secret": "whsec_of_somebody_else_1"},)),
    "stale": (0, ({"sent": NOW - timedelta(days=1)},)),
    "replayed": (1, ({}, {})),
    "another id": (1, ({}, {"event_id": "evt_2"})),
    "unknown at source": (0, ({"invoice": "in_9"},)),
    "a stranger's": (0, ({"invoice": "in_stranger"},)),
    "too cheap": (0, ({"invoice": "in_cheap"},)),
    "test mode": (0, ({"livemode": False},)),
}


def attack(make: Callable[[], World]) -> list[str]:
    """Run every attack on a fresh world; return the names of those that did more than is legal."""
    succeeded: list[str] = []
    for name, (legal, deliveries) in ATTACKS.items():
        world = make()
        with world.perimeter:
            for given in deliveries:
                more = dict(given)
                if more.pop("livemode", True) is False:
                    more["content"] = (
                        b'{"id":"evt_1","type":"invoice.paid","livemode":false,"data":{"object":{"id":"in_1"}}}'
                    )
                world.send(more.pop("event_id", "evt_1"), **more)
            if len(world.effects) > legal:
                succeeded.append(name)
    return succeeded


def deleted() -> list[Row]:
    """Delete each proof; say what the start says."""
    return [
        deletion(role, lambda role=role: World(without=role).perimeter.start(), MISTAKES)  # type: ignore[misc]
        for role in (*ROLES, "store")
    ]


def _believed(event: Any) -> Invoice:
    return Invoice(event.object_id, "cus_1")


def replaced() -> list[Row]:
    """Replace each proof by a no-op; say which attacks succeed."""
    always: Any = lambda self: lambda pieces, candidates: True  # noqa: E731
    nothing: Any = lambda *_, **__: None  # noqa: E731
    counter = iter(range(10**6))
    transaction = type(stores.memory().sync.begin())  # type: ignore[union-attr]

    mutants: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
        "authentic": ("forged", [patch.object(verify.HmacVerifier, "compiled", always)], {}),
        "fresh": ("stale", [patch.object(opening, "require_fresh_seconds", nothing)], {}),
        "unique: the store": (
            "replayed",
            [patch.object(transaction, "first_use", nothing)],
            {},
        ),
        "unique: the business key": ("another id", [], {"once": lambda _: next(counter)}),
        "confirmed": ("unknown at source", [], {"confirm": _believed}),
        "linked": ("a stranger's", [], {"link": lambda invoice: invoice.customer}),
        "allowed": ("too cheap", [], {"allow": lambda invoice, row: True}),
        "linked: the pins": ("test mode", [patch.object(opening, "_require_pins", nothing)], {}),
    }
    return with_no_ops(mutants, lambda **swapped: attack(lambda: World(**swapped)))


if __name__ == "__main__":
    raise SystemExit(report(deleted() + replaced()))
