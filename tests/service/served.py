"""Three processes: a gateway that does as it is told, an orders service of ours, the guide's own.

`python -m tests.service.served <gateway|ours|sample> <settings.json> <port>`
"""

import json
import ssl
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import jwt
import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from pratique import Perimeter, Proven, stores
from pratique.client.ownership import OwnedRows
from pratique.events import AT_ONCE, JsonLines
from pratique.integrations.fastapi import called, context_of, does, guard, owned
from pratique.integrations.httpx_onward import ONWARD, acarry
from pratique.service import ANYBODY, Issuer, Minter, Onward, Service, TransactionToken, mtls

GATEWAY, REPORTS = "spiffe://shop.example/gateway", "spiffe://shop.example/reports"
ORDERS = "spiffe://shop.example/orders"
ACTIONS = ("order.hold", "order.read", "order.refund", "orders.list")
USERS = {"staff:9": ("admin", "t1"), "staff:8": ("admin", "t2"), "customer:1": ("customer", "t1")}
ROWS = {10: "t1", 11: "t1", 12: "t1", 20: "t2"}
SESSIONS = {"s" * 32: "staff:9", "c" * 32: "customer:1"}
SERVICE_SECRET = "the guide's service token is signed with this, 256 bits"


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "user"
    id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    tenant: Mapped[str]
    is_suspended: Mapped[bool] = mapped_column(default=False)


class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    refunds: Mapped[int] = mapped_column(default=0)

    @property
    def shown(self) -> dict[str, Any]:
        """Return it as an answer shows it."""
        return {"id": self.id, "tenant": self.tenant}


class State:
    """The rows of one orders service, in a file of its own."""

    def __init__(self, path: str) -> None:
        self.engine = create_engine(f"sqlite:///{path}")

    def make(self) -> None:
        """Write users and orders."""
        Base.metadata.create_all(self.engine)
        with Session(self.engine) as db:
            for name, (role, tenant) in USERS.items():
                db.add(User(id=name, role=role, tenant=tenant))
            db.add_all([Order(id=key, tenant=tenant) for key, tenant in ROWS.items()])
            db.commit()

    def change(self, user: str, **values: Any) -> None:
        """Change a user, as our own back office would."""
        with Session(self.engine) as db:
            row = db.get_one(User, user)
            for name, value in values.items():
                setattr(row, name, value)
            db.commit()

    def refunds(self) -> dict[int, int]:
        """Read back how often each order was refunded."""
        with Session(self.engine) as db:
            return {order.id: order.refunds for order in db.scalars(select(Order))}


def issuer(trust_domain: str = "shop.example") -> Issuer:
    """Return the gateway's minter."""
    return Issuer(
        "https://gateway.shop.example",
        trust_domain=trust_domain,
        seed=bytes(range(32)),
        key_name="k1",
    )


def own_issuer() -> Issuer:
    """Return the minter of the orders service, for its own calls."""
    return Issuer(
        "https://orders.shop.example",
        trust_domain="shop.example",
        seed=bytes(range(100, 132)),
        key_name="k1",
    )


def may(user: User, action: str, order: Order | None) -> bool:
    """Say what a user may do."""
    return user.role == "admin"


def ours(path: str) -> FastAPI:
    """Return the guarded orders service."""
    state = State(path)

    def written() -> Iterator[Session]:
        with Session(state.engine) as session, session.begin():
            yield session

    def user(subject: str, db: Session) -> User | None:
        found = db.get(User, subject)
        return None if found is None or found.is_suspended else found

    perimeter = Perimeter(
        stores.sqlalchemy(sessionmaker(state.engine)),
        JsonLines(f"{path}.events.jsonl", delay=AT_ONCE),
    )
    minter = Minter(
        issuer=issuer().name, keys=issuer().jwks(), scopes=set(ACTIONS), subjects=ANYBODY
    )
    orders = perimeter.declare(
        Service(
            "orders",
            caller=mtls(
                "shop.example",
                allow={GATEWAY: set(ACTIONS), REPORTS: {"order.read"}},
            ),
            context=TransactionToken("shop.example", minters=[minter]),
            user=user,
            policy=may,
        )
    )
    app = guard(FastAPI(), perimeter)
    db = Depends(written, scope="function")
    tenant: Any = lambda who: who.tenant  # noqa: E731
    read = owned(orders, Order.tenant, "read", session=db, by=tenant)
    rows = OwnedRows(Order.tenant, by=tenant)

    def part(asked: Any, db: Session) -> tuple[int, int] | None:
        # An order may be paid back in parts: that one token pays one is single use of it alone.
        order = db.get(Order, asked.key)
        return None if order is None else (order.id, order.refunds)

    @orders.once("order.refund", verb="refund", key=part, link=rows.find, read_key=rows.read_key)
    def pay_back(proven: Any, db: Session) -> None:
        assert db is not None
        proven.value.object.refunds += 1

    hold = owned(orders, Order.tenant, "hold", session=db, by=tenant)
    listing = called(orders, "orders.list", session=db)

    @app.get("/api/admin/orders")
    def every(who: Annotated[Proven[User, Literal["orders.list"]], listing]) -> Any:
        with Session(state.engine) as own:
            found = own.scalars(select(Order).where(Order.tenant == who.value.tenant))
            return [order.shown for order in found]

    @app.get("/api/admin/orders/{order_id}")
    def one(order: Annotated[Proven[Order, Literal["read"]], read]) -> Any:
        return order.value.shown

    app.post("/api/admin/orders/{order_id}/refund")(does(pay_back))

    @app.post("/api/admin/orders/{order_id}/hold")
    def hold_stock(order: Annotated[Proven[Order, Literal["hold"]], hold], request: Request) -> Any:
        assert order.value.id
        parent = context_of(request)
        onward = Onward(
            "https://stock.internal",
            lambda at: own_issuer().narrow(parent, scope=["order.hold"], caller=ORDERS, at=at),
        )
        return onward.fields_for("https://stock.internal/items/7")

    return app


def sample(path: str) -> FastAPI:
    """Return the guide's "safer" service (section 6), its steps before each of three actions."""
    app, state = FastAPI(), State(path)

    def trouble(request: Request, db: Session) -> JSONResponse | None:
        token = request.headers.get("authorization", "")
        try:
            caller = jwt.decode(token, SERVICE_SECRET, algorithms=["HS256"], audience="orders")
        except jwt.InvalidTokenError:
            return JSONResponse({"error": "untrusted caller"}, 401)
        if caller["service"] != "api-gateway":
            return JSONResponse({"error": "untrusted caller"}, 401)
        name = request.headers.get("x-authenticated-user-id")
        if not name:
            return JSONResponse({"error": "missing user context"}, 400)
        user = db.get(User, name)
        if not user or user.role != "admin":
            return JSONResponse({"error": "forbidden"}, 403)
        return None

    @app.get("/api/admin/orders")
    def every(request: Request) -> Any:
        with Session(state.engine) as db:
            return trouble(request, db) or [order.shown for order in db.scalars(select(Order))]

    @app.get("/api/admin/orders/{order_id}")
    def one(order_id: int, request: Request) -> Any:
        with Session(state.engine) as db:
            return trouble(request, db) or db.get_one(Order, order_id).shown

    @app.post("/api/admin/orders/{order_id}/refund")
    def pay_back(order_id: int, request: Request) -> Any:
        with Session(state.engine) as db, db.begin():
            found = trouble(request, db)
            if found is None:
                db.get_one(Order, order_id).refunds += 1
            return found or {"ok": True}

    return app


def gateway(settings: dict[str, Any]) -> FastAPI:
    """Return a gateway that proves its users, and one door at which it calls as it is told."""
    app = FastAPI()

    def client(who: str) -> httpx.AsyncClient:
        context = ssl.create_default_context(cafile=settings["ca"])
        context.load_cert_chain(settings[who])
        return httpx.AsyncClient(verify=context, trust_env=False, event_hooks={"request": [acarry]})

    @app.get("/orders/{order_id}")
    async def show(order_id: int, request: Request) -> Any:
        user = SESSIONS[request.cookies["session"]]
        onward = Onward(
            settings["ours"],
            lambda at: issuer().mint(
                user,
                scope=["order.read"],
                caller=GATEWAY,
                at=at,
                about={"object": str(order_id)},
            ),
        )
        async with client("gateway") as http:
            url = f"{settings['ours']}/api/admin/orders/{order_id}"
            answer = await http.get(url, extensions={ONWARD: onward})
        return JSONResponse(answer.json(), answer.status_code)

    @app.post("/deputy")
    async def deputy(request: Request) -> Any:
        told = await request.json()
        fields = [(name, value) for name, value in told["fields"]]
        fields += [("Txn-Token", minted(**said)) for said in told["tokens"]]
        answers: list[Any] = []
        async with client(told["who"]) as http:
            for _ in range(told["times"]):
                answer = await http.request(told["method"], told["url"], headers=fields)
                answers.append([answer.status_code, dict(answer.headers), answer.text])
        return answers

    return app


def minted(*, ago: float = 0, trust_domain: str = "shop.example", **said: Any) -> str:
    """Return a token of the gateway's key, with what it was told."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    return issuer(trust_domain).mint(said.pop("subject"), at=at, **said)


def main() -> None:
    """Serve one of them on loopback."""
    kind, file, port = sys.argv[1:]
    settings = json.loads(Path(file).read_text(encoding="utf-8"))
    app = {"gateway": lambda: gateway(settings), "sample": lambda: sample(settings["sample_db"])}
    more: dict[str, Any] = {}
    if kind == "ours":
        more = {
            "http": "pratique.integrations.uvicorn:MtlsProtocol",
            "ssl_certfile": settings["orders"],
            "ssl_ca_certs": settings["ca"],
            "ssl_cert_reqs": ssl.CERT_REQUIRED,
        }
    made = app.get(kind, lambda: ours(settings["ours_db"]))()
    uvicorn.run(made, host="127.0.0.1", port=int(port), log_level="warning", ws="none", **more)


if __name__ == "__main__":
    main()
