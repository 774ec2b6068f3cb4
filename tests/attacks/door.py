"""A shop behind the FastAPI door, attacked by HTTP and read back from its database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from pratique.core.event import Record
from pratique.integrations.fastapi import endpoint, guard
from tests.shop import URL, Shop, async_orm, delivery, plain_sqlite3


class Door:
    """One shop, its client, and what came of each request."""

    def __init__(self, shop: Shop, client: TestClient) -> None:
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


@contextmanager
def open_door(shop: Shop, **options: Any) -> Iterator[Door]:
    """Serve a shop by the test client."""
    with TestClient(app_of(shop), **options) as client:
        yield Door(shop, client)


SHOPS: dict[str, Callable[[Path], Shop]] = {
    "sqlite3": lambda folder: plain_sqlite3(folder / "shop.db"),
    "sqlalchemy": lambda folder: async_orm(f"sqlite+aiosqlite:///{folder}/shop.db"),
}
