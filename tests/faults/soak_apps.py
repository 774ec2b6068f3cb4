"""The guarded APIs of the fault run, each a uvicorn process on the one PostgreSQL.

All five are declared as in `pratique.demo`; what differs is the database,
and the clock, which is read with its offset from a file so that it can jump.
"""

import json
import os
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import create_engine, select, update
from sqlalchemy.orm import Session, sessionmaker

from pratique import Perimeter, Proven, stores
from pratique.client.ownership import OwnedRows
from pratique.demo.gateway.shop import HOST
from pratique.demo.network import Network
from pratique.demo.orders.guarded import DOMAIN, GATEWAY, REPORTS
from pratique.demo.payments.guarded import Invoice
from pratique.demo.preview.guarded import declared as declared_preview
from pratique.demo.preview.told import Told
from pratique.demo.risk.guarded import decided
from pratique.demo.risk.guarded import declared as declared_risk
from pratique.events import JsonLines
from pratique.fetch import Fetch, FetchPolicy, Internal
from pratique.forwarded import Forwarded, presets
from pratique.integrations.fastapi import Public, does, endpoint, guard
from pratique.keys import Jwks
from pratique.service import ANYBODY, Minter, Service, TransactionToken, mtls
from pratique.webhook import Webhook, providers
from tests.faults.soak_heap import tell
from tests.faults.soak_rows import (
    PRICE,
    Account,
    Decision,
    Order,
    Preview,
    Subscription,
    Visit,
)

REFUND = "order.refund"
Told_ = dict[str, Any]


class User(msgspec.Struct):
    """Who is named by a token."""

    id: str
    tenant: str = "shop"


class Clock:
    """The time in UTC, with an offset in seconds that a file holds; a file that is gone is none."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)

    def __call__(self) -> datetime:
        try:
            offset = float(self._file.read_text())
        except (OSError, ValueError):
            offset = 0.0
        return datetime.now(UTC) + timedelta(seconds=offset)


def payments(told: Told_) -> FastAPI:
    """Return the webhook: a payment upgrades a subscription, and moves its price."""
    make = sessionmaker(create_engine(told["url"]))
    perimeter = Perimeter(
        stores.sqlalchemy(make),
        JsonLines(told["events"]),
        deadline=timedelta(seconds=5),
        clock=Clock(told["clock"]),
    )
    boundary = perimeter.declare(
        Webhook(
            "payments",
            providers.stripe(secrets=told["secret"], livemode=True, account="acct_shop"),
        )
    )

    client = httpx.AsyncClient(trust_env=False, timeout=3)

    async def confirm(event: Any) -> Any:
        answer = await client.get(f"{told['provider']}/v1/invoices/{event.object_id}")
        if answer.status_code == 404:
            return None
        invoice = msgspec.json.decode(answer.raise_for_status().content, type=Invoice)
        if invoice.id != event.object_id:
            raise ValueError("the provider answers about another invoice")
        return invoice if invoice.status == "paid" and invoice.livemode else None

    def link(invoice: Invoice, db: Session) -> Subscription | None:
        mine = select(Subscription).where(Subscription.customer == invoice.customer)
        return db.scalar(mine.with_for_update())

    @boundary.on(
        "invoice.paid",
        confirm=confirm,
        once=lambda invoice: invoice.id,
        link=link,
        allow=lambda invoice, row: (invoice.amount, invoice.currency) == (PRICE, "eur"),
    )
    def activate(paid: Any, db: Session) -> None:
        # `allow` would let a second one pass: single use alone must stop it.
        paid.linked.state = "active"
        paid.linked.upgrades += 1
        for owner, cents in (("shop", PRICE), (paid.linked.customer, -PRICE)):
            moved = update(Account).where(Account.owner == owner)
            db.execute(moved.values(balance=Account.balance + cents))

    app = guard(FastAPI(), perimeter)
    app.post("/api/webhooks/payment")(endpoint(boundary))
    return app


def orders(told: Told_) -> FastAPI:
    """Return the service behind mTLS: a token of the issuer, whose keys roll, refunds an order."""
    make = sessionmaker(create_engine(told["url"]))
    clock = Clock(told["clock"])
    perimeter = Perimeter(stores.sqlalchemy(make), JsonLines(told["events"]), clock=clock)
    port = int(told["issuer"].rpartition(":")[2])
    here = Internal("127.0.0.1", "127.0.0.0/8", port, reason="the issuer of this run")
    fetch = perimeter.declare(
        Fetch(
            "issuer",
            FetchPolicy(
                hosts={"127.0.0.1"},
                schemes={"http"},
                internal=[here],
                content_types={"application/json"},
                deadline=timedelta(seconds=2),
            ),
        )
    )
    keys = perimeter.attach(Jwks(f"{told['issuer']}/jwks", fetch=fetch))
    minter = Minter(issuer=told["issuer"], keys=keys, scopes={REFUND}, subjects=ANYBODY)
    service = perimeter.declare(
        Service(
            "orders",
            caller=mtls(DOMAIN, allow={GATEWAY: {REFUND}, REPORTS: {"orders.list"}}),
            context=TransactionToken(DOMAIN, minters=[minter]),
            user=lambda subject: User(subject) if subject.startswith("root:") else None,
            policy=lambda user, action, order: action == "refund",
        )
    )
    rows = OwnedRows(Order.tenant, by=lambda user: user.tenant, lock=True)

    @service.once(
        REFUND,
        verb="refund",
        key=lambda asked: asked.key,
        link=rows.find,
        read_key=rows.read_key,
    )
    def refund(proven: Proven[Any], db: Session) -> None:
        _ = db
        proven.value.object.refunds += 1

    app = guard(FastAPI(), perimeter)
    app.post("/api/orders/{order}/refund")(does(refund, key="order"))
    return app


def risk(told: Told_) -> FastAPI:
    """Return the API that asks a partner before it decides."""
    engine = create_engine(told["url"])
    perimeter, _, score = declared_risk(told["path"], told["key"])
    perimeter.clock = Clock(told["clock"])
    app = guard(FastAPI(), perimeter)

    @app.post("/api/orders/{order}/decide")
    async def decide(order: int) -> JSONResponse:
        said = await score.aask(params={"order": str(order)})
        with Session(engine) as db:
            row = db.get_one(Decision, order, with_for_update=True)
            known: Any = {"state": row.state, "amount": 4_900}
            if row.state == "new":
                row.state, row.note = decided(said, known), said.value.note
                row.decisions += 1
                db.commit()
            return JSONResponse({"state": row.state})

    return app


def preview(told: Told_) -> FastAPI:
    """Return the API that fetches a page that a user names."""
    engine = create_engine(told["url"])
    perimeter, previews = declared_preview(Told(told["path"], "", told["key"], ""))
    perimeter.clock = Clock(told["clock"])
    app = guard(FastAPI(), perimeter)

    @app.post("/api/preview")
    async def show(request: Request) -> JSONResponse:
        user, url = request.headers["x-user"], (await request.json())["url"]
        found = await previews.aget(url, principal=user)
        kept = found.value.content.decode("utf-8", "replace")[:500]
        with Session(engine) as db:
            if db.get(Preview, user) is None:
                db.add(Preview(id=user, text=kept))
                db.commit()
        return JSONResponse({})

    return app


def gateway(told: Told_) -> FastAPI:
    """Return the API behind a gateway: who the client is, the gateway says."""
    engine = create_engine(told["url"])
    perimeter = Perimeter(events=JsonLines(told["events"]), clock=Clock(told["clock"]))
    policy = presets.nginx(trusted=("127.0.0.1",), hosts=(HOST,))
    perimeter.declare(Forwarded("edge", policy, record="every"))
    app = guard(FastAPI(), perimeter)

    @app.post("/api/visits/{number}")
    @Public("who a client is, its address alone says here")
    def visit(number: int, request: Request) -> JSONResponse:
        client = request.client.host if request.client is not None else ""
        with Session(engine) as db:
            if db.get(Visit, number) is None:
                db.add(Visit(id=number, client=client))
                db.commit()
        return JSONResponse({})

    return app


APPS = {
    "payments": payments,
    "orders": orders,
    "risk": risk,
    "preview": preview,
    "gateway": gateway,
}


def _down(app: FastAPI) -> None:
    """Answer 503 where our own code, outside any boundary, meets a database that is away."""
    from sqlalchemy.exc import DBAPIError

    @app.exception_handler(DBAPIError)
    async def away(_: Request, __: DBAPIError) -> JSONResponse:
        return JSONResponse({}, 503)


def main() -> None:
    """Serve one of them on loopback."""
    kind, port = sys.argv[1], int(sys.argv[2])
    told = json.loads(os.environ["SOAK_SETTINGS"])
    more: dict[str, Any] = {"loop": "asyncio", "proxy_headers": kind != "gateway"}
    if kind == "orders":
        more = {
            "http": "pratique.integrations.uvicorn:MtlsProtocol",
            "ssl_certfile": told["certificate"],
            "ssl_ca_certs": told["ca"],
            "ssl_cert_reqs": ssl.CERT_OPTIONAL,
        }
    if kind in ("risk", "preview"):
        Network(Path(told["table"])).enter()
    tell(Path(told["heap"]))
    app = APPS[kind](told)
    _down(app)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical", ws="none", **more)


if __name__ == "__main__":
    main()
