"""A shop with one subscription table, on any store.

It has a provider that is asked, and the payments boundary.
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import create_engine, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.pool import NullPool

from pratique import LATER, Admitted, Claim, Fields, Later, Perimeter, Secret, stores
from pratique.webhook import Event, Webhook, providers

SECRET = "whsec_8sPq2Lx0Vt7RkYw3Zb5N"
URL = "/api/webhooks/payment"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Base(DeclarativeBase):
    """The shop's tables."""


class Subscription(Base):
    """One subscription; `upgrades` counts effects."""

    __tablename__ = "subscription"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str]
    state: Mapped[str] = mapped_column(default="pending")
    upgrades: Mapped[int] = mapped_column(default=0)
    amount: Mapped[int] = mapped_column(default=0)


class Invoice(msgspec.Struct, frozen=True):
    """What the provider says of an invoice when it is asked."""

    id: str
    customer: str
    status: str = "paid"
    amount: int = 2900
    currency: str = "eur"


@dataclass
class Provider:
    """The source of truth. It records who asked."""

    invoices: dict[str, Invoice] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def invoice(self, invoice_id: str) -> Invoice | None:
        """Return one invoice."""
        self.asked.append(invoice_id)
        return self.invoices.get(invoice_id)


def may_activate(invoice: Invoice, sub: Any) -> bool:
    """Say whether the present state allows the upgrade."""
    state = sub["state"] if isinstance(sub, (dict, sqlite3.Row)) else sub.state
    return state == "pending" and invoice.amount == 2900 and invoice.currency == "eur"


def delivery(
    event_id: str = "evt_1",
    *,
    invoice: str = "in_1",
    kind: str = "invoice.paid",
    secret: str = SECRET,
    at: datetime = NOW,
    content: bytes | None = None,
    **more: Any,
) -> tuple[bytes, list[tuple[str, str]]]:
    """Return one signed delivery: content and fields."""
    body = {
        "id": event_id,
        "type": kind,
        "livemode": True,
        "data": {"object": {"id": invoice}},
        **more,
    }
    raw = content if content is not None else json.dumps(body).encode()
    return raw, list(providers.stripe.seal(raw, secret=secret, at=at))


def claim(*args: Any, at: datetime = NOW, **more: Any) -> Claim:
    """Return the same as a claim."""
    content, fields = delivery(*args, at=more.pop("sent", at), **more)
    return Claim(content, Fields(fields), at)


def boundary(**more: Any) -> Webhook:
    """Return the payments boundary without a handler."""
    return Webhook(
        "payments", providers.stripe(secrets=Secret(SECRET, name="main"), livemode=True), **more
    )


def confirmation(provider: Provider, *, is_async: bool) -> Callable[[Event], Any]:
    """Return the callable that asks the provider."""

    def confirm(event: Event) -> Invoice | Later | None:
        invoice = provider.invoice(event.object_id)
        return (
            LATER
            if invoice is not None and invoice.status == "open"
            else invoice
            if invoice and invoice.status == "paid"
            else None
        )

    async def aconfirm(event: Event) -> Invoice | Later | None:
        return confirm(event)

    return aconfirm if is_async else confirm


@dataclass
class Shop:
    """Everything of one shop under test."""

    perimeter: Perimeter
    payments: Webhook
    provider: Provider
    rows: Callable[[], list[dict[str, Any]]]
    execute: Callable[[str], None]
    clock: list[datetime]

    @property
    def row(self) -> dict[str, Any]:
        """Return the first subscription."""
        return self.rows()[0]


def _provider() -> Provider:
    return Provider({"in_1": Invoice("in_1", "cus_1"), "in_2": Invoice("in_2", "cus_2")})


def _perimeter(store: Any, **more: Any) -> tuple[Perimeter, list[datetime]]:
    clock = [NOW]
    return Perimeter(store=store, clock=lambda: clock[0], **more), clock


def sync_orm(url: str, **more: Any) -> Shop:
    """Return a shop on a sync engine."""
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    maker = sessionmaker(engine)
    with maker.begin() as session:
        session.add_all(
            [Subscription(id=1, customer="cus_1"), Subscription(id=2, customer="cus_2")]
        )
    perimeter, clock = _perimeter(stores.sqlalchemy(maker), **more)
    payments, provider = perimeter.declare(boundary()), _provider()

    def link(invoice: Invoice, db: Session) -> Subscription | None:
        return db.scalar(
            select(Subscription).where(Subscription.customer == invoice.customer).with_for_update()
        )

    @payments.on(
        "invoice.paid",
        confirm=confirmation(provider, is_async=False),
        once=lambda i: i.id,
        link=link,
        allow=may_activate,
    )
    def activate(paid: Admitted[Event, Invoice, Subscription], db: Session) -> None:
        paid.linked.state = "active"
        paid.linked.upgrades += 1
        paid.linked.amount = paid.confirmed.amount

    return Shop(
        perimeter,
        payments,
        provider,
        lambda: _orm_rows(maker),
        lambda sql: _orm_execute(maker, sql),
        clock,
    )


def async_orm(url: str, **more: Any) -> Shop:
    """Return a shop on an async engine; rows are read back by a sync one."""
    plain = url.replace("+aiosqlite", "").replace("+asyncpg", "+psycopg")
    maker = sessionmaker(create_engine(plain))
    Base.metadata.create_all(maker.kw["bind"])
    with maker.begin() as session:
        session.add_all(
            [Subscription(id=1, customer="cus_1"), Subscription(id=2, customer="cus_2")]
        )
    perimeter, clock = _perimeter(
        stores.sqlalchemy(async_sessionmaker(create_async_engine(url, poolclass=NullPool))), **more
    )
    payments, provider = perimeter.declare(boundary()), _provider()

    async def link(invoice: Invoice, db: AsyncSession) -> Subscription | None:
        return await db.scalar(
            select(Subscription).where(Subscription.customer == invoice.customer).with_for_update()
        )

    @payments.on(
        "invoice.paid",
        confirm=confirmation(provider, is_async=True),
        once=lambda i: i.id,
        link=link,
        allow=may_activate,
    )
    async def activate(paid: Admitted[Event, Invoice, Subscription], db: AsyncSession) -> None:
        paid.linked.state = "active"
        paid.linked.upgrades += 1
        paid.linked.amount = paid.confirmed.amount

    return Shop(
        perimeter,
        payments,
        provider,
        lambda: _orm_rows(maker),
        lambda sql: _orm_execute(maker, sql),
        clock,
    )


def plain_sqlite3(path: Path, **more: Any) -> Shop:
    """Return a shop on the standard library's sqlite3."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=10)
        connection.row_factory = sqlite3.Row
        return connection

    with connect() as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(
            "CREATE TABLE subscription (id INTEGER PRIMARY KEY, customer TEXT, state TEXT, "
            "upgrades INT, amount INT)"
        )
        db.executemany(
            "INSERT INTO subscription VALUES (?, ?, 'pending', 0, 0)", [(1, "cus_1"), (2, "cus_2")]
        )
    perimeter, clock = _perimeter(stores.sqlite3(connect), **more)
    payments, provider = perimeter.declare(boundary()), _provider()

    def link(invoice: Invoice, db: sqlite3.Connection) -> sqlite3.Row | None:
        row: sqlite3.Row | None = db.execute(
            "SELECT * FROM subscription WHERE customer = ?", (invoice.customer,)
        ).fetchone()
        return row

    @payments.on(
        "invoice.paid",
        confirm=confirmation(provider, is_async=False),
        once=lambda i: i.id,
        link=link,
        allow=may_activate,
    )
    def activate(paid: Admitted[Event, Invoice, sqlite3.Row], db: sqlite3.Connection) -> None:
        db.execute(
            "UPDATE subscription SET state = 'active', upgrades = upgrades + 1, amount = ? "
            "WHERE id = ?",
            (paid.confirmed.amount, paid.linked["id"]),
        )

    def rows() -> list[dict[str, Any]]:
        with connect() as db:
            return [dict(row) for row in db.execute("SELECT * FROM subscription ORDER BY id")]

    def execute(sql: str) -> None:
        with connect() as db:
            db.execute(sql)

    return Shop(perimeter, payments, provider, rows, execute, clock)


def held(store: Any, *, is_async: bool = False, **more: Any) -> Shop:
    """Return a shop whose rows are in a dictionary, on a store without sessions."""
    rows: dict[str, dict[str, Any]] = {
        f"cus_{n}": {
            "id": n,
            "customer": f"cus_{n}",
            "state": "pending",
            "upgrades": 0,
            "amount": 0,
        }
        for n in (1, 2)
    }
    perimeter, clock = _perimeter(store, **more)
    payments, provider = perimeter.declare(boundary()), _provider()

    def link(invoice: Invoice) -> dict[str, Any] | None:
        return rows.get(invoice.customer)

    def activate(paid: Admitted[Event, Invoice, dict[str, Any]]) -> None:
        paid.linked.update(
            state="active", upgrades=paid.linked["upgrades"] + 1, amount=paid.confirmed.amount
        )

    payments.on(
        "invoice.paid",
        confirm=confirmation(provider, is_async=is_async),
        once=lambda i: i.id,
        link=link,
        allow=may_activate,
    )(activate)
    return Shop(
        perimeter,
        payments,
        provider,
        lambda: list(rows.values()),
        lambda _: rows["cus_1"].update(state="cancelled"),
        clock,
    )


def _orm_rows(maker: sessionmaker[Session]) -> list[dict[str, Any]]:
    with maker() as session:
        found = session.scalars(select(Subscription).order_by(Subscription.id))
        return [
            {
                "id": s.id,
                "customer": s.customer,
                "state": s.state,
                "upgrades": s.upgrades,
                "amount": s.amount,
            }
            for s in found
        ]


def _orm_execute(maker: sessionmaker[Session], sql: str) -> None:
    from sqlalchemy import text

    with maker.begin() as session:
        session.execute(text(sql))


@contextmanager
def started(shop: Shop) -> Iterator[Shop]:
    """Start and close a shop's perimeter."""
    with shop.perimeter:
        yield shop


@asynccontextmanager
async def astarted(shop: Shop) -> AsyncIterator[Shop]:
    """Start and close a shop's perimeter on the event loop."""
    async with shop.perimeter:
        yield shop


PAST = NOW - timedelta(days=1)
