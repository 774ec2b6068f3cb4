"""Shops whose handler does something more, and what the tests of stores share."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session, sessionmaker

from pratique import Perimeter, stores
from tests import shop as shops
from tests.shop import NOW, Base, Shop, Subscription, boundary


def orm(url: str, act: Callable[[Any], Any], *, link_lock: bool = True, maker: Any = None) -> Shop:
    """Return a shop on a sync engine whose handler changes the row, then does *act*."""
    made = maker or sessionmaker(create_engine(url))
    Base.metadata.create_all(made.kw["bind"])
    with made.begin() as session:
        session.add(Subscription(id=1, customer="cus_1"))
    perimeter = Perimeter(store=stores.sqlalchemy(made), clock=lambda: NOW)
    payments, provider = perimeter.declare(boundary()), shops._provider()

    def link(invoice: Any, db: Session) -> Any:
        query = select(Subscription).where(Subscription.customer == invoice.customer)
        return db.scalar(query.with_for_update() if link_lock else query)

    @payments.on(
        "invoice.paid",
        confirm=shops.confirmation(provider, is_async=False),
        once=lambda i: i.id,
        link=link,
        allow=shops.may_activate,
    )
    def activate(paid: Any, db: Session) -> None:
        paid.linked.state = "active"
        paid.linked.upgrades += 1
        act(db)

    rows, execute = lambda: shops._orm_rows(made), lambda sql: shops._orm_execute(made, sql)
    return Shop(perimeter, payments, provider, rows, execute, [NOW])


def plain(path: Path, act: Callable[[Any], Any]) -> Shop:
    """Return the same on sqlite3."""
    with sqlite3.connect(path) as db:
        db.execute(
            "CREATE TABLE subscription (id INTEGER PRIMARY KEY, customer TEXT, state TEXT, upgrades INT, amount INT)"
        )
        db.execute("INSERT INTO subscription VALUES (1, 'cus_1', 'pending', 0, 0)")
    db.close()

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=0.2)
        connection.row_factory = sqlite3.Row
        return connection

    perimeter = Perimeter(store=stores.sqlite3(connect), clock=lambda: NOW, deadline=None)
    payments, provider = perimeter.declare(boundary()), shops._provider()

    @payments.on(
        "invoice.paid",
        confirm=shops.confirmation(provider, is_async=False),
        once=lambda i: i.id,
        link=lambda invoice, db: db.execute(
            "SELECT * FROM subscription WHERE customer = ?", (invoice.customer,)
        ).fetchone(),
        allow=shops.may_activate,
    )
    def activate(paid: Any, db: sqlite3.Connection) -> None:
        db.execute(
            "UPDATE subscription SET state = 'active', upgrades = upgrades + 1 WHERE id = ?",
            (paid.linked["id"],),
        )
        act(db)

    def rows() -> list[dict[str, Any]]:
        db = connect()
        found = [dict(row) for row in db.execute("SELECT * FROM subscription")]
        db.close()
        return found

    def execute(sql: str) -> None:
        db = connect()
        with db:
            db.execute(sql)
        db.close()

    return Shop(perimeter, payments, provider, rows, execute, [NOW])
