"""Effect and single use are one commit.

Who tries to part them is refused, at start or when it happens.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from pratique import Perimeter, Refused, stores
from pratique.core.refusal import BoundaryError
from tests import shop as shops
from tests.shop import NOW, Base, Subscription, boundary, claim
from tests.shop_with import orm, plain


def nested(db: Session) -> None:
    """Change something inside a savepoint."""
    with db.begin_nested():
        db.execute(text("UPDATE subscription SET amount = 7 WHERE id = 1"))


def nested_and_undone(db: Session) -> None:
    """Undo a savepoint."""
    point = db.begin_nested()
    db.execute(text("UPDATE subscription SET amount = 7 WHERE id = 1"))
    point.rollback()


def swallowed(db: Session) -> None:
    """Commit, and hide what it raised."""
    try:
        db.commit()
    except BoundaryError:
        return


def anew(db: Session) -> None:
    """Leave our transaction, and commit the effect in another one."""
    db.rollback()
    db.execute(text("UPDATE subscription SET upgrades = 7 WHERE id = 1"))
    db.commit()


ORM_ENDS = {
    "session.commit": lambda db: db.commit(),
    "session.rollback": lambda db: db.rollback(),
    "session.close": lambda db: db.close(),
    "connection.commit": lambda db: db.connection().commit(),
    "raw COMMIT": lambda db: db.execute(text("COMMIT")),
    "raw commit after a comment": lambda db: db.execute(text("/* now */ commit")),
    "driver's COMMIT": lambda db: db.connection().exec_driver_sql("COMMIT"),
    "driver's ROLLBACK": lambda db: db.connection().exec_driver_sql("ROLLBACK"),
    "swallowed": swallowed,
    "begun anew": anew,
}
ORM_STAYS = {
    "nothing": lambda _: None,
    "begin_nested": nested,
    "begin_nested rolled back": nested_and_undone,
    "flush": lambda db: db.flush(),
    "the word in a value": lambda db: db.execute(
        text("UPDATE subscription SET customer = 'x; commit' WHERE id = 1")
    ),
}
PLAIN_ENDS = {
    "connection.commit": lambda db: db.commit(),
    "connection.rollback": lambda db: db.rollback(),
    "with connection": lambda db: db.__exit__(None, None, None),
    "raw COMMIT": lambda db: db.execute("COMMIT"),
    "raw END": lambda db: db.execute("END"),
    "executescript": lambda db: db.executescript("UPDATE subscription SET amount = 7"),
}


def savepoint(db: sqlite3.Connection) -> None:
    """Use a savepoint."""
    db.execute("SAVEPOINT mine")
    db.execute("UPDATE subscription SET amount = 7")
    db.execute("ROLLBACK TO mine")
    db.execute("RELEASE mine")


@pytest.mark.parametrize("end", ORM_ENDS)
def test_a_handler_that_ends_the_transaction_has_no_effect(url: str, end: str) -> None:
    """It is refused before it happens; nothing was written, neither the effect nor the key."""
    shop = orm(url, ORM_ENDS[end])
    with shop.perimeter as perimeter:
        for _ in range(2):
            with pytest.raises(BoundaryError, match="transaction"):
                perimeter.admit(shop.payments, claim())
            assert (shop.row["state"], shop.row["upgrades"]) == ("pending", 0)


@pytest.mark.parametrize("stay", ORM_STAYS)
def test_a_handler_that_leaves_the_commit_to_us_has_one_effect(url: str, stay: str) -> None:
    """The twin: savepoints and flushes are fine, and the second delivery is a duplicate."""
    shop = orm(url, ORM_STAYS[stay])
    with shop.perimeter as perimeter:
        perimeter.admit(shop.payments, claim())
        with pytest.raises(Refused) as refused:
            perimeter.admit(shop.payments, claim())
    assert refused.value.code == "replayed"
    assert (shop.row["state"], shop.row["upgrades"]) == ("active", 1)


@pytest.mark.parametrize("end", PLAIN_ENDS)
def test_sqlite_itself_denies_a_handler_the_end_of_the_transaction(
    tmp_path: Path, end: str
) -> None:
    """COMMIT, ROLLBACK and executescript are denied by SQLite's authorizer."""
    shop = plain(tmp_path / "shop.db", PLAIN_ENDS[end])
    with shop.perimeter as perimeter:
        for _ in range(2):
            with pytest.raises((sqlite3.DatabaseError, BoundaryError)):
                perimeter.admit(shop.payments, claim())
            assert (shop.row["state"], shop.row["upgrades"]) == ("pending", 0)


@pytest.mark.parametrize("stay", [savepoint, lambda _: None])
def test_a_savepoint_on_sqlite3_is_admitted(tmp_path: Path, stay: Callable[[Any], None]) -> None:
    """The twin: savepoints stay allowed."""
    shop = plain(tmp_path / "shop.db", stay)
    with shop.perimeter as perimeter:
        perimeter.admit(shop.payments, claim())
    assert (shop.row["state"], shop.row["upgrades"], shop.row["amount"]) == ("active", 1, 0)


@pytest.mark.server
async def test_an_async_handler_that_commits_has_no_effect(pg_url: str) -> None:
    """`await session.commit()` on asyncpg is refused like the sync one.

    Without it the same handler has its effect.
    """
    engine = create_async_engine(pg_url.replace("+psycopg", "+asyncpg"))
    plain_maker = sessionmaker(create_engine(pg_url))
    Base.metadata.create_all(plain_maker.kw["bind"])
    with plain_maker.begin() as session:
        session.add(Subscription(id=1, customer="cus_1"))
    for commits in (True, False):
        perimeter = Perimeter(
            store=stores.sqlalchemy(async_sessionmaker(engine)), clock=lambda: NOW
        )
        payments, provider = perimeter.declare(boundary()), shops._provider()

        async def link(invoice: Any, db: Any) -> Any:
            return await db.scalar(
                select(Subscription).where(Subscription.customer == invoice.customer)
            )

        async def activate(paid: Any, db: Any, *, commits: bool = commits) -> None:
            paid.linked.upgrades += 1
            if commits:
                await db.commit()

        payments.on(
            "invoice.paid",
            confirm=shops.confirmation(provider, is_async=True),
            once=lambda i: i.id,
            link=link,
            allow=shops.may_activate,
        )(activate)
        async with perimeter:
            if commits:
                with pytest.raises(BoundaryError):
                    await perimeter.aadmit(payments, claim())
            else:
                await perimeter.aadmit(payments, claim())
        assert shops._orm_rows(plain_maker)[0]["upgrades"] == (0 if commits else 1)
    await engine.dispose()
    plain_maker.kw["bind"].dispose()


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_row_cancelled_between_confirm_and_effect_is_not_activated(
    url: str, is_cancelled: bool
) -> None:
    """The source is asked before the transaction; `allow` judges the row inside it."""
    shop = orm(url, lambda _: None)
    confirmed = shop.provider.invoice

    def invoice(invoice_id: str) -> Any:
        if is_cancelled:
            shop.execute("UPDATE subscription SET state = 'cancelled' WHERE id = 1")
        return confirmed(invoice_id)

    shop.provider.invoice = invoice  # type: ignore[method-assign]
    with shop.perimeter as perimeter:
        if is_cancelled:
            with pytest.raises(Refused) as refused:
                perimeter.admit(shop.payments, claim())
            assert refused.value.code == "not_allowed"
        else:
            perimeter.admit(shop.payments, claim())
    assert shop.row["state"] == ("cancelled" if is_cancelled else "active")


@pytest.mark.server
@pytest.mark.parametrize("link_lock", [True, False])
def test_a_linked_row_is_locked_until_the_commit(pg_url: str, link_lock: bool) -> None:
    """On PostgreSQL nobody else changes the row between `allow` and commit.

    Also where `link` forgot FOR UPDATE.
    """
    import psycopg

    tried: list[str] = []

    def cancel(_: Session) -> None:
        other = create_engine(pg_url, connect_args={"options": "-c lock_timeout=100"})
        try:
            with other.begin() as connection:
                connection.execute(text("UPDATE subscription SET state = 'cancelled' WHERE id = 1"))
            tried.append("changed")
        except Exception as error:
            tried.append(type(getattr(error, "orig", error)).__name__)
        other.dispose()

    shop = orm(pg_url, cancel, link_lock=link_lock)
    with shop.perimeter as perimeter:
        perimeter.admit(shop.payments, claim())
    assert tried == [psycopg.errors.LockNotAvailable.__name__]
    assert shop.row["state"] == "active"
    shop.execute("UPDATE subscription SET state = 'cancelled' WHERE id = 1")
    assert shop.row["state"] == "cancelled"


@pytest.mark.server
def test_a_row_cancelled_after_link_read_it_is_judged_as_it_is_now(pg_url: str) -> None:
    """A `link` without FOR UPDATE read "pending".

    Cancelled before our lock, `allow` sees "cancelled".
    """
    shop = orm(pg_url, lambda _: None, link_lock=False)

    def cancel(target: Session) -> None:
        if any(isinstance(thing, Subscription) for thing in target.identity_map.values()):
            shop.execute("UPDATE subscription SET state = 'cancelled' WHERE id = 1")

    from pratique.stores.sqlalchemy_store import transaction

    lock = transaction.SqlTransaction.lock

    def late(self: Any, linked: object) -> None:
        cancel(self.session)
        lock(self, linked)

    with pytest.MonkeyPatch.context() as patch, shop.perimeter as perimeter:
        patch.setattr(transaction.SqlTransaction, "lock", late)
        with pytest.raises(Refused) as refused:
            perimeter.admit(shop.payments, claim())
    assert refused.value.obligation.value == "allowed"
    assert shop.row["state"] == "cancelled"
