"""The guarded FastAPI endpoint beside the same endpoint without proofs.

Run it: `python -m benchmarks.endpoint`.

Both look the same row up, write it and commit, on the same kind of SQLite file, in process, through
httpx's ASGI transport. What the client costs is taken off both by a third endpoint that does
nothing.
"""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.crossing import NoSink
from benchmarks.timing import row
from pratique import Admitted, Perimeter, stores
from pratique.integrations.fastapi import endpoint, guard
from pratique.webhook import Event, Webhook, providers

SECRET = "whsec_8sPq2Lx0Vt7RkYw3Zb5N"
REQUESTS, ROUNDS, AT_ONCE = 300, 4, 1


class Base(DeclarativeBase):
    """The benchmark's table."""


class Subscription(Base):
    """One row an event."""

    __tablename__ = "subscription"
    id: Mapped[int] = mapped_column(primary_key=True)
    invoice: Mapped[str] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(default="pending")


async def database(path: Path) -> tuple[AsyncEngine, async_sessionmaker[AsyncSession]]:
    """Make a file with a row for each event, WAL and synchronous=FULL."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")

    @event.listens_for(engine.sync_engine, "connect")
    def durable(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    maker = async_sessionmaker(engine, expire_on_commit=False)
    async with maker.begin() as session:
        session.add_all([Subscription(invoice=f"in_{n}") for n in range(REQUESTS)])
    return engine, maker


def guarded(maker: async_sessionmaker[AsyncSession]) -> FastAPI:
    """Return the application with all seven proofs."""
    perimeter = Perimeter(store=stores.sqlalchemy(maker), events=NoSink())
    payments = perimeter.declare(
        Webhook("payments", providers.stripe(secrets=SECRET, livemode=True))
    )

    async def confirm(event: Event) -> str:
        return event.object_id

    async def link(invoice: str, db: AsyncSession) -> Subscription | None:
        return await db.scalar(select(Subscription).where(Subscription.invoice == invoice))

    @payments.on(
        "invoice.paid",
        confirm=confirm,
        once=lambda i: i,
        link=link,
        allow=lambda _, s: s.state == "pending",
    )
    async def activate(paid: Admitted[Event, str, Subscription], _db: AsyncSession) -> None:
        paid.linked.state = "active"

    app = guard(FastAPI(), perimeter)
    app.post("/hook")(endpoint(payments))
    return app


def plain(maker: async_sessionmaker[AsyncSession]) -> FastAPI:
    """Return the same without proofs: parse, look up, write, commit."""
    app = FastAPI()

    @app.post("/hook")
    async def hook(request: Request) -> dict[str, bool]:
        body = await request.json()
        async with maker.begin() as db:
            wanted = Subscription.invoice == body["data"]["object"]["id"]
            sub = await db.scalar(select(Subscription).where(wanted))
            if sub is not None:
                sub.state = "active"
        return {"ok": True}

    @app.post("/nothing")
    async def nothing() -> dict[str, bool]:
        return {"ok": True}

    return app


async def seconds(app: FastAPI, path: str) -> float:
    """Return how long all requests take, several at once."""
    at, bodies = datetime.now(UTC), []
    for n in range(REQUESTS):
        content = (
            b'{"id": "evt_%d", "type": "invoice.paid", "livemode": true, '
            b'"data": {"object": {"id": "in_%d"}}}' % (n, n)
        )
        bodies.append((content, dict(providers.stripe.seal(content, secret=SECRET, at=at))))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        # The middleware stack is built, the perimeter started.
        await client.post("/openapi.json", content=b"{}")
        queue = iter(bodies)

        async def send() -> None:
            for content, headers in queue:
                answer = await client.post(path, content=content, headers=headers)
                if answer.status_code != httpx.codes.OK:
                    raise RuntimeError(answer.text)

        begin = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(AT_ONCE)))
        return time.perf_counter() - begin


async def once(folder: Path, number: int) -> tuple[float, float, float]:
    """Measure the three endpoints, each on its own file."""
    engine, maker = await database(folder / f"guarded{number}.db")
    with_proofs = await seconds(guarded(maker), "/hook")
    await engine.dispose()
    engine, maker = await database(folder / f"plain{number}.db")
    app = plain(maker)
    without = await seconds(app, "/hook")
    client = await seconds(app, "/nothing")
    await engine.dispose()
    return with_proofs, without, client


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        best = [float("inf")] * 3
        for number in range(ROUNDS):
            measured = asyncio.run(once(Path(folder), number))
            best = [min(a, b) for a, b in zip(best, measured, strict=True)]
    with_proofs, without, client = best
    print(
        f"ms a request: guarded {with_proofs / REQUESTS * 1e3:.2f}, "
        f"plain {without / REQUESTS * 1e3:.2f}, client alone {client / REQUESTS * 1e3:.2f}"
    )
    share = (without - client) / (with_proofs - client)
    row(
        "throughput of the guarded endpoint, share of the plain one's",
        share,
        ">= 0.70",
        ok=share >= 0.70,
    )
    row("the same with the client's own cost left in", without / with_proofs, "", ok=True)


if __name__ == "__main__":
    main()
