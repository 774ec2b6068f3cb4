"""What the fault run keeps in PostgreSQL, and how its honest and hostile halves are told apart."""

from typing import Any

from sqlalchemy import BigInteger, Engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

HONEST = 20_000
"""Rows of each kind below that number are asked for by honest senders alone, those above by
attackers alone."""
ALL = 2 * HONEST
PRICE = 2900
"""Cents: each payment moves them from its customer to the shop."""


class Base(DeclarativeBase): ...


class Subscription(Base):
    __tablename__ = "subscription"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str]
    upgrades: Mapped[int]


class Account(Base):
    __tablename__ = "account"
    owner: Mapped[str] = mapped_column(primary_key=True)
    balance: Mapped[int] = mapped_column(BigInteger)


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    refunds: Mapped[int]


class Decision(Base):
    __tablename__ = "decision"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]
    decisions: Mapped[int]
    note: Mapped[str]


class Preview(Base):
    __tablename__ = "preview"
    id: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]


class Visit(Base):
    __tablename__ = "visit"
    id: Mapped[int] = mapped_column(primary_key=True)
    client: Mapped[str]


def fill(engine: Engine) -> None:
    """Make the tables with every row that will be asked for."""
    Base.metadata.create_all(engine)
    rows = f"generate_series(0, {ALL - 1}) n"
    with engine.begin() as db:
        for statement in (
            f"INSERT INTO subscription SELECT n, 'cus_' || n, 'pending', 0 FROM {rows}",
            f"INSERT INTO account SELECT 'cus_' || n, 0 FROM {rows}",
            "INSERT INTO account VALUES ('shop', 0)",
            f"INSERT INTO orders SELECT n, 'shop', 0 FROM {rows}",
            f"INSERT INTO decision SELECT n, 'new', 0, '' FROM {rows}",
        ):
            db.execute(text(statement))


def counted(engine: Engine, query: str) -> Any:
    """Return the first column of each row of a query."""
    with engine.connect() as db:
        return list(db.scalars(text(query)))
