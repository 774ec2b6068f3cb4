"""The same API, guarded: the webhook boundary on the user's own SQLite file."""

import sqlite3
from datetime import timedelta
from http import HTTPStatus

import httpx
import msgspec
from fastapi import FastAPI

from pratique import LATER, Admitted, Later, Perimeter, stores
from pratique.events import AT_ONCE, JsonLines
from pratique.integrations.fastapi import endpoint, guard
from pratique.webhook import Event, Webhook, providers

from .database import connect, crash_due

PRICE = 2900
"""Cents: the price of the plan, from our own state."""


class Invoice(msgspec.Struct, frozen=True):
    """What the provider says of an invoice, with bounds."""

    id: str
    customer: str
    status: str
    amount: int
    currency: str
    livemode: bool


def declared(path: str, secret: str, provider: str) -> tuple[Perimeter, Webhook]:
    """Declare the boundary: what is owed, and who proves it."""
    perimeter = Perimeter(
        store=stores.sqlite3(lambda: connect(path)),
        events=JsonLines(f"{path}.events.jsonl", delay=AT_ONCE),
        deadline=timedelta(seconds=5),
    )
    payments = perimeter.declare(
        Webhook("payments", providers.stripe(secrets=secret, livemode=True, account="acct_shop"))
    )

    async def invoice_at_provider(event: Event) -> Invoice | Later | None:
        async with httpx.AsyncClient(trust_env=False, timeout=3) as client:
            answer = await client.get(f"{provider}/v1/invoices/{event.object_id}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        invoice = msgspec.json.decode(answer.raise_for_status().content, type=Invoice)
        if invoice.status == "open":
            return LATER
        return invoice if invoice.status == "paid" and invoice.livemode else None

    def subscription_of(invoice: Invoice, db: sqlite3.Connection) -> sqlite3.Row | None:
        found = db.execute("SELECT * FROM subscription WHERE customer = ?", (invoice.customer,))
        row: sqlite3.Row | None = found.fetchone()
        return row

    def may_activate(invoice: Invoice, sub: sqlite3.Row) -> bool:
        return sub["state"] == "pending" and (invoice.amount, invoice.currency) == (PRICE, "eur")

    @payments.on(
        "invoice.paid",
        confirm=invoice_at_provider,
        once=lambda invoice: invoice.id,
        link=subscription_of,
        allow=may_activate,
        counterexample=lambda: (
            Invoice("in_0", "cus_0", "paid", 1, "eur", livemode=True),
            {"state": "pending"},
        ),
    )
    def activate(paid: Admitted[Event, Invoice, sqlite3.Row], db: sqlite3.Connection) -> None:
        db.execute(
            "UPDATE subscription SET plan = 'pro', state = 'active', upgrades = upgrades + 1 "
            "WHERE id = ?",
            (paid.linked["id"],),
        )
        if crash_due(path, paid.confirmed.id):
            message = "the process dies after the update"
            raise RuntimeError(message)

    return perimeter, payments


def guarded(path: str, secret: str, provider: str) -> FastAPI:
    """Return the guarded API."""
    perimeter, payments = declared(path, secret, provider)
    app = guard(FastAPI(), perimeter)
    app.post("/api/webhooks/payment")(endpoint(payments))
    return app
