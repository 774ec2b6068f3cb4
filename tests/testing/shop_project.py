"""A user's project in one folder: an application with a webhook and its client API, and its suite."""

SHOP = """
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from fastapi import FastAPI
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker
from sqlalchemy.orm import Session as Db
from sqlalchemy.pool import StaticPool

from pratique import Admitted, Perimeter, Proven, Secret, stores
from pratique.client import Change, Client, Session, SessionCookie
from pratique.integrations.fastapi import endpoint, guard, owned
from pratique.webhook import Event, Webhook, providers

SECRET = "whsec_8sPq2Lx0Vt7RkYw3Zb5N"
TOKENS = {"a" * 32: 1, "b" * 32: 2}
INVOICES = {"in_1": "cus_1", "in_2": "cus_2"}
NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

class Base(DeclarativeBase): ...

class Subscription(Base):
    __tablename__ = "subscription"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str]
    state: Mapped[str] = mapped_column(default="pending")

class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    note: Mapped[str] = mapped_column(default="")

class OrderChange(msgspec.Struct, forbid_unknown_fields=True):
    note: str = ""

class User(msgspec.Struct, frozen=True):
    id: int

class Shop:
    def __init__(self, clock=lambda: NOON):
        self.new = sessionmaker(
            create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        )
        Base.metadata.create_all(self.new.kw["bind"])
        with self.new.begin() as db:
            db.add_all([Subscription(id=1, customer="cus_1"), Subscription(id=2, customer="cus_2")])
            db.add_all([Order(id=10, owner_id=1), Order(id=20, owner_id=2)])
        self.perimeter = Perimeter(store=stores.sqlalchemy(self.new), clock=clock)
        self.payments = self.perimeter.declare(
            Webhook("payments", providers.stripe(secrets=Secret(SECRET, name="main"), livemode=True))
        )

        @self.payments.on(
            "invoice.paid",
            confirm=lambda event: INVOICES.get(event.object_id),
            once=lambda customer: customer,
            link=lambda customer, db: db.query(Subscription).filter_by(customer=customer).one_or_none(),
            allow=lambda customer, row: row.state == "pending",
        )
        def activate(paid: Admitted[Event, str, Subscription], db: Db) -> None:
            paid.linked.state = "active"

        identity = SessionCookie("session", session_of, origins=["https://shop.example"])
        self.shop = self.perimeter.declare(
            Client("shop", identity=identity, user=lambda subject: User(subject), policy=may)
        )
        self.app = guard(FastAPI(), self.perimeter)
        self.app.post("/hooks/payments")(endpoint(self.payments))

        def session():
            with self.new.begin() as db:
                yield db

        update = owned(self.shop, Order.owner_id, "update", session=session, content=OrderChange)
        @self.app.patch("/orders/{order_id}")
        def change(asked: Annotated[Proven[Change[Order, OrderChange], Literal["update"]], update]) -> dict[str, bool]:
            asked.value.object.note = asked.value.content.note
            return {"ok": True}

def session_of(digest):
    for token, user in TOKENS.items():
        if sha256(token.encode()).hexdigest() == digest:
            return Session(user, NOON - timedelta(minutes=5), NOON - timedelta(minutes=5))
    return None

def may(user, action, order):
    return action == "update"
"""
