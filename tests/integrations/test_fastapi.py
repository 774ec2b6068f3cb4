"""The FastAPI door: it refuses to start in every host, and answers in problem documents."""

from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Body, Depends, FastAPI
from starlette.testclient import TestClient

from pratique import Perimeter
from pratique.core.refusal import BoundaryError
from pratique.integrations.fastapi import endpoint, guard
from tests.shop import URL, Shop, boundary, delivery, plain_sqlite3


def mounted(tmp_path: Path) -> tuple[Shop, FastAPI]:
    """Return a shop and its guarded application."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    app = guard(FastAPI(), shop.perimeter)
    app.post(URL)(endpoint(shop.payments))
    return shop, app


def in_debt() -> FastAPI:
    """Return an application whose boundary has no handler."""
    perimeter = Perimeter()
    payments = perimeter.declare(boundary())
    app = guard(FastAPI(), perimeter)
    app.post(URL)(endpoint(payments))
    return app


async def test_refuses_to_start_in_every_host(tmp_path: Path) -> None:
    """With lifespan, without it, over httpx, mounted; the twin answers in each."""
    content, fields = delivery()
    with pytest.raises(BoundaryError), TestClient(in_debt()):
        pass
    with pytest.raises(BoundaryError):
        TestClient(in_debt()).post(URL, content=content, headers=fields)
    outer = FastAPI()
    outer.mount("/sub", in_debt())
    with pytest.raises(BoundaryError):
        TestClient(outer).post("/sub" + URL, content=content, headers=fields)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(in_debt()), base_url="http://t"
    ) as client:
        with pytest.raises(BoundaryError):
            await client.post(URL, content=content, headers=fields)
    shop, app = mounted(tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        assert (await client.post(URL, content=content, headers=fields)).status_code == 200
    assert shop.row["upgrades"] == 1
    await shop.perimeter.aclose()


def test_an_unguarded_endpoint_raises(tmp_path: Path) -> None:
    """It never answers 2xx without a perimeter."""
    shop, _ = mounted(tmp_path)
    app = FastAPI()
    app.post(URL)(endpoint(shop.payments))
    content, fields = delivery()
    with pytest.raises(BoundaryError, match="guarded"):
        TestClient(app).post(URL, content=content, headers=fields)
    assert shop.row["upgrades"] == 0


def test_a_route_of_another_perimeter_and_a_boundary_without_a_route_are_debts(
    tmp_path: Path,
) -> None:
    """Both are said at start."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    app = guard(FastAPI(), shop.perimeter)
    with pytest.raises(BoundaryError, match="no route"), TestClient(app):
        pass
    _, app = mounted(tmp_path / "..") if False else (None, guard(FastAPI(), shop.perimeter))
    app.post(URL)(endpoint(shop.payments))
    app.post("/other")(endpoint(boundary()))
    with pytest.raises(BoundaryError, match="not declared"), TestClient(app):
        pass


def test_a_dependency_that_reads_the_body_is_a_debt(tmp_path: Path) -> None:
    """It would be parsed before it is proven."""

    def reads(value: Annotated[dict[str, Any], Body()]) -> None:
        del value

    shop = plain_sqlite3(tmp_path / "shop.db")
    app = guard(FastAPI(), shop.perimeter)
    app.post(URL, dependencies=[Depends(reads)])(endpoint(shop.payments))
    with pytest.raises(BoundaryError, match="reads the body"), TestClient(app):
        pass


def test_authentic_refusals_are_the_same_and_the_size_is_413(tmp_path: Path) -> None:
    """Status, content and headers, the crossing id aside; OpenAPI names each status."""
    shop, app = mounted(tmp_path)
    content, fields = delivery()
    _, forged = delivery(secret="whsec_of_somebody_else_1")
    with TestClient(app) as client:
        answers = []
        for given in ([], forged, [("Stripe-Signature", "garbage")]):
            response = client.post(URL, content=content, headers=given)
            kept = {k: v for k, v in response.headers.items() if "crossing" not in k and k != "date"}
            answers.append((response.status_code, response.content, kept))
        assert answers[0] == answers[1] == answers[2]
        assert answers[0][0] == 401
        assert answers[0][2]["content-type"] == "application/problem+json"
        large = client.post(URL, content=b"x" * ((1 << 20) + 1))
        assert (large.status_code, large.json()["code"]) == (413, "too_large")
        responses = client.get("/openapi.json").json()["paths"][URL]["post"]["responses"]
        assert {"400", "401", "403", "413", "503"} <= set(responses)
        assert client.post(URL, content=content, headers=fields).status_code == 200
    assert shop.row["upgrades"] == 1
