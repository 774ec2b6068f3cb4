"""Deliveries that arrive at once: one effect for one event, a legal row whatever the order."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from pratique import Refused, stores
from tests import django_site as site
from tests import shop as shops
from tests import shop_postgres
from tests.faults.rounds import rounds
from tests.shop import Invoice, Shop, claim

AT_ONCE = 32
DUPLICATE = {"replayed", "already_applied", "busy"}
pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
SYNC = [
    "sqlite3",
    "sqlalchemy",
    "memory",
    "sqlite",
    pytest.param("redis", marks=pytest.mark.server),
    pytest.param("psycopg", marks=pytest.mark.server),
    pytest.param("postgres", marks=pytest.mark.server),
    "django",
    pytest.param("django-psycopg", marks=pytest.mark.server),
]
ASYNC = [
    "aiosqlite",
    "sqlite3",
    "memory",
    "sqlite",
    pytest.param("redis", marks=pytest.mark.server),
    pytest.param("asyncpg", marks=pytest.mark.server),
    pytest.param("psycopg", marks=pytest.mark.server),
    pytest.param("postgres", marks=pytest.mark.server),
]
HELD = ("memory", "sqlite", "redis")
"""Their rows are in a dictionary, outside any transaction."""


def transactional(kinds: list[Any]) -> list[Any]:
    """Return the kinds whose effect and single use are one commit."""
    return [kind for kind in kinds if getattr(kind, "values", (kind,))[0] not in HELD]


@pytest.fixture(autouse=True)
async def _engines_are_disposed_of(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    made: list[Any] = []
    for name in ("create_engine", "create_async_engine"):

        def create(url: str, old: Callable[..., Any] = getattr(shops, name), **options: Any) -> Any:
            made.append(old(url, **options))
            return made[-1]

        monkeypatch.setattr(shops, name, create)
    yield
    for engine in made:
        ended = engine.dispose()
        if ended is not None:
            await ended


@pytest.fixture
def new_shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Return a function that makes the shop of a kind."""
    known = ExitStack()

    def by_django(database: dict[str, Any]) -> Shop:
        known.enter_context(site.databases(default=database))
        site.migrate()
        return site.shop()

    def make(kind: str, *, is_async: bool = False) -> Shop:
        if kind == "sqlite3":
            return shops.plain_sqlite3(tmp_path / "shop.db")
        if kind in HELD:
            store = {
                "memory": stores.memory,
                "sqlite": lambda: stores.sqlite(tmp_path / "keys.db"),
                "redis": lambda: stores.redis(request.getfixturevalue("redis_url")),
            }[kind]()
            return shops.held(store, is_async=is_async)
        if kind == "sqlalchemy":
            return shops.sync_orm(f"sqlite:///{tmp_path}/shop.db")
        if kind == "aiosqlite":
            return shops.async_orm(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
        if kind == "django":
            return by_django(site.sqlite(tmp_path / "shop.db"))
        url = str(request.getfixturevalue("pg_url"))
        if kind == "postgres":
            return (shop_postgres.asynchronous if is_async else shop_postgres.sync)(url)
        if kind == "django-psycopg":
            return by_django(site.postgresql(url))
        return (
            shops.sync_orm(url)
            if kind == "psycopg"
            else shops.async_orm(url.replace("+psycopg", "+asyncpg"))
        )

    with known:
        yield make


def renew(shop: Shop, invoices: list[str], kind: str) -> None:
    """Make the first row pending again, and let the provider know the invoices."""
    for invoice in invoices:
        shop.provider.invoices[invoice] = Invoice(invoice, "cus_1")
    if kind in HELD:
        shop.row["state"] = "pending"
    else:
        shop.execute("UPDATE subscription SET state = 'pending' WHERE id = 1")


def threads(shop: Shop, claims: list[Any]) -> Counter[str]:
    """Deliver from as many threads as there are claims, at one moment."""
    barrier = Barrier(len(claims))

    def deliver(sent: Any) -> str:
        barrier.wait()
        try:
            shop.perimeter.admit(shop.payments, sent)
        except Refused as refused:
            return refused.code
        return "admitted"

    with ThreadPoolExecutor(len(claims)) as pool:
        return Counter(pool.map(deliver, claims))


async def tasks(shop: Shop, claims: list[Any]) -> Counter[str]:
    """Deliver from as many tasks of one event loop."""

    async def deliver(sent: Any) -> str:
        try:
            await shop.perimeter.aadmit(shop.payments, sent)
        except Refused as refused:
            return refused.code
        return "admitted"

    return Counter(await asyncio.gather(*(deliver(sent) for sent in claims)))


def one_event(number: int) -> tuple[list[str], list[Any]]:
    """Return one event as often as it is delivered."""
    return [f"in_{number}"], [
        claim(f"evt_{number}", invoice=f"in_{number}") for _ in range(AT_ONCE)
    ]


def one_row(number: int) -> tuple[list[str], list[Any]]:
    """Return different events of different invoices for one row."""
    invoices = [f"in_{number}_{n}" for n in range(AT_ONCE)]
    return invoices, [claim(f"evt_{invoice}", invoice=invoice) for invoice in invoices]


def check(shop: Shop, answers: Counter[str], number: int, others: set[str]) -> None:
    """One was admitted, the others are what they should be, the row counts one effect more."""
    assert answers.pop("admitted") == 1, answers
    assert set(answers) <= others, answers
    assert (shop.row["state"], shop.row["upgrades"]) == ("active", number + 1)


@pytest.mark.parametrize("kind", SYNC)
def test_32_threads_with_one_event_have_one_effect(
    new_shop: Callable[..., Shop], kind: str
) -> None:
    """UNIQUE under concurrency: each round one delivery is admitted, and the row says so."""
    shop = new_shop(kind)
    with shop.perimeter:
        for number in range(rounds()):
            invoices, claims = one_event(number)
            renew(shop, invoices, kind)
            check(shop, threads(shop, claims), number, DUPLICATE)


@pytest.mark.parametrize("kind", ASYNC)
async def test_32_tasks_with_one_event_have_one_effect(
    new_shop: Callable[..., Shop], kind: str
) -> None:
    """The same on an event loop."""
    shop = new_shop(kind, is_async=True)
    async with shop.perimeter:
        for number in range(rounds()):
            invoices, claims = one_event(number)
            renew(shop, invoices, kind)
            check(shop, await tasks(shop, claims), number, DUPLICATE)


@pytest.mark.parametrize("kind", transactional(SYNC))
def test_32_events_for_one_row_leave_it_legal(new_shop: Callable[..., Shop], kind: str) -> None:
    """ALLOWED under concurrency.

    One of them found the row pending, each other one found it active.
    """
    shop = new_shop(kind)
    with shop.perimeter:
        for number in range(rounds()):
            invoices, claims = one_row(number)
            renew(shop, invoices, kind)
            check(shop, threads(shop, claims), number, {"not_allowed", "busy"})


@pytest.mark.parametrize("kind", transactional(ASYNC))
async def test_32_events_for_one_row_leave_it_legal_on_a_loop(
    new_shop: Callable[..., Shop], kind: str
) -> None:
    """The same on an event loop."""
    shop = new_shop(kind, is_async=True)
    async with shop.perimeter:
        for number in range(rounds()):
            invoices, claims = one_row(number)
            renew(shop, invoices, kind)
            check(shop, await tasks(shop, claims), number, {"not_allowed", "busy"})
