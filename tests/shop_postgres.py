"""The shop on psycopg's own connections, sync and async."""

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.rows import dict_row

from pratique import Perimeter, stores
from tests import shop as shops
from tests.shop import NOW, Shop

_ROW = "SELECT * FROM subscription WHERE customer = %s FOR UPDATE"
_EFFECT = (
    "UPDATE subscription SET state = 'active', upgrades = upgrades + 1, amount = %s WHERE id = %s"
)


def plain(url: str) -> str:
    """Return libpq's URL of SQLAlchemy's."""
    return url.replace("+psycopg", "")


def prepare(url: str) -> None:
    """Make the shop's table, with two rows."""
    with psycopg.connect(plain(url)) as db:
        db.execute(
            "CREATE TABLE IF NOT EXISTS subscription (id INT PRIMARY KEY, customer TEXT, "
            "state TEXT, upgrades INT, amount INT)"
        )
        db.execute(
            "INSERT INTO subscription VALUES (1, 'cus_1', 'pending', 0, 0), "
            "(2, 'cus_2', 'pending', 0, 0) ON CONFLICT DO NOTHING"
        )


def sync(
    url: str,
    act: Callable[[Any], Any] = lambda _: None,
    *,
    store: Any = None,
    row: str = _ROW,
    **more: Any,
) -> Shop:
    """Return a shop whose handler changes the row, then does *act*."""
    prepare(url)
    clock = [NOW]
    perimeter = Perimeter(store=store or stores.postgres(url), clock=lambda: clock[0], **more)
    payments, provider = perimeter.declare(shops.boundary()), shops._provider()

    def link(invoice: Any, db: psycopg.Connection[Any]) -> Any:
        return db.cursor(row_factory=dict_row).execute(row, (invoice.customer,)).fetchone()

    @payments.on(
        "invoice.paid",
        confirm=shops.confirmation(provider, is_async=False),
        once=lambda i: i.id,
        link=link,
        allow=shops.may_activate,
    )
    def activate(paid: Any, db: psycopg.Connection[Any]) -> None:
        db.execute(_EFFECT, (paid.confirmed.amount, paid.linked["id"]))
        act(db)

    return Shop(
        perimeter, payments, provider, lambda: _rows(url), lambda sql: _execute(url, sql), clock
    )


async def _nothing(_: Any) -> None:
    return None


def asynchronous(
    url: str, act: Callable[[Any], Any] = _nothing, *, store: Any = None, **more: Any
) -> Shop:
    """Return the same on the event loop."""
    prepare(url)
    clock = [NOW]
    made = store or stores.postgres(url, connection=psycopg.AsyncConnection)
    perimeter = Perimeter(store=made, clock=lambda: clock[0], **more)
    payments, provider = perimeter.declare(shops.boundary()), shops._provider()

    async def link(invoice: Any, db: psycopg.AsyncConnection[Any]) -> Any:
        found = await db.cursor(row_factory=dict_row).execute(_ROW, (invoice.customer,))
        return await found.fetchone()

    @payments.on(
        "invoice.paid",
        confirm=shops.confirmation(provider, is_async=True),
        once=lambda i: i.id,
        link=link,
        allow=shops.may_activate,
    )
    async def activate(paid: Any, db: psycopg.AsyncConnection[Any]) -> None:
        await db.execute(_EFFECT, (paid.confirmed.amount, paid.linked["id"]))
        await act(db)

    return Shop(
        perimeter, payments, provider, lambda: _rows(url), lambda sql: _execute(url, sql), clock
    )


def _rows(url: str) -> list[dict[str, Any]]:
    with psycopg.connect(plain(url), row_factory=dict_row) as db:
        return db.execute("SELECT * FROM subscription ORDER BY id").fetchall()


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(plain(url)) as db:
        db.execute(statement.encode())
