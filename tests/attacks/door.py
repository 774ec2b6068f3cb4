"""A shop behind each framework's door, attacked by HTTP and read back from its database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from django.urls import path
from fastapi import FastAPI
from flask import Flask

from pratique.core.event import Record
from pratique.integrations.django import endpoint as django_endpoint
from pratique.integrations.fastapi import endpoint, guard
from pratique.integrations.flask import Pratique
from pratique.integrations.flask import endpoint as flask_endpoint
from tests.django_project import Project
from tests.serving import served
from tests.shop import URL, Shop, async_orm, delivery, plain_sqlite3


class Door:
    """One shop, its client, and what came of each request."""

    def __init__(self, shop: Shop, client: httpx.Client) -> None:
        self.shop = shop
        self.client = client

    def post(self, content: bytes, fields: Any) -> Any:
        """Send raw content with field lines; (status, record of the crossing)."""
        answer = self.client.post(URL, content=content, headers=list(fields))
        return answer.status_code, self.record(answer.headers.get("crossing-id", ""))

    def send(self, *arguments: Any, **more: Any) -> Any:
        """Send one delivery as `tests.shop.delivery` makes it."""
        return self.post(*delivery(*arguments, **more))

    def record(self, crossing_id: str) -> Record | None:
        """Return the record of a crossing."""
        return self.shop.perimeter.recorder.find(crossing_id)

    @property
    def upgrades(self) -> int:
        """Read back how many effects the first subscription has seen."""
        upgrades: int = self.shop.row["upgrades"]
        return upgrades


def app_of(shop: Shop) -> FastAPI:
    """Return the guarded application."""
    app = guard(FastAPI(), shop.perimeter)
    app.post(URL)(endpoint(shop.payments))
    return app


def flask_app_of(shop: Shop) -> Flask:
    """Return the same on Flask."""
    app = Flask("shop")
    Pratique(shop.perimeter).init_app(app)
    app.add_url_rule(URL, view_func=flask_endpoint(shop.payments))
    return app


def django_app_of(shop: Shop) -> Any:
    """Return the same on Django."""
    routes = [path(URL.removeprefix("/"), django_endpoint(shop.payments))]
    return Project(routes, shop.perimeter).wsgi()


@contextmanager
def open_door(shop: Shop, app: Any = None, **options: Any) -> Iterator[Door]:
    """Serve a shop by a client of its application, FastAPI's where none is handed in."""
    with served(app or app_of(shop), **options) as client:
        yield Door(shop, client)


SHOPS: dict[str, Callable[[Path], Shop]] = {
    "sqlite3": lambda folder: plain_sqlite3(folder / "shop.db"),
    "sqlalchemy": lambda folder: async_orm(f"sqlite+aiosqlite:///{folder}/shop.db"),
}

DOORS: dict[str, tuple[Callable[[Path], Shop], Callable[[Shop], Any]]] = {
    "fastapi sqlite3": (SHOPS["sqlite3"], app_of),
    "fastapi sqlalchemy": (SHOPS["sqlalchemy"], app_of),
    "flask sqlite3": (SHOPS["sqlite3"], flask_app_of),
    "django sqlite3": (SHOPS["sqlite3"], django_app_of),
}
"""By framework and store."""
