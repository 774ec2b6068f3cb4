"""Shops that keep their deliveries: on each store, and the deliveries that are sent to them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connections
from psycopg.rows import dict_row

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


def plain_psycopg(url: str) -> Shop:
    """Return a shop on psycopg 3: its row is a dictionary, locked by `link`."""

    def ask(sql: str, *args: Any) -> list[dict[str, Any]]:
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as db:
            found = db.execute(sql, args or None)
            return found.fetchall() if found.description else []

    ask(
        "CREATE TABLE subscription (id INT PRIMARY KEY, customer TEXT, state TEXT, upgrades INT, "
        "amount INT)"
    )
    for number in (1, 2):
        values = (number, f"cus_{number}")
        ask("INSERT INTO subscription VALUES (%s, %s, 'pending', 0, 0)", *values)
    perimeter, clock = shops._perimeter(stores.postgres(url))
    payments, provider = perimeter.declare(shops.boundary()), shops._provider()

    def link(invoice: Any, db: psycopg.Connection[Any]) -> Any:
        asked = "SELECT * FROM subscription WHERE customer = %s FOR UPDATE"
        with db.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(asked, (invoice.customer,)).fetchone()

    @payments.on(
        "invoice.paid",
        confirm=shops.confirmation(provider, is_async=False),
        once=lambda i: i.id,
        link=link,
        allow=shops.may_activate,
    )
    def activate(paid: Any, db: psycopg.Connection[Any]) -> None:
        asked = "UPDATE subscription SET state = 'active', upgrades = upgrades + 1 WHERE id = %s"
        db.execute(asked, (paid.linked["id"],))

    def rows() -> list[dict[str, Any]]:
        return ask("SELECT * FROM subscription ORDER BY id")

    return Shop(perimeter, payments, provider, rows, lambda sql: [*ask(sql)].clear(), clock)


class OnThreads:
    """A store with two faces of which the sync one alone is used."""

    asynchronous = None

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def off_the_loop(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return what calls on a thread of its own, and leaves no connection of Django's there."""

    def closing(*args: Any) -> Any:
        try:
            return call(*args)
        finally:
            connections.close_all()

    def run(*args: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(closing, *args).result()

    return run


def django_shop(url: str, request: pytest.FixtureRequest) -> Shop:
    """Return a shop on Django's ORM on PostgreSQL, whose rows can be read where a loop runs."""
    known = django_site.databases(default=django_site.postgresql(url))
    off_the_loop(known.__enter__)()
    request.addfinalizer(lambda: off_the_loop(known.__exit__)(None, None, None))
    off_the_loop(django_site.migrate)()
    made: Shop = off_the_loop(django_site.shop)()
    return replace(made, rows=off_the_loop(made.rows), execute=off_the_loop(made.execute))


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

    def redis_url() -> str:
        return str(request.getfixturevalue("redis_url"))

    made: dict[str, Callable[[], Shop]] = {
        "memory": lambda: shops.held(stores.memory()),
        "sqlite": lambda: shops.held(stores.sqlite(folder / "store.db")),
        "sqlite3": lambda: shops.plain_sqlite3(folder / "shop.db"),
        "orm-aiosqlite": lambda: shops.async_orm(f"sqlite+aiosqlite:///{folder}/shop.db"),
        "orm-psycopg": lambda: shops.sync_orm(url()),
        "psycopg": lambda: plain_psycopg(url().replace("+psycopg", "")),
        "orm-asyncpg": lambda: shops.async_orm(url().replace("+psycopg", "+asyncpg")),
        "postgres": lambda: shop_postgres.sync(url()),
        "postgres-async": lambda: shop_postgres.asynchronous(url()),
        "django-psycopg": lambda: django_shop(url(), request),
        "redis": lambda: shops.held(OnThreads(stores.redis(redis_url()))),
        "redis-async": lambda: shops.held(stores.redis(redis_url()), is_async=True),
    }
    return keeping(made[kind], inbox)


KINDS = (
    "memory",
    "sqlite",
    "sqlite3",
    "orm-aiosqlite",
    pytest.param("orm-psycopg", marks=pytest.mark.server),
    pytest.param("psycopg", marks=pytest.mark.server),
    pytest.param("orm-asyncpg", marks=pytest.mark.server),
    pytest.param("postgres", marks=pytest.mark.server),
    pytest.param("postgres-async", marks=pytest.mark.server),
    pytest.param("django-psycopg", marks=pytest.mark.server),
    pytest.param("redis", marks=pytest.mark.server),
    pytest.param("redis-async", marks=pytest.mark.server),
)


async def received(shop: Shop, *args: Any, **more: Any) -> Refused:
    """Let the endpoint take a delivery in, and return how its crossing ended."""
    with pytest.raises(Refused) as refused:
        await shop.perimeter.aadmit(shop.payments, claim(*args, **more))
    return refused.value
