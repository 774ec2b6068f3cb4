"""What users must be able to write.

Each form of `on` type-checks, sync and async, with and without a typed content.
"""

from collections.abc import Awaitable, Callable
from datetime import date

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pratique import LATER, Admitted, Later, Obligation, Perimeter, Secret, unsafe
from pratique.webhook import Event, Webhook, providers


class Base(DeclarativeBase):
    """Tables."""


class Subscription(Base):
    """A row."""

    __tablename__ = "subscription"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str]
    state: Mapped[str]


class Invoice(msgspec.Struct):
    """What the source confirms."""

    id: str
    customer: str
    amount: int


class InvoicePaid(msgspec.Struct):
    """A typed content."""

    id: str


payments = Perimeter().declare(
    Webhook("payments", providers.stripe(secrets=Secret.env("KEY"), livemode=True))
)


async def aconfirm(event: Event) -> Invoice | Later | None:
    """Ask, async."""
    return Invoice(event.object_id, "cus", 1) if event.account else LATER


def confirm(event: Event) -> Invoice | None:
    """Ask, sync."""
    return Invoice(event.object_id, "cus", 1)


async def alink(invoice: Invoice, db: AsyncSession) -> Subscription | None:
    """Link, async."""
    return await db.scalar(select(Subscription).where(Subscription.customer == invoice.customer))


def link(invoice: Invoice, db: Session) -> Subscription | None:
    """Link, sync."""
    return db.scalar(select(Subscription).where(Subscription.customer == invoice.customer))


def link_alone(invoice: Invoice) -> Subscription | None:
    """Link without a session."""
    return Subscription(customer=invoice.customer)


@payments.on(
    "a",
    confirm=aconfirm,
    once=lambda i: i.id,
    link=alink,
    allow=lambda i, s: s.state == "new" and i.amount > 0,
)
async def activate(paid: Admitted[Event, Invoice, Subscription], db: AsyncSession) -> None:
    """Act, async, with the session."""
    paid.linked.state = str(paid.confirmed.amount)


@payments.on(
    "b", confirm=confirm, once=lambda i: i.id, link=link, allow=lambda i, s: s.state == "new"
)
def activate_sync(paid: Admitted[Event, Invoice, Subscription], db: Session) -> None:
    """Act, sync, with the session."""
    paid.linked.state = paid.value.id


@payments.on(
    "c", confirm=confirm, once=lambda i: (i.id, 1), link=link_alone, allow=lambda i, s: bool(s.id)
)
def activate_alone(paid: Admitted[Event, Invoice, Subscription]) -> None:
    """Act, sync, without a session."""


async def confirm_content(event: Event[InvoicePaid]) -> Invoice | None:
    """Ask with a typed content."""
    return Invoice(event.content.id, "cus", 1)


@payments.on(
    "d",
    content=InvoicePaid,
    confirm=confirm_content,
    once=lambda i: i.id,
    link=alink,
    allow=lambda i, s: True,
)
async def activate_typed(
    paid: Admitted[Event[InvoicePaid], Invoice, Subscription], db: AsyncSession
) -> None:
    """Act on a typed content."""
    assert paid.value.content.id


def link_event(event: Event) -> Subscription | None:
    """Link by the event alone."""
    return Subscription(customer=event.account)


WAIVER = unsafe.waive(
    Obligation.CONFIRMED, reason="no API", owner="ops", until=date(2027, 1, 1), bound="1 EUR"
)


@payments.on("e", once=lambda e: e.id, link=link_event, allow=lambda e, s: True, waivers=[WAIVER])
def activate_waived(paid: Admitted[Event, None, Subscription]) -> None:
    """Act without a confirmation, by a waiver."""


kept: Callable[[Admitted[Event, Invoice, Subscription], AsyncSession], Awaitable[None]] = activate
