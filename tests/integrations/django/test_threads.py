"""Connections on threads that Django doesn't tidy, in forked children, and of processes that die."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.db import connections

from pratique import Perimeter, Refused
from pratique.integrations.django import store
from tests import django_site as site
from tests import shop as shops
from tests.shop import NOW, boundary, claim

ROOT = Path(__file__).parents[3]
SITE = """
    import json, os, signal, sys
    from pratique import Refused
    from tests import django_site as site
    from tests.shop import claim
    database = json.loads(sys.argv[1])
    known = site.databases(default=database)
    known.__enter__()
"""
DIES = """
    shop = site.shop(lambda _: os.kill(os.getpid(), signal.SIGKILL))
    with shop.perimeter as perimeter:
        perimeter.admit(shop.payments, claim())
"""
FORKS = """
    shop = site.shop(deadline=None)
    told = []
    def deliver(event, invoice):
        try:
            shop.perimeter.admit(shop.payments, claim(event, invoice=invoice))
            return "proven"
        except Refused as refused:
            return refused.code
    shop.perimeter.start()
    told.append(deliver("evt_1", "in_1"))
    child = os.fork()
    if child == 0:
        ok = (deliver("evt_1", "in_1"), deliver("evt_2", "in_2")) == ("replayed", "proven")
        os._exit(0 if ok else 1)
    told.append(os.waitpid(child, 0)[1])
    told += [deliver("evt_1", "in_1"), deliver("evt_2", "in_2")]
    print(told)
"""


def in_a_process(code: str, database: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own, with Django on that database."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SITE + code), json.dumps(database)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def plain(database: dict[str, Any]) -> dict[str, Any]:
    """Return settings that another process can be told."""
    return {key: value for key, value in database.items() if key != "TEST"}


def test_a_process_that_dies_in_the_handler_frees_the_key(migrated: Any) -> None:
    """Kill -9 inside the effect: neither effect nor key is there; delivered again it has its effect."""
    site.shop()
    done = in_a_process(DIES, plain(migrated))
    assert done.returncode == -signal.SIGKILL, done.stderr
    shop = site.shop()
    assert shop.row["upgrades"] == 0
    with shop.perimeter as perimeter:
        perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


def test_a_forked_child_connects_anew(migrated: Any) -> None:
    """Parent and child cross side by side after a fork: each event has one effect."""
    done = in_a_process(FORKS, {**plain(migrated), "CONN_MAX_AGE": None})
    assert done.stdout.strip() == "['proven', 0, 'replayed', 'replayed']", done.stderr


@pytest.mark.server
def test_no_connection_stays_open_on_a_thread_of_ours(pg_url: str) -> None:
    """CONN_MAX_AGE=0, the default: closed after each call. Its twin, None, keeps it for the next."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    for age, kept in ((0, 0), (None, 1)):
        default = site.postgresql(pg_url, CONN_MAX_AGE=age)
        with site.databases(default=default, other=site.postgresql(pg_url)):
            if age == 0:
                site.migrate()
            shop = site.shop(using="default")
            with shop.perimeter as perimeter:
                number = 1 + kept
                perimeter.admit(shop.payments, claim(f"evt_{number}", invoice=f"in_{number}"))
                connections["default"].close()
                with connections["other"].cursor() as cursor:
                    cursor.execute(count)
                    assert cursor.fetchone() == (1 + kept,)
                _close_on_its_threads(perimeter)


@pytest.mark.server
@pytest.mark.parametrize("deadline", [None, "ten seconds"])
@pytest.mark.parametrize("checks", [True, False])
def test_a_connection_that_broke_is_replaced(
    pg_url: str, checks: bool, deadline: str | None
) -> None:
    """The server ended it: with health checks nobody notices, else one delivery is asked to retry."""
    default = site.postgresql(pg_url, CONN_MAX_AGE=None, CONN_HEALTH_CHECKS=checks)
    with site.databases(default=default, other=site.postgresql(pg_url)):
        site.migrate()
        shop = site.shop(**({} if deadline else {"deadline": None}))
        with shop.perimeter as perimeter:
            perimeter.admit(shop.payments, claim())
            with connections["other"].cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            if not (checks and deadline):
                with pytest.raises(Refused) as refused:
                    perimeter.admit(shop.payments, claim("evt_2", invoice="in_2"))
                assert (refused.value.status, refused.value.code) == (503, "store_unavailable")
            perimeter.admit(shop.payments, claim("evt_2", invoice="in_2"))
            connections["default"].close()
            assert [row["upgrades"] for row in shop.rows()] == [1, 1]
            _close_on_its_threads(perimeter)


def test_nothing_lands_after_the_deadline(migrated: Any) -> None:
    """`link` hangs inside the transaction: refused in time, undone when it wakes; the next is admitted."""
    from tests.integrations.django.shop.models import Subscription

    site.shop()
    goes_on, hangs = Event(), [True]
    perimeter = Perimeter(store=store(), clock=lambda: NOW, deadline=timedelta(seconds=0.5))
    payments, provider = perimeter.declare(boundary()), shops._provider()

    def link(invoice: Any) -> Any:
        if hangs:
            hangs.clear()
            goes_on.wait(30)
        return Subscription.objects.filter(customer=invoice.customer).first()

    @payments.on(
        "invoice.paid",
        confirm=shops.confirmation(provider, is_async=False),
        once=lambda i: i.id,
        link=link,
        allow=shops.may_activate,
    )
    def activate(paid: Any) -> None:
        Subscription.objects.filter(id=paid.linked.id).update(upgrades=1)

    with perimeter:
        with pytest.raises(Refused) as refused:
            perimeter.admit(payments, claim())
        assert refused.value.code == "deadline"
        goes_on.set()
        executor = perimeter._world.pools.of("payments")._executor
        assert executor is not None
        executor.shutdown(wait=True)  # what hung has ended by now
        perimeter._world.pools.of("payments").close()
        assert Subscription.objects.filter(upgrades=1).count() == 0
        perimeter._world.deadline = 9.0
        perimeter.admit(payments, claim())
    assert Subscription.objects.filter(upgrades=1).count() == 1


async def test_an_async_door_crosses_on_a_thread_of_ours(migrated: Any) -> None:
    """`aadmit` on a loop: link, allow and effect run where their transaction is."""
    shop = await asyncio.to_thread(_shop)
    async with shop.perimeter as perimeter:
        await perimeter.aadmit(shop.payments, claim())
        with pytest.raises(Refused) as refused:
            await perimeter.aadmit(shop.payments, claim())
    assert refused.value.code == "replayed"
    rows = await asyncio.to_thread(_read, shop)
    assert rows[0]["upgrades"] == 1


def _shop() -> Any:
    try:
        return site.shop()
    finally:
        connections.close_all()


def _read(shop: Any) -> Any:
    try:
        return shop.rows()
    finally:
        connections.close_all()


def _close_on_its_threads(perimeter: Any) -> None:
    perimeter._world.pools.of("payments").submit(connections.close_all).result(10)
