"""The same shop API and orders service, guarded."""

import ssl
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal

import httpx
import msgspec
from fastapi import Depends, FastAPI, Response
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session as Db
from sqlalchemy.orm import sessionmaker

from pratique import Perimeter, Proven, stores
from pratique.client import Change, Client, Session, SessionCookie
from pratique.client.ownership import OwnedRows
from pratique.events import AT_ONCE, JsonLines
from pratique.integrations.fastapi import called, does, guard, owned
from pratique.integrations.httpx_onward import ONWARD, carry
from pratique.service import ANYBODY, Asked, Issuer, Minter, Onward, Service, TransactionToken, mtls

from .rows import Login, Order, User, opened

DOMAIN = "shop.example"
GATEWAY, REPORTS, ORDERS = (
    f"spiffe://{DOMAIN}/{name}" for name in ("gateway", "reports", "orders")
)
ORIGIN = "https://shop.example"


class OrderChange(msgspec.Struct, forbid_unknown_fields=True):
    """What a customer may write of an order."""

    note: Annotated[str, msgspec.Meta(max_length=100)]
    quantity: Annotated[int, msgspec.Meta(ge=1, le=99)] = 1


class Name(msgspec.Struct, forbid_unknown_fields=True):
    """What a customer may write of themselves."""

    name: Annotated[str, msgspec.Meta(max_length=100)]


def issuer(seed: str, domain: str = DOMAIN, *, of: str = "gateway") -> Issuer:
    """Return the minter of the gateway, or of the reports: each has a key of its own."""
    own = sha256(f"{seed} {of}".encode()).digest()
    return Issuer(f"https://{of}.shop.example", trust_domain=domain, seed=own, key_name="demo")


def _load(digest: str, db: Db) -> Session | None:
    row = db.get(Login, digest)
    user = None if row is None else db.get(User, row.user)
    if row is None or user is None or row.ended_at:
        return None
    began = datetime.fromisoformat(row.began_at)
    if user.password_at and began < datetime.fromisoformat(user.password_at):
        return None
    return Session(row.user, began, began)


def _user(subject: object, db: Db) -> User | None:
    found = db.get(User, subject)
    return None if found is None or found.is_suspended else found


def _may(user: User, action: str, order: Order | None) -> bool:
    """Say what a user may do, from the state of now."""
    if action == "update":
        return order is not None and order.state == "open"
    if action in ("admin.orders", "admin.refund", "orders.list", "refund"):
        return user.role == "admin"
    return action in ("read", "profile.update")


def declared_shop(path: str) -> tuple[Perimeter, Client]:
    """Declare the shop API's boundary."""
    perimeter = Perimeter(events=JsonLines(f"{path}.events.jsonl", delay=AT_ONCE))
    identity = SessionCookie("session", _load, origins=[ORIGIN])
    shop = perimeter.declare(Client("shop", identity=identity, user=_user, policy=_may))
    return perimeter, shop


def declared_orders(path: str, seed: str) -> tuple[Perimeter, Service]:
    """Declare the orders service's boundary."""
    store = stores.sqlalchemy(sessionmaker(create_engine(f"sqlite:///{path}")))
    perimeter = Perimeter(store, JsonLines(f"{path}.inside.events.jsonl", delay=AT_ONCE))
    gateway, reports = issuer(seed), issuer(seed, of="reports")
    minters = (
        Minter(
            issuer=gateway.name,
            keys=gateway.jwks(),
            scopes={"orders.list", "order.refund"},
            subjects=ANYBODY,
        ),
        # The reports run for auditors alone: who takes them over becomes nobody else.
        Minter(issuer=reports.name, keys=reports.jwks(), scopes={"orders.list"}, subjects="audit:"),
    )
    service = perimeter.declare(
        Service(
            "orders",
            caller=mtls(
                DOMAIN,
                allow={GATEWAY: {"orders.list", "order.refund"}, REPORTS: {"orders.list"}},
            ),
            context=TransactionToken(DOMAIN, minters=minters),
            user=_user,
            policy=_may,
        )
    )
    return perimeter, service


def _order_asked_for(asked: Asked[None]) -> object:
    """Return what is refunded once."""
    return asked.key


def guarded_orders(settings: dict[str, str]) -> FastAPI:
    """Return the guarded orders service."""
    perimeter, service = declared_orders(settings["path"], settings["seed"])
    app, get_db = guard(FastAPI(), perimeter), _session(settings["path"])
    listing = called(service, "orders.list", session=get_db)
    rows = OwnedRows(Order.tenant, by=_tenant)

    @service.once(
        "order.refund",
        verb="refund",
        key=_order_asked_for,
        link=rows.find,
        read_key=rows.read_key,
    )
    def refund(proven: Proven[Any], db: Db) -> None:
        _ = db  # its transaction is the effect's
        proven.value.object.refunds += 1

    app.post("/api/admin/orders/{order}/refund")(does(refund, key="order"))

    @app.get("/api/admin/orders")
    def every(
        who: Annotated[Proven[User, Literal["orders.list"]], listing],
        db: Annotated[Db, Depends(get_db)],
    ) -> Any:
        found = db.scalars(select(Order).where(Order.tenant == who.value.tenant))
        return [order.shown for order in found]

    return app


def guarded_shop(settings: dict[str, str]) -> FastAPI:
    """Return the guarded shop API: it calls the orders service for a user whom it has proven."""
    perimeter, shop = declared_shop(settings["path"])
    app, get_db = guard(FastAPI(), perimeter), _session(settings["path"])
    tokens, base = issuer(settings["seed"]), settings["orders"]
    context = ssl.create_default_context(cafile=settings["ca"])
    context.load_cert_chain(settings["gateway"])
    client = httpx.Client(verify=context, trust_env=False, event_hooks={"request": [carry]})

    def on(user: User, method: str, target: str, action: str, about: dict[str, str]) -> Response:
        onward = Onward(
            base,
            lambda at: tokens.mint(user.id, scope=[action], caller=GATEWAY, at=at, about=about),
        )
        answer = client.request(method, base + target, extensions={ONWARD: onward})
        return Response(answer.content, answer.status_code, _told(answer))

    listing = called(shop, "admin.orders", session=get_db)
    refunding = called(shop, "admin.refund", session=get_db)

    @app.get("/api/admin/orders")
    def every(who: Annotated[Proven[User, Literal["admin.orders"]], listing]) -> Response:
        return on(who.value, "GET", "/api/admin/orders", "orders.list", {})

    @app.post("/api/admin/orders/{order}/refund")
    def refund(
        order: int, who: Annotated[Proven[User, Literal["admin.refund"]], refunding]
    ) -> Response:
        about = {"object": str(order)}
        return on(who.value, "POST", f"/api/admin/orders/{order}/refund", "order.refund", about)

    _own_routes(app, shop, get_db)
    return app


def _own_routes(app: FastAPI, shop: Client, get_db: Any) -> None:
    reading = owned(shop, Order.owner, "read", session=get_db, key="order")
    update = owned(shop, Order.owner, "update", session=get_db, key="order", content=OrderChange)
    renaming = called(shop, "profile.update", session=get_db, content=Name)

    @app.get("/api/orders/{order}")
    def show(order: Annotated[Proven[Order, Literal["read"]], reading]) -> Any:
        return order.value.shown

    @app.patch("/api/orders/{order}")
    def change(
        asked: Annotated[Proven[Change[Order, OrderChange], Literal["update"]], update],
        db: Annotated[Db, Depends(get_db)],
    ) -> Any:
        order, content = asked.value.object, asked.value.content
        order.note, order.quantity = content.note, content.quantity
        db.commit()
        return {"ok": True}

    @app.patch("/api/me")
    def rename(
        asked: Annotated[Proven[Change[User, Name], Literal["profile.update"]], renaming],
        db: Annotated[Db, Depends(get_db)],
    ) -> Any:
        asked.value.object.name = asked.value.content.name
        db.commit()
        return {"ok": True}


def _session(path: str) -> Any:
    def get_db() -> Iterator[Db]:
        with opened(path) as db:
            yield db

    return get_db


def _tenant(user: User) -> object:
    return user.tenant


def _told(answer: httpx.Response) -> dict[str, str]:
    return {"content-type": answer.headers.get("content-type", "application/json")}
