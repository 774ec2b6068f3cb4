"""Shops that keep their deliveries: on each store, and the deliveries that are sent to them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique import Refused, stores
from pratique.webhook import Inbox, Webhook
from tests import django_site, shop_postgres
from tests import shop as shops
from tests.shop import Shop, claim

QUICK = Inbox(
    attempts=3, first_pause=timedelta(microseconds=1000), longest_pause=timedelta(milliseconds=1)
)
"""Pauses that are over by the time that somebody looks again."""


def keeping(made: Callable[[], Shop], inbox: Inbox = QUICK) -> Shop:
    """Return a shop whose boundary keeps its deliveries."""
    before = shops.boundary

    def boundary(**more: Any) -> Webhook:
        return before(inbox=inbox, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shops, "boundary", boundary)
        patch.setattr(django_site, "boundary", boundary)
        return made()


def on(kind: str, request: pytest.FixtureRequest, folder: Path, inbox: Inbox = QUICK) -> Shop:
    """Return a shop on a store that keeps deliveries.

    Args:
        kind: One of `KINDS`.
        request: Of the test, for a database of its own.
        folder: For files.
        inbox: As declared.
    """

    def url() -> str:
        return str(request.getfixturevalue("pg_url"))

    made: dict[str, Callable[[], Shop]] = {
        "memory": lambda: shops.held(stores.memory()),
        "sqlite": lambda: shops.held(stores.sqlite(folder / "store.db")),
        "sqlite3": lambda: shops.plain_sqlite3(folder / "shop.db"),
        "orm-sqlite": lambda: shops.sync_orm(f"sqlite:///{folder}/shop.db"),
        "orm-aiosqlite": lambda: shops.async_orm(f"sqlite+aiosqlite:///{folder}/shop.db"),
        "orm-psycopg": lambda: shops.sync_orm(url()),
        "orm-asyncpg": lambda: shops.async_orm(url().replace("+psycopg", "+asyncpg")),
        "postgres": lambda: shop_postgres.sync(url()),
        "postgres-async": lambda: shop_postgres.asynchronous(url()),
    }
    return keeping(made[kind], inbox)


KINDS = (
    "memory",
    "sqlite",
    "sqlite3",
    "orm-sqlite",
    "orm-aiosqlite",
    pytest.param("orm-psycopg", marks=pytest.mark.server),
    pytest.param("orm-asyncpg", marks=pytest.mark.server),
    pytest.param("postgres", marks=pytest.mark.server),
    pytest.param("postgres-async", marks=pytest.mark.server),
)


async def received(shop: Shop, *args: Any, **more: Any) -> Refused:
    """Let the endpoint take a delivery in, and return how its crossing ended."""
    with pytest.raises(Refused) as refused:
        await shop.perimeter.aadmit(shop.payments, claim(*args, **more))
    return refused.value
