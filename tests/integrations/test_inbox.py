"""Receive now, work later, through every door: 202, the same row once, 503 while nothing is kept."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique import stores
from pratique.core.inbox import SyncInbox
from pratique.core.refusal import StoreError
from pratique.webhook import End
from tests import django_site
from tests.attacks.door import (
    SHOPS,
    Door,
    app_of,
    django_app_of,
    flask_app_of,
    open_door,
    starlette_app_of,
)
from tests.shop import NOW, URL, Shop, delivery, held
from tests.webhook.inbox.shops import keeping


@contextmanager
def plain(folder: Path) -> Iterator[Shop]:
    """Give a shop on sqlite3 that keeps its deliveries."""
    yield keeping(lambda: SHOPS["sqlite3"](folder))


@contextmanager
def orm(folder: Path) -> Iterator[Shop]:
    """Give one on Django's ORM."""
    with django_site.databases(default=django_site.sqlite(folder / "shop.db")):
        django_site.migrate()
        yield keeping(django_site.shop)


@contextmanager
def orm_on_postgresql(url: str) -> Iterator[Shop]:
    """Give one on Django's ORM on PostgreSQL."""
    with django_site.databases(default=django_site.postgresql(url)):
        django_site.migrate()
        yield keeping(django_site.shop)


@contextmanager
def in_redis(url: str) -> Iterator[Shop]:
    """Give one whose deliveries are in Redis, and whose rows are elsewhere."""
    yield keeping(lambda: held(stores.redis(url)))


Kind = tuple[str, Callable[[Any], AbstractContextManager[Shop]], Callable[[Shop], Any]]
DOORS: dict[str, Kind] = {
    "fastapi": ("tmp_path", plain, app_of),
    "starlette": ("tmp_path", plain, starlette_app_of),
    "flask": ("tmp_path", plain, flask_app_of),
    "django": ("tmp_path", orm, django_app_of),
    "django-postgresql": ("pg_url", orm_on_postgresql, django_app_of),
    "fastapi-redis": ("redis_url", in_redis, app_of),
    "flask-redis": ("redis_url", in_redis, flask_app_of),
}
SERVED = [
    pytest.param(name, marks=() if DOORS[name][0] == "tmp_path" else pytest.mark.server)
    for name in DOORS
]


@pytest.fixture(params=SERVED)
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    """Serve a shop that keeps its deliveries."""
    place, shop_in, app = DOORS[request.param]
    with (
        shop_in(request.getfixturevalue(place)) as shop,
        open_door(shop, app(shop)) as opened,
    ):
        shop.perimeter.start()  # a WSGI server would at the first request
        yield opened
        shop.perimeter.close()


def inbox_of(door: Door) -> SyncInbox:
    """Return the store's inbox."""
    return door.shop.payments.sync_inbox()


def test_a_delivery_is_answered_202_and_worked_later(door: Door) -> None:
    """Holes 15 and 22: no source is asked while the sender waits; one row, one effect."""
    status, record = door.send()
    assert (status, record.outcome) == (202, "received")
    assert door.send()[0] == 202
    assert door.shop.provider.asked == []
    assert door.upgrades == 0
    (row,) = inbox_of(door).listed()
    worked = door.shop.payments.work(row.id)
    assert (worked.end, door.upgrades) == (End.DONE, 1)
    assert door.shop.payments.work(row.id).end is End.NOT_TAKEN


def test_a_mismatch_is_answered_202_and_a_dead_letter(door: Door) -> None:
    """Hole 16: its sender doesn't send it for days; an operator sees it."""
    assert door.send(invoice="in_9")[0] == 202
    (row,) = inbox_of(door).listed()
    assert door.shop.payments.work(row.id).end is End.DEAD
    assert door.shop.payments.inbox_status().dead == 1
    assert door.upgrades == 0


def test_what_is_not_kept_is_not_answered_202(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is down: 503 with Retry-After; back again, the same delivery is kept."""
    inbox = inbox_of(door)

    def down(*_: object) -> bool:
        raise StoreError("it is down")

    with monkeypatch.context() as patch:
        patch.setattr(type(inbox), "put", down)
        content, fields = delivery()
        answer = door.client.post(URL, content=content, headers=fields)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
    assert list(inbox.listed()) == []
    assert door.send()[0] == 202


def test_what_is_refused_is_not_kept(door: Door) -> None:
    """Forged, stale, too large: as without an inbox; the honest twin is kept."""
    assert door.send(secret="whsec_anotherSecretOfSomebody")[0] == 401
    assert door.send(at=NOW - timedelta(hours=6))[0] == 400
    assert door.send(content=b"{" * (door.shop.payments.max_content_bytes + 1))[0] == 413
    assert list(inbox_of(door).listed()) == []
    assert door.send()[0] == 202
