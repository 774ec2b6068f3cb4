"""The application of inbox_run.py: a boundary that keeps its deliveries, in each of its processes."""

import os
import random
import time
from datetime import timedelta
from typing import Any

from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import Session, sessionmaker

from pratique import Perimeter, Secret, stores
from pratique.webhook import Inbox, Webhook, providers
from tests.shop import SECRET, Invoice

URL = os.environ["PRATIQUE_TEST_URL"]
QUEUE = os.environ.get("PRATIQUE_TEST_QUEUE", "own")
BROKER = os.environ.get("PRATIQUE_TEST_BROKER", "")
REDIS = os.environ.get("PRATIQUE_TEST_REDIS", "")
"""Where deliveries are kept there: the effect has a transaction of its own."""
LEASE = timedelta(seconds=4)

engine = create_engine(URL, pool_size=10)
if URL.startswith("sqlite"):

    @event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA busy_timeout = 10000")


perimeter = Perimeter(
    store=stores.redis(REDIS) if REDIS else stores.sqlalchemy(sessionmaker(engine)),
    deadline=timedelta(seconds=2),
    lease=LEASE,
)
payments = perimeter.declare(
    Webhook(
        "payments",
        providers.stripe(secrets=Secret(SECRET, name="main"), livemode=True),
        inbox=Inbox(first_pause=timedelta(seconds=1), lease=LEASE, attempts=1000),
    )
)


def linger() -> None:
    """Take a moment, so that a kill finds each step of a crossing under way."""
    time.sleep(random.random() * 0.004)


def confirm(event: Any) -> Invoice:
    """Believe that the invoice is paid."""
    linger()
    return Invoice(event.object_id, "cus_1")


def link(invoice: Invoice, db: Session) -> Any:
    """Return the row of an invoice."""
    asked = text("SELECT id FROM invoice WHERE id = :id")
    return db.execute(asked, {"id": invoice.id}).fetchone()


def pay(paid: Any, db: Session) -> None:
    """Count the effect; `allow` would let a second one pass, so single use alone must stop it."""
    linger()
    asked = text("UPDATE invoice SET effects = effects + 1 WHERE id = :id")
    db.execute(asked, {"id": paid.confirmed.id})
    linger()


def link_apart(invoice: Invoice) -> Any:
    """Return the row, read for itself."""
    with Session(engine) as db:
        return link(invoice, db)


def pay_apart(paid: Any) -> None:
    """Count the effect in a commit of its own, after which the store is told."""
    with Session(engine) as db, db.begin():
        pay(paid, db)
    linger()


payments.on(
    "invoice.paid",
    confirm=confirm,
    once=lambda invoice: invoice.id,
    link=link_apart if REDIS else link,
    allow=lambda _invoice, _row: True,
)(pay_apart if REDIS else pay)

celery_app: Any = None
procrastinate_app: Any = None
if QUEUE == "celery":
    from celery import Celery

    from pratique.integrations import celery as door

    celery_app = Celery("shop", broker=BROKER)
    celery_app.conf.broker_connection_retry_on_startup = True
    celery_app.conf.worker_hijack_root_logger = False
    door.start_in_workers(perimeter)
    door.inbox_task(celery_app, payments)
elif QUEUE == "procrastinate":
    from procrastinate import App, PsycopgConnector

    from pratique.integrations import procrastinate as queue

    conninfo = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    procrastinate_app = App(connector=PsycopgConnector(conninfo=conninfo))
    queue.inbox_task(procrastinate_app, payments)
