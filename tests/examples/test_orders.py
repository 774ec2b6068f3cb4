"""examples/orders: a certificate says who calls, a token for whom; a field says nothing."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from examples.orders import app as guarded
from examples.orders import gateway, vulnerable

ROLE = {"X-User-Role": "admin"}


def showing(certificate: Path | None, app: Any) -> Any:
    """Return an application whose server has seen that certificate."""
    chain = [certificate.read_text().split("-----BEGIN PRIVATE")[0]] if certificate else []

    async def with_certificate(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen = {"client_cert_chain": chain, "client_cert_name": None, "client_cert_error": None}
            scope = {**scope, "extensions": {**scope.get("extensions", {}), "tls": seen}}
        await app(scope, receive, send)

    return with_certificate


class Door:
    """The service, and the gateway's half."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seed = folder, gateway.new(folder)
        self.app = guarded.create_app(gateway.minter(self.seed).jwks())

    def ask(self, certificate: str = "gateway.pem", **fields: str) -> tuple[int, str]:
        """Send one request; the status, and what the problem's code is where one is told."""
        shown = self.folder / certificate if certificate else None
        told = {name.replace("_", "-"): value for name, value in fields.items()}
        with TestClient(showing(shown, self.app)) as client:
            answer = client.get("/admin/orders", headers=told)
        return answer.status_code, answer.text

    def token(self, user: str, **more: Any) -> str:
        """Return a token for a user."""
        return gateway.token(self.seed, user, **more)


@pytest.fixture
def door(tmp_path: Path) -> Door:
    """Give the guarded service."""
    return Door(tmp_path)


def test_a_field_makes_an_admin_where_it_is_believed() -> None:
    """SV-02: the twin shows that the attack is real; without the field it refuses."""
    with TestClient(vulnerable.create_app()) as client:
        assert client.get("/admin/orders", headers=ROLE).json() == vulnerable.ORDERS
        assert client.get("/admin/orders").status_code == 403


def test_a_field_makes_nobody(door: Door) -> None:
    """The same field is refused: alone, and beside a good certificate and token."""
    assert door.ask("", **ROLE)[0] == 401
    assert door.ask(Txn_Token=door.token("staff:1"), **ROLE)[0] == 401


def test_what_is_owed_is_owed_wholly(door: Door) -> None:
    """No certificate, another service's, no token, a token for another caller: refused."""
    good = door.token("staff:1")
    assert door.ask("", Txn_Token=good)[0] == 401
    assert door.ask("orders.pem", Txn_Token=good)[0] == 403
    assert door.ask()[0] == 401
    other = door.token("staff:1", caller="spiffe://shop.example/reports")
    assert door.ask(Txn_Token=other)[0] == 403


@pytest.mark.parametrize("user", ["customer:1", "staff:2", "staff:9"])
def test_the_rows_say_who_is_an_admin(door: Door, user: str) -> None:
    """A customer, a suspended admin, nobody: each with a good token."""
    assert door.ask(Txn_Token=door.token(user))[0] == 403


def test_an_admin_for_whom_the_gateway_calls_sees_the_orders(door: Door) -> None:
    """The twin."""
    status, text = door.ask(Txn_Token=door.token("staff:1"))
    assert (status, "ring twice" in text) == (200, True)
