"""The guarded application of test_kill.py: real worker processes, all on one database.

With a URL for the file it is a PostgreSQL. With PRATIQUE_TEST_REDIS the keys are in a Redis, and the effect is a commit of its own.
"""

import os
import random
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from typing import Any

from fastapi import FastAPI

from pratique import Perimeter, Secret, stores
from pratique.integrations.fastapi import endpoint, guard
from pratique.webhook import Webhook, providers
from tests.shop import SECRET, URL, Invoice

DATABASE = os.environ["PRATIQUE_TEST_DATABASE"]
IS_FILE = "://" not in DATABASE
FIND = "SELECT id, effects FROM invoice WHERE id = " + ("?" if IS_FILE else "%s FOR UPDATE")
COUNT = "UPDATE invoice SET effects = effects + 1 WHERE id = " + ("?" if IS_FILE else "%s")
REDIS = os.environ.get("PRATIQUE_TEST_REDIS", "")


def connect() -> sqlite3.Connection:
    """Open the shop's database."""
    return sqlite3.connect(DATABASE, timeout=10)


perimeter = (
    Perimeter(store=stores.redis(REDIS), lease=timedelta(seconds=3))
    if REDIS
    else Perimeter(store=stores.sqlite3(connect) if IS_FILE else stores.postgres(DATABASE))
)
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


def link(invoice: Invoice, db: Any) -> Any:
    """Return the row of an invoice."""
    return db.execute(FIND, (invoice.id,)).fetchone()


def pay(paid: Any, db: Any) -> None:
    """Count the effect; `allow` would let a second one pass, so single use alone must stop it."""
    linger()
    db.execute(COUNT, (paid.linked[0],))
    linger()


def link_alone(invoice: Invoice) -> Any:
    """Do the same on a connection of its own."""
    with closing(connect()) as db:
        return link(invoice, db)


def pay_alone(paid: Any) -> None:
    """Do the same in a commit of its own: a kill after it, and before the key is settled."""
    with closing(connect()) as db:
        with db:
            pay(paid, db)
        linger()


payments.on(
    "invoice.paid",
    confirm=confirm,
    once=lambda i: i.id,
    link=link_alone if REDIS else link,
    allow=lambda _invoice, _row: True,
)(pay_alone if REDIS else pay)


app = FastAPI()
app.add_api_route(URL, endpoint(payments), methods=["POST"])
guard(app, perimeter)
