"""A worker that kills itself with SIGKILL: `python -m tests.faults.inbox_victim URL PLACE`."""

import os
import signal
import sys
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, sessionmaker

from pratique import Perimeter, Secret, stores
from pratique.webhook import Inbox, Webhook, providers
from tests.shop import SECRET, Invoice


class Victim:
    """A shop that keeps its deliveries, and dies at a place.

    Args:
        url: Of its database, which has a table of invoices.
        place: "confirm", "effect", or "" for a long life.
    """

    def __init__(self, url: str, place: str = "") -> None:
        self.engine = create_engine(url)
        self.perimeter = Perimeter(store=stores.sqlalchemy(sessionmaker(self.engine)))
        self.payments: Webhook = self.perimeter.declare(
            Webhook(
                "payments",
                providers.stripe(secrets=Secret(SECRET, name="main"), livemode=True),
                inbox=Inbox(),
            )
        )

        def die(here: str) -> None:
            if here == place:
                os.kill(os.getpid(), signal.SIGKILL)

        def confirm(event: Any) -> Invoice:
            die("confirm")
            return Invoice(event.object_id, "cus_1")

        @self.payments.on(
            "invoice.paid",
            confirm=confirm,
            once=lambda invoice: invoice.id,
            link=lambda invoice, _db: invoice.id,
            allow=lambda _invoice, _row: True,
        )
        def pay(paid: Any, db: Session) -> None:
            asked = text("UPDATE invoice SET effects = effects + 1 WHERE id = :id")
            db.execute(asked, {"id": paid.confirmed.id})
            die("effect")  # it is done, and not committed

    def rows(self, statement: str) -> list[Any]:
        """Ask past everybody."""
        with self.engine.begin() as db:
            found = db.execute(text(statement))
            return [tuple(row) for row in found] if found.returns_rows else []


def main() -> None:
    """Work everything, until the end comes."""
    _, url, place = sys.argv
    victim = Victim(url, place)
    with victim.perimeter:
        victim.payments.worker().drain()


if __name__ == "__main__":
    main()
