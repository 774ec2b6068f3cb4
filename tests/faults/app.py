"""The guarded application of test_kill.py: real worker processes, all on one SQLite file."""

import os
import random
import sqlite3
import time
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from pratique import Perimeter, Secret, stores
from pratique.integrations.fastapi import endpoint, guard
from pratique.webhook import Webhook, providers
from tests.shop import SECRET, URL, Invoice

FILE = Path(os.environ["PRATIQUE_TEST_FILE"])


def connect() -> sqlite3.Connection:
    """Open the shop's database."""
    return sqlite3.connect(FILE, timeout=10)


perimeter = Perimeter(store=stores.sqlite3(connect))
payments = perimeter.declare(
    Webhook("payments", providers.stripe(secrets=Secret(SECRET, name="main"), livemode=True))
)


def linger() -> None:
    """Take a moment, so that a kill finds each step of a crossing under way."""
    time.sleep(random.random() * 0.004)


def confirm(event: Any) -> Invoice:
    """Believe that the invoice is paid."""
    linger()
    return Invoice(event.object_id, "cus_1")


def link(invoice: Invoice, db: sqlite3.Connection) -> Any:
    """Return the row of an invoice."""
    return db.execute("SELECT id, effects FROM invoice WHERE id = ?", (invoice.id,)).fetchone()


@payments.on(
    "invoice.paid",
    confirm=confirm,
    once=lambda i: i.id,
    link=link,
    allow=lambda _invoice, _row: True,
)
def pay(paid: Any, db: sqlite3.Connection) -> None:
    """Count the effect; `allow` would let a second one pass, so single use alone must stop it."""
    linger()
    db.execute("UPDATE invoice SET effects = effects + 1 WHERE id = ?", (paid.linked[0],))
    linger()


app = FastAPI()
app.add_api_route(URL, endpoint(payments), methods=["POST"])
guard(app, perimeter)
