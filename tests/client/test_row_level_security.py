"""A view that forgets its WHERE shows the caller's own rows, as PostgreSQL holds the rest back."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session as Db
from sqlalchemy.pool import NullPool

from pratique import Perimeter, Proven, stores
from pratique.client import Client, Session, SessionCookie
from pratique.integrations.fastapi import called, guard
from tests.client.shop import NOON, ORIGIN, TOKENS, Base, Login, Order, Shop, User, may


def shop_on(url: str, *, bound: bool) -> FastAPI:
    """Return a shop on PostgreSQL, whose view reads every order that it is given."""
    new = async_sessionmaker(create_async_engine(url, poolclass=NullPool))
    perimeter = Perimeter(clock=lambda: NOON)
    rows = perimeter.attach(stores.row_level_security(new, ["order"]))
    app = guard(FastAPI(), perimeter)

    async def db() -> AsyncIterator[AsyncSession]:
        async with new.begin() as session:
            yield session

    async def load(digest: str, session: AsyncSession) -> Session | None:
        found = await session.get(Login, digest)
        return None if found is None else Session(found.user_id, NOON, NOON)

    async def user(subject: object, session: AsyncSession) -> User | None:
        found = await session.get(User, subject)
        if found is not None and bound:
            await rows.afollow(session, str(found.id))
        return found

    identity = SessionCookie("session", load, origins=[ORIGIN])
    shop = perimeter.declare(Client("shop", identity=identity, user=user, policy=may))
    reads = called(shop, "profile.read", session=db)

    @app.get("/orders")
    async def orders(
        who: Annotated[Proven[User, Literal["profile.read"]], reads],
        session: Annotated[AsyncSession, Depends(db)],
    ) -> Any:
        _ = who
        return (await session.scalars(select(Order.id).order_by(Order.id))).all()

    return app


@pytest.mark.server
def test_a_view_without_a_where_shows_ones_own(pg_url: str) -> None:
    """Two callers, each their order; a shop that forgets to bind shows nobody's."""
    url = make_url(pg_url)
    role = f"shop_{url.database}"
    engine = create_engine(url, poolclass=NullPool)
    Base.metadata.create_all(engine)
    with Db(engine) as session, session.begin():
        session.add_all([User(id=1, name="ann"), User(id=2, name="bob")])
        session.flush()
        session.add_all([Order(id=10, owner_id=1), Order(id=20, owner_id=2), Order(id=30)])
        for number, name in enumerate(("ann", "bob"), 1):
            Shop._login(session, TOKENS[name], number, NOON)
        for statement in (
            *stores.owner_policy("order", "owner_id", type="integer"),
            f'CREATE ROLE "{role}" LOGIN NOSUPERUSER NOBYPASSRLS',
            f'GRANT SELECT ON "order", "user", login TO "{role}"',
        ):
            session.connection().exec_driver_sql(statement)
    app_url = url.set(username=role).render_as_string(hide_password=False)
    try:
        for bound, seen in ((True, {"ann": [10], "bob": [20]}), (False, {"ann": [], "bob": []})):
            for name, own in seen.items():
                with TestClient(shop_on(app_url, bound=bound)) as client:
                    answer = client.get("/orders", headers={"Cookie": f"session={TOKENS[name]}"})
                assert (answer.status_code, answer.json()) == (200, own)
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f'DROP OWNED BY "{role}" CASCADE')
            connection.exec_driver_sql(f'DROP ROLE "{role}"')
