"""The store refuses to start where effect and single use could part, or be forgotten.

Each refusal has a twin.
"""

from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import override_settings

from pratique import Perimeter, Refused
from pratique.core.refusal import BoundaryError, StoreError
from pratique.integrations.django import store
from tests import django_site as site
from tests import shop as shops
from tests.shop import NOW, boundary, claim


class Replica:
    """Reads from another database than it writes."""

    def db_for_read(self, model: Any, **_: Any) -> str:
        return "replica"


class Elsewhere:
    """One database for both, which isn't the store's."""

    def db_for_read(self, model: Any, **_: Any) -> str:
        return "replica"

    db_for_write = db_for_read


def test_starts_and_leaves_no_connection_open(migrated: Any) -> None:
    """A server that forks after the start hands on no open connection; the probe left nothing."""
    connections["default"].close()
    made = store()
    assert (made.name, made.dialect) == ("django", None)
    made.start()
    assert made.name == "django"  # a declaration has one digest, before the start and after
    assert made.dialect is not None
    assert made.dialect.name in ("sqlite", "postgresql")
    assert connections["default"].connection is None
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pratique_key")
        assert cursor.fetchone() == (0,)


def test_refuses_a_database_without_its_tables(database: dict[str, Any]) -> None:
    """The mend is `manage.py migrate`; the start itself makes nothing."""
    with site.databases(default=database):
        with pytest.raises(BoundaryError, match=r"manage\.py migrate pratique"):
            store().start()
        site.migrate()
        store().start()


def test_refuses_a_name_that_django_does_not_know(migrated: Any) -> None:
    """And a database that is none."""
    with pytest.raises(BoundaryError, match="no database other"):
        store("other").start()
    store("default").start()
    with site.databases(default={}), pytest.raises(BoundaryError, match="known are"):
        store().start()


def test_refuses_routers_that_read_elsewhere_than_they_write(migrated: Any, tmp_path: Path) -> None:
    """`link` would judge the replica's row; models that live elsewhere for good are left alone."""
    replica = site.sqlite(tmp_path / "replica.db")
    with site.databases(default=migrated, replica=replica):
        with (
            override_settings(DATABASE_ROUTERS=[Replica()]),
            pytest.raises(BoundaryError, match=r"reads .* from replica and writes it to default"),
        ):
            store().start()
        with override_settings(DATABASE_ROUTERS=[Elsewhere()]):
            store().start()


def test_refuses_a_connection_without_autocommit(migrated: Any) -> None:
    """Whoever switched it off ends the transactions: in DATABASES, or on this thread."""
    with (
        site.databases(default={**migrated, "AUTOCOMMIT": False}),
        pytest.raises(BoundaryError, match="autocommit is off"),
    ):
        store().start()
    made = store()
    made.start()
    transaction.set_autocommit(False)
    with pytest.raises(StoreError, match="autocommit is off"):
        made.begin()
    transaction.set_autocommit(True)
    made.begin().rollback()


@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
def test_refuses_a_file_that_forgets_what_it_acknowledged(tmp_path: Path, level: str) -> None:
    """A level below FULL is refused at start; FULL, Django's own default, starts."""
    path = tmp_path / "shop.db"
    forgets = {"init_command": f"PRAGMA synchronous={level}"}
    with site.databases(default=site.sqlite(path, OPTIONS=forgets)):
        site.migrate()
        with pytest.raises(BoundaryError, match="init_command"):
            store().start()
    with site.databases(default=site.sqlite(path)):
        store().start()


@pytest.mark.server
def test_refuses_a_role_whose_commits_are_not_durable(pg_url: str) -> None:
    """synchronous_commit=off is refused at start, on starts."""
    forgets = {"options": "-c synchronous_commit=off"}
    with site.databases(default=site.postgresql(pg_url, OPTIONS=forgets)):
        site.migrate()
        with pytest.raises(BoundaryError, match="synchronous_commit"):
            store().start()
    with site.databases(default=site.postgresql(pg_url)):
        store().start()


def test_a_database_that_is_gone_is_a_store_error() -> None:
    """No server there: StoreError, never the driver's own exception."""
    gone = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": 1, "NAME": "x"}
    with site.databases(default=gone), pytest.raises(StoreError):
        store().start()


@pytest.mark.parametrize("deadline", [None, "ten seconds"])
def test_refuses_a_crossing_inside_somebody_elses_transaction(
    migrated: Any, deadline: str | None
) -> None:
    """ATOMIC_REQUESTS, or a block of atomic: its commit wouldn't be ours. On any thread."""
    shop = site.shop(**({} if deadline else {"deadline": None}))
    with shop.perimeter as perimeter:
        with transaction.atomic(), pytest.raises(Refused) as refused:
            perimeter.admit(shop.payments, claim())
        assert (refused.value.status, refused.value.code) == (503, "store_unavailable")
        assert "non_atomic_requests" in str(refused.value)
        assert shop.row["upgrades"] == 0
        perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


def test_refuses_to_start_inside_a_transaction(migrated: Any) -> None:
    """The probe could prove nothing there."""
    with transaction.atomic(), pytest.raises(BoundaryError, match="a transaction is open"):
        store().start()
    store().start()


async def awaits(*_: Any) -> None:
    """Be what the store can't run."""


def plain(*_: Any) -> None:
    """Be what it can."""


@pytest.mark.parametrize("role", ["link", "handler", "none"])
def test_refuses_async_callables_at_the_start(migrated: Any, role: str) -> None:
    """Django's transactions are sync: the debt names the callable and says how to write it."""
    perimeter = Perimeter(store=store(), clock=lambda: NOW)
    payments = perimeter.declare(boundary())
    payments.on(
        "invoice.paid",
        confirm=shops.confirmation(shops._provider(), is_async=False),
        once=lambda i: i.id,
        link=awaits if role == "link" else plain,
        allow=shops.may_activate,
    )(awaits if role == "handler" else plain)
    if role == "none":
        perimeter.start()
        perimeter.close()
        return
    with pytest.raises(BoundaryError, match=f"{role} .* is async"):
        perimeter.start()
