"""A shop behind each framework's door, attacked by HTTP and read back from its database."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx
from django.urls import path
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import Route

from pratique.core.event import Record
from pratique.integrations.django import endpoint as django_endpoint
from pratique.integrations.fastapi import endpoint, guard
from pratique.integrations.flask import Pratique
from pratique.integrations.flask import endpoint as flask_endpoint
from pratique.integrations.starlette import endpoint as starlette_endpoint
from pratique.integrations.starlette import guard as guard_starlette
from tests import django_site
from tests.django_project import Project
from tests.serving import served
from tests.shop import URL, Shop, async_orm, delivery, plain_sqlite3

django_site.configure()  # before a route of Django's is made


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


def starlette_app_of(shop: Shop) -> Starlette:
    """Return the same on Starlette."""
    routes = [Route(URL, starlette_endpoint(shop.payments), methods=["POST"])]
    return guard_starlette(Starlette(routes=routes), shop.perimeter)


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


@contextmanager
def django_orm(folder: Path) -> Iterator[Shop]:
    """Give a shop on Django's ORM, in a database of its own."""
    with django_site.databases(default=django_site.sqlite(folder / "shop.db")):
        django_site.migrate()
        yield django_site.shop()


def _plain(folder: Path) -> AbstractContextManager[Shop]:
    return nullcontext(SHOPS["sqlite3"](folder))


def _orm(folder: Path) -> AbstractContextManager[Shop]:
    return nullcontext(SHOPS["sqlalchemy"](folder))


Opening = tuple[Callable[[Path], AbstractContextManager[Shop]], Callable[[Shop], Any]]
DOORS: dict[str, Opening] = {
    "fastapi sqlite3": (_plain, app_of),
    "fastapi sqlalchemy": (_orm, app_of),
    "flask sqlite3": (_plain, flask_app_of),
    "django sqlite3": (_plain, django_app_of),
    "django orm": (django_orm, django_app_of),
}
"""By framework and store."""
