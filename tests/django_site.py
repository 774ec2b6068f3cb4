"""Django as a site has it, configured once a process; each test has databases of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from pratique import Perimeter
from pratique.integrations.django import store
from tests import shop as shops
from tests.shop import NOW, Shop, boundary

OWN_APPS = ["pratique.integrations.django", "tests.integrations.django.shop"]
APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "rest_framework",
    "tests.integrations.django.market",
    *OWN_APPS,
]


def configure() -> None:
    """Configure Django; a second time it does nothing."""
    if not settings.configured:
        settings.configure(INSTALLED_APPS=APPS, DATABASES={}, USE_TZ=True, SECRET_KEY="test")
        django.setup()


def sqlite(path: Path, **more: Any) -> dict[str, Any]:
    """Return the settings of a file."""
    options = {"timeout": 5, "init_command": "PRAGMA journal_mode=WAL", **more.pop("OPTIONS", {})}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": options, **more}


def postgresql(url: str, **more: Any) -> dict[str, Any]:
    """Return the settings of a database that `pg_url` names."""
    from sqlalchemy.engine import make_url

    found = make_url(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": found.database,
        "USER": found.username,
        "PASSWORD": found.password or "",
        "HOST": found.query.get("host") or found.host,
        "PORT": found.port or "",
        **more,
    }


@contextmanager
def databases(**found: dict[str, Any]) -> Iterator[None]:
    """Let Django know these databases alone, and forget them at the end."""
    configure()
    before = connections.settings
    _let_go()
    connections.settings = connections.configure_settings(found)
    try:
        yield
    finally:
        _let_go()
        connections.settings = before


def _let_go() -> None:
    for connection in connections.all(initialized_only=True):
        connection.close()
        del connections[connection.alias]


def migrate(using: str = "default", *, with_shop: bool = True) -> None:
    """Make the store's tables, and the shop's."""
    call_command("migrate", "pratique", database=using, verbosity=0, interactive=False)
    if with_shop:
        from tests.integrations.django.shop.models import Note, Subscription

        with connections[using].schema_editor() as editor:
            editor.create_model(Subscription)
            editor.create_model(Note)


def shop(
    act: Callable[[Any], Any] = lambda _: None,
    *,
    link_lock: bool = True,
    using: str = "default",
    **more: Any,
) -> Shop:
    """Return a shop whose handler changes the row, then does *act* with the alias."""
    from tests.integrations.django.shop.models import Subscription

    rows = Subscription.objects.using(using)
    rows.bulk_create(
        [Subscription(id=1, customer="cus_1"), Subscription(id=2, customer="cus_2")],
        ignore_conflicts=True,
    )
    perimeter = Perimeter(store=store(using), clock=lambda: NOW, **more)
    payments, provider = perimeter.declare(boundary()), shops._provider()

    def link(invoice: Any, db: str) -> Any:
        found = Subscription.objects.using(db).filter(customer=invoice.customer)
        return (found.select_for_update() if link_lock else found).first()

    @payments.on(
        "invoice.paid",
        confirm=shops.confirmation(provider, is_async=False),
        once=lambda i: i.id,
        link=link,
        allow=shops.may_activate,
    )
    def activate(paid: Any, db: str) -> None:
        paid.linked.state = "active"
        paid.linked.upgrades += 1
        paid.linked.amount = paid.confirmed.amount
        paid.linked.save(using=db)
        act(db)

    def read() -> list[dict[str, Any]]:
        return list(Subscription.objects.using(using).order_by("id").values())

    def execute(sql: str) -> None:
        with connections[using].cursor() as cursor:
            cursor.execute(sql)

    return Shop(perimeter, payments, provider, read, execute, [NOW])
