"""A service boundary behind FastAPI's own dependencies: what the path, the fields and the server must be."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from pratique import Perimeter
from pratique.core.claim import Claim, Fields, Tls, Via
from pratique.core.refusal import BoundaryError, Refused
from pratique.events import JsonLines
from pratique.integrations.fastapi import context_of
from pratique.integrations.tls import SHOWN
from pratique.service import Minter, Service, TransactionToken, mtls
from tests.integrations.test_mtls import by_uvicorn
from tests.integrations.test_mtls import told as noted
from tests.service.authority import Authority
from tests.service.served import GATEWAY, ORDERS, State, minted, ours, own_issuer

AUTHORITY = Authority()
LEAF = AUTHORITY.issue(GATEWAY)


def shown(app: Any, chain: tuple[bytes, ...]) -> Any:
    """Return the application as a server that shows this certificate would call it."""

    async def server(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope["extensions"] = {SHOWN: Tls(chain)}
        await app(scope, receive, send)

    return server


class Door:
    """The orders service, asked by the gateway."""

    def __init__(self, folder: Path) -> None:
        self.path = f"{folder}/orders.db"
        State(self.path).make()
        self.app = ours(self.path)

    def ask(
        self, path: str, *, method: str = "GET", scope: str = "order.read", about: str = "10",
        fields: tuple[tuple[str, str], ...] = (), chain: tuple[bytes, ...] = (LEAF,),
    ) -> Any:  # fmt: skip
        """Ask with an honest token for that action and object; the answer, with its code."""
        token = minted(subject="staff:9", scope=[scope], caller=GATEWAY, about={"object": about})
        with TestClient(shown(self.app, chain)) as client:
            answer = client.request(method, path, headers=[("Txn-Token", token), *fields])
        record = JsonLines(f"{self.path}.events.jsonl").find(answer.headers.get("crossing-id", ""))
        return answer, record.code if record is not None else ""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """Give the service."""
    made = Door(tmp_path)
    yield made
    State(made.path).engine.dispose()


@pytest.mark.parametrize(
    ("key", "about", "status", "code"),
    [
        ("10", "10", 200, ""),
        ("%31%30", "10", 200, ""),
        ("11", "10", 403, "token_for_another_object"),
        ("010", "10", 403, "token_for_another_object"),
        ("010", "010", 404, "bad_key"),
        ("10%20", "10", 403, "token_for_another_object"),
        ("20", "20", 404, "not_found"),
    ],
)
def test_the_key_in_the_path_is_the_object_of_the_token(
    door: Door, key: str, about: str, status: int, code: str
) -> None:
    """SV-18: what is read is what the token is about, in the one spelling that the path has."""
    answer, told = door.ask(f"/api/admin/orders/{key}", about=about)
    assert (answer.status_code, told) == (status, code)


def test_the_action_has_the_models_name_and_the_verb(door: Door) -> None:
    """`owned(…, Order.tenant, "read")` is order.read, for the scopes of callers, minters and tokens."""
    assert door.ask("/api/admin/orders/10")[0].json() == {"id": 10, "tenant": "t1"}
    assert door.ask("/api/admin/orders/10", scope="read")[1] == "token_for_another_action"
    refund = {"method": "POST", "scope": "order.refund"}
    assert door.ask("/api/admin/orders/10/refund", **refund)[0].status_code == 200
    assert State(door.path).refunds()[10] == 1


@pytest.mark.parametrize("name", ["X-User-Role", "X_User_Id", "x-authenticated-user-id"])
def test_a_field_that_nobody_signed_is_refused(door: Door, name: str) -> None:
    """SV-02, SV-20: beside an honest token; without the field it is answered."""
    answer, code = door.ask("/api/admin/orders/10", fields=((name, "admin"),))
    assert (answer.status_code, code) == (401, "unsigned_identity")
    assert answer.headers["www-authenticate"] == 'Txn-Token realm="orders"'
    assert door.ask("/api/admin/orders/10")[0].status_code == 200


def test_a_server_that_shows_no_certificate_does_not_start(door: Door) -> None:
    """The protocols of uvicorn itself: the start says which boundary needs what, and nothing is served."""
    reasons: list[str] = []
    with by_uvicorn(noted(door.app, reasons), http="h11") as url:
        assert url == ""
    assert 'Boundary "orders" proves its callers by mTLS: uvicorn' in reasons[0]


def test_a_certificate_that_nobody_shows_is_no_caller(door: Door) -> None:
    """401 without one; 503 where the server can't tell."""
    assert door.ask("/api/admin/orders/10", chain=())[1] == "no_client_certificate"
    token = minted(subject="staff:9", scope=["order.read"], caller=GATEWAY, about={"object": "10"})
    with TestClient(door.app) as client:
        answer = client.get("/api/admin/orders/10", headers={"Txn-Token": token})
    assert (answer.status_code, answer.json()["code"]) == (503, "client_certificate_unseen")


def test_a_view_calls_on_for_no_more_than_it_was_called_for(door: Door) -> None:
    """The next service takes it from this one, for the same user, action and object; for nothing else."""
    answer, _ = door.ask("/api/admin/orders/10/hold", method="POST", scope="order.hold")
    minter = Minter(
        issuer=own_issuer().name,
        keys=own_issuer().jwks(),
        scopes={"order.hold", "order.read"},
        subjects="staff:",
    )
    perimeter = Perimeter()
    stock = perimeter.declare(
        Service(
            "stock",
            caller=mtls("shop.example", allow={ORDERS: {"order.hold", "order.read"}}),
            context=TransactionToken("shop.example", minters=[minter]),
            user=lambda subject: subject,
            policy=lambda user, action, key: True,
        )
    )
    hold, read = (
        stock.action(name, find=lambda user, key: key, read_key=lambda text: text)
        for name in ("order.hold", "order.read")
    )

    def taken(action: Any, key: str) -> str:
        chain = (AUTHORITY.issue(ORDERS),)
        fields = Fields(answer.json().items())
        claim = Claim(b"", fields, datetime.now(UTC), Via(method="POST", tls=Tls(chain)))
        try:
            with perimeter:
                perimeter.carry(stock, claim, lambda crossing: action.flow(crossing, key=key))
        except Refused as refused:
            return refused.code
        return "taken"

    assert taken(hold, "10") == "taken"
    assert taken(hold, "11") == "token_for_another_object"
    assert taken(read, "10") == "token_for_another_action"


def test_a_view_that_proves_nothing_calls_on_for_nobody() -> None:
    """context_of: where no action of a service was proven there is no user to call for."""
    app = FastAPI()

    @app.get("/")
    def view(request: Request) -> Any:
        return context_of(request)

    with (
        TestClient(app) as client,
        pytest.raises(BoundaryError, match="no action of a service boundary was proven"),
    ):
        client.get("/")
