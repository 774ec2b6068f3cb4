"""The door: it starts in every host or refuses in every host, caps what it reads, documents its refusals."""

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.testclient import TestClient

from pratique import Perimeter, Secret, stores
from pratique.core.refusal import BoundaryError
from pratique.integrations.fastapi import endpoint, guard
from pratique.webhook import Webhook, providers
from tests.attacks.door import app_of
from tests.processes import by_uvicorn
from tests.shop import URL, async_orm, boundary, delivery, plain_sqlite3


def indebted() -> FastAPI:
    """Return an application whose boundary owes everything."""
    perimeter = Perimeter(store=stores.memory())
    payments = perimeter.declare(boundary())
    app = guard(FastAPI(), perimeter)
    app.post(URL)(endpoint(payments))
    return app


async def by_transport(app: Any, **request: Any) -> httpx.Response:
    """Send one request without any lifespan."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        return await client.post(URL, **request)


def honest() -> dict[str, Any]:
    """Return an honest request."""
    content, fields = delivery()
    return {"content": content, "headers": dict(fields)}


def test_a_debt_is_refused_in_every_host_in_process() -> None:
    """With lifespan and without: a test client with and without its context, ASGITransport, a mounted application."""
    with pytest.raises(BoundaryError), TestClient(indebted()):
        pass
    with pytest.raises(BoundaryError):
        TestClient(indebted()).post(URL, **honest())
    with pytest.raises(BoundaryError):
        asyncio.run(by_transport(indebted(), **honest()))
    outer = Starlette()
    outer.mount("/", indebted())
    with pytest.raises(BoundaryError), TestClient(outer) as client:
        client.post(URL, **honest())


def test_the_twin_starts_in_every_host_in_process(tmp_path: Path) -> None:
    """The same hosts, nothing owed."""
    shops = [async_orm(f"sqlite+aiosqlite:///{tmp_path}/{n}.db") for n in range(4)]
    with TestClient(app_of(shops[0])) as client:
        assert client.post(URL, **honest()).status_code == 200
    assert TestClient(app_of(shops[1])).post(URL, **honest()).status_code == 200
    assert asyncio.run(by_transport(app_of(shops[2]), **honest())).status_code == 200
    outer = Starlette()
    outer.mount("/", app_of(shops[3]))
    with TestClient(outer) as client:
        assert client.post(URL, **honest()).status_code == 200
    assert [shop.row["upgrades"] for shop in shops] == [1, 1, 1, 1]


@pytest.mark.parametrize("secret", ["", "changeme"])
def test_uvicorn_exits_where_a_debt_is_left(tmp_path: Path, secret: str) -> None:
    """WH-07: the process doesn't stay up; the demonstration's table shows the twin."""
    command = [
        sys.executable,
        "-m",
        "pratique.demo.serve",
        "payments",
        "guarded",
        "0",
    ]
    told = {"path": str(tmp_path / "x.db"), "provider": "http://127.0.0.1:9", "secret": secret}
    ran = subprocess.run(
        command,
        env={"DEMO_SETTINGS": json.dumps(told), "PATH": "/usr/bin"},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode != 0


@pytest.mark.parametrize("before", [True, False])
def test_middleware_may_be_added_before_or_after_the_guard(tmp_path: Path, *, before: bool) -> None:
    """The guard is outermost whatever the order."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    app = FastAPI()
    if before:
        app.add_middleware(GZipMiddleware)
    guard(app, shop.perimeter)
    if not before:
        app.add_middleware(GZipMiddleware)
    app.post(URL)(endpoint(shop.payments))
    with TestClient(app) as client:
        assert client.post(URL, **honest()).status_code == 200
        assert type(app.middleware_stack).__name__ == "Guarded"


def test_a_boundary_without_a_guard_lets_nothing_through(tmp_path: Path) -> None:
    """Nor one of another perimeter, nor an application that is guarded too late or twice."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    bare = FastAPI()
    bare.post(URL)(endpoint(shop.payments))
    with pytest.raises(BoundaryError, match="guard"):
        TestClient(bare).post(URL, **honest())
    with pytest.raises(BoundaryError, match="first request"):
        guard(bare, shop.perimeter)
    twice = guard(FastAPI(), shop.perimeter)
    with pytest.raises(BoundaryError, match="twice"):
        guard(twice, shop.perimeter)


def test_routes_and_declarations_must_agree(tmp_path: Path) -> None:
    """A declared boundary without a route, a route whose boundary isn't declared here."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    with (
        pytest.raises(BoundaryError, match="no route"),
        TestClient(guard(FastAPI(), shop.perimeter)),
    ):
        pass
    stranger = Webhook("stranger", providers.stripe(secrets=Secret("whsec_8sPq2Lx0Vt7RkYw3Zb5N")))
    app = app_of(plain_sqlite3(tmp_path / "other.db"))
    app.post("/stranger")(endpoint(stranger))
    with pytest.raises(BoundaryError, match="not declared"), TestClient(app):
        pass


def test_a_dependency_that_reads_the_body_first_is_refused(tmp_path: Path) -> None:
    """FastAPI would parse JSON before any proof; a dependency that doesn't read it is fine."""

    def reads(body: dict[str, Any] = Body()) -> None:
        """Read it."""

    def reads_not() -> None:
        """Leave it."""

    for dependency, starts in ((reads, False), (reads_not, True)):
        shop = plain_sqlite3(tmp_path / f"{starts}.db")
        app = guard(FastAPI(dependencies=[Depends(dependency)]), shop.perimeter)
        app.post(URL)(endpoint(shop.payments))
        if starts:
            with TestClient(app) as client:
                assert client.post(URL, **honest()).status_code == 200
        else:
            with pytest.raises(BoundaryError, match="before it is proven"), TestClient(app):
                pass


def test_a_webhook_may_stand_in_an_included_router(tmp_path: Path) -> None:
    """It is found, served and documented there; a dependency of its router that reads the body is refused."""

    def reads(body: dict[str, Any] = Body()) -> None:
        """Read it."""

    for dependencies, starts in (([Depends(reads)], False), ([], True)):
        shop = plain_sqlite3(tmp_path / f"{starts}.db")
        router = APIRouter(dependencies=dependencies)
        router.post(URL)(endpoint(shop.payments))
        app = guard(FastAPI(), shop.perimeter)
        app.include_router(router, prefix="/v1")
        if starts:
            with TestClient(app) as client:
                assert client.post("/v1" + URL, **honest()).status_code == 200
            responses = app.openapi()["paths"]["/v1" + URL]["post"]["responses"]
            assert "application/problem+json" in responses["401"]["content"]
        else:
            with pytest.raises(BoundaryError, match="before it is proven"), TestClient(app):
                pass


def test_refusals_stand_in_the_openapi_document(tmp_path: Path) -> None:
    """Each status with a problem document."""
    document = app_of(plain_sqlite3(tmp_path / "shop.db")).openapi()
    responses = document["paths"][URL]["post"]["responses"]
    assert {"400", "401", "403", "408", "413", "503"} <= set(responses)
    assert "application/problem+json" in responses["401"]["content"]


def test_an_optional_secret_that_is_unset_answers_404(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Declared, off; set, it is on."""
    for value, status in ((None, 404), ("whsec_8sPq2Lx0Vt7RkYw3Zb5N", 200)):
        shop = plain_sqlite3(tmp_path / f"{status}.db")
        shop.payments.sender = providers.stripe(secrets=Secret.optional("OPTIONAL_SECRET"))
        if value is not None:
            monkeypatch.setenv("OPTIONAL_SECRET", value)
        with TestClient(app_of(shop)) as client:
            assert client.post(URL, **honest()).status_code == status


def test_a_refusal_after_authentic_names_its_code_and_its_crossing(tmp_path: Path) -> None:
    """RFC 9457; the id finds the record again, in the store too."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    with TestClient(app_of(shop)) as client:
        content, fields = delivery(
            content=b'{"id": "evt_1", "type": "invoice.paid", "livemode": true, "data": 5}'
        )
        answer = client.post(URL, content=content, headers=dict(fields))
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "bad_envelope"
        stored = shop.perimeter.store.sync.find(client.post(URL, **honest()).headers["crossing-id"])
        assert stored is not None
        assert stored.proofs == (
            "authentic",
            "fresh",
            "unique",
            "confirmed",
            "linked",
            "allowed",
            "valid",
        )


def test_reads_no_more_than_the_cap_from_a_real_socket(tmp_path: Path) -> None:
    """WH-28: 50 MB announced, and chunks without end: 413 after at most the cap; then an honest delivery goes through."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    with by_uvicorn(app_of(shop)) as port:
        head = f"POST {URL} HTTP/1.1\r\nHost: t\r\n".encode()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as announced:
            announced.sendall(head + b"Content-Length: 52428800\r\n\r\n" + b"x" * 1024)
            assert b"413" in announced.recv(1024).split(b"\r\n")[0]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as endless:
            endless.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            sent = 0
            chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            try:
                while sent < 50 << 20:
                    endless.sendall(chunk)
                    sent += len(chunk)
            except OSError:
                pass
            assert sent < 16 << 20
        assert (
            httpx.post(f"http://127.0.0.1:{port}{URL}", trust_env=False, **honest()).status_code
            == 200
        )
    assert shop.row["upgrades"] == 1
