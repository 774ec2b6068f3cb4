"""A Stripe by other people, as a real server.

Its own signed webhooks upgrade a subscription exactly once.
"""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import stripe
from fastapi import FastAPI
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session, sessionmaker

from pratique import Admitted, Perimeter, Secret, stores
from pratique.integrations.fastapi import endpoint, guard
from pratique.webhook import Event, Webhook, providers
from tests.processes import by_uvicorn, free_port, listens, wait_for
from tests.shop import SECRET, URL, Base, Subscription

API_KEY = "sk_test_12345678"
PAID = "invoice.payment_succeeded"
pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start localstripe, point the official SDK at it, return its base URL."""
    port = free_port()
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "localstripe.server",
        "--port",
        str(port),
        "--from-scratch",
    ]
    with (tmp_path / "localstripe.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=log, stderr=log, env={**os.environ, "HOME": str(tmp_path)}
        )
        wait_for(lambda: listens(port))
        base = f"http://127.0.0.1:{port}"
        monkeypatch.setattr(stripe, "api_base", base)
        monkeypatch.setattr(stripe, "api_key", API_KEY)
        # By itself the SDK has one a thread, and leaves it open when the thread ends.
        with requests.Session() as session:
            monkeypatch.setattr(
                stripe, "default_http_client", stripe.RequestsClient(session=session)
            )
            yield base
        process.terminate()
        process.wait(10)


@dataclass
class Endpoint:
    """The guarded application, and what came to it."""

    app: FastAPI
    url: str = ""
    answers: list[int] = field(default_factory=list)


@contextlib.contextmanager
def served(perimeter: Perimeter, payments: Webhook) -> Iterator[Endpoint]:
    """Serve the guarded application by uvicorn on a thread, and note the status of each answer."""
    app = FastAPI()
    app.add_api_route(URL, endpoint(payments), methods=["POST"])
    guard(app, perimeter)
    end = Endpoint(app)

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            if message["type"] == "http.response.start":
                end.answers.append(message["status"])
            await send(message)

        await app(scope, receive, note if scope["type"] == "http" else send)

    with by_uvicorn(noting) as port:
        end.url = f"http://127.0.0.1:{port}{URL}"
        yield end


def confirm(event: Event) -> Any:
    """Ask the official SDK whether the invoice is paid."""
    invoice = stripe.Invoice.retrieve(event.object_id)
    return invoice if invoice.status == "paid" else None


def may_activate(invoice: Any, sub: Subscription) -> bool:
    """Say whether the upgrade is legal now."""
    return sub.state == "pending" and invoice.amount_paid == 2900 and invoice.currency == "eur"


def link(invoice: Any, db: Session) -> Subscription | None:
    """Find our row by the customer that Stripe names."""
    return db.scalar(
        select(Subscription).where(Subscription.customer == invoice.customer).with_for_update()
    )


def shop(url: str) -> tuple[Perimeter, Webhook, sessionmaker[Session]]:
    """Return the shop on a database."""
    maker = sessionmaker(create_engine(url))
    Base.metadata.create_all(maker.kw["bind"])
    perimeter = Perimeter(store=stores.sqlalchemy(maker))
    scheme = providers.stripe(secrets=Secret(SECRET, name="main"), livemode=False)
    payments = perimeter.declare(Webhook("payments", scheme))

    @payments.on(
        PAID, confirm=confirm, once=lambda invoice: invoice.id, link=link, allow=may_activate
    )
    def activate(paid: Admitted[Event, Any, Subscription], db: Session) -> None:
        paid.linked.state = "active"
        paid.linked.upgrades += 1
        paid.linked.amount = paid.confirmed.amount_paid

    return perimeter, payments, maker


def register(api: str, url: str, secret: str) -> None:
    """Register two webhooks on one URL.

    Localstripe never retries, so each event comes twice this way.
    """
    for name in ("first", "second"):
        answer = httpx.post(
            f"{api}/_config/webhooks/{name}", json={"url": url, "secret": secret, "events": [PAID]}
        )
        answer.raise_for_status()


def customer_with_card() -> tuple[str, str]:
    """Return a plan of 29 EUR and a customer who can pay it."""
    method = stripe.PaymentMethod.create(
        type="card",
        card={"number": "4242424242424242", "exp_month": 12, "exp_year": 2030, "cvc": "123"},
    )
    customer = stripe.Customer.create(email="ada@example.com")
    stripe.PaymentMethod.attach(method.id, customer=customer.id)
    stripe.Customer.modify(customer.id, invoice_settings={"default_payment_method": method.id})
    product = stripe.Product.create(name="Pro", type="service")
    plan = stripe.Plan.create(amount=2900, currency="eur", interval="month", product=product.id)
    return plan.id, customer.id


URLS = ["sqlite", pytest.param("postgresql")]


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("pg_url"))
    path = tmp_path / "shop.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    return f"sqlite:///{path}"


@pytest.mark.parametrize(
    ("secret", "statuses", "state", "upgrades"),
    [(SECRET, [200, 200], "active", 1), ("whsec_somebody_elses_Zk3n8", [401, 401], "pending", 0)],
    ids=["ours", "somebody else's secret"],
)
def test_a_paid_invoice_upgrades_once_though_it_comes_twice(
    api: str, url: str, secret: str, statuses: list[int], state: str, upgrades: int
) -> None:
    """Two deliveries with one event id: one effect.

    The same deliveries under another secret: none.
    """
    perimeter, payments, maker = shop(url)
    with served(perimeter, payments) as end:
        register(api, end.url, secret)
        plan, customer = customer_with_card()
        with maker.begin() as session:
            session.add(Subscription(id=1, customer=customer))
        stripe.Subscription.create(customer=customer, items=[{"plan": plan}])
        wait_for(lambda: len(end.answers) >= 2)
        time.sleep(0.2)  # a third would be one too many
    assert end.answers == statuses
    with maker() as session:
        sub = session.get_one(Subscription, 1)
        assert (sub.state, sub.upgrades) == (state, upgrades)
    maker.kw["bind"].dispose()
