"""A shop with two customers and an admin: FastAPI, SQLAlchemy (sync and async), sessions of its own."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from fastapi import FastAPI
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker
from sqlalchemy.orm import Session as Db
from sqlalchemy.pool import NullPool

from pratique import Perimeter, Proven
from pratique.client import Change, Client, Session, SessionCookie
from pratique.core.event import Record
from pratique.integrations.fastapi import called, guard, owned

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
ORIGIN = "https://shop.example"
TOKENS = {"ann": "a" * 32, "bob": "b" * 32, "root": "r" * 32, "gone": "g" * 32}
USERS = {"ann": 1, "bob": 2, "root": 3, "gone": 4}


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    role: Mapped[str] = mapped_column(default="customer")
    is_suspended: Mapped[bool] = mapped_column(default=False)


class Login(Base):
    __tablename__ = "login"
    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int]
    began: Mapped[str]
    used: Mapped[str]


class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    state: Mapped[str] = mapped_column(default="open")
    price: Mapped[int] = mapped_column(default=2900)
    note: Mapped[str] = mapped_column(default="")
    quantity: Mapped[int] = mapped_column(default=1)


class OrderChange(msgspec.Struct, forbid_unknown_fields=True):
    """What a customer may write of an order."""

    note: Annotated[str, msgspec.Meta(max_length=100)] = ""
    quantity: Annotated[int, msgspec.Meta(ge=1, le=99)] = 1


def may(user: User, action: str, order: Order | None) -> bool:
    """Say what a user may do, from the state that everything is in now."""
    if action == "admin.orders":
        return user.role == "admin"
    if action == "update":
        return order is not None and order.state == "open"
    return action in ("read", "profile.read")


class Kept:
    """The records of a perimeter."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def emit(self, record: Record) -> None:
        self.records.append(record)

    def find(self, crossing_id: str) -> Record | None:
        return next((r for r in self.records if r.crossing_id == crossing_id), None)

    def close(self) -> None:
        return None


class Shop:
    """The application, its database, and what was recorded."""

    def __init__(self, folder: Path, *, is_async: bool, policy: Any = may) -> None:
        self.policy = policy
        self.engine = create_engine(f"sqlite:///{folder}/shop.db", poolclass=NullPool)
        self.new = sessionmaker(self.engine)
        Base.metadata.create_all(self.engine)
        with self.new.begin() as db:
            for name, number in USERS.items():
                role = "admin" if name == "root" else "customer"
                db.add(User(id=number, name=name, role=role))
                self._login(db, TOKENS[name], number, NOON - timedelta(minutes=5))
            db.flush()
            db.add_all([Order(id=10, owner_id=1), Order(id=20, owner_id=2), Order(id=30)])
        self.kept = Kept()
        self.perimeter = Perimeter(events=self.kept, clock=lambda: NOON)
        self.app = guard(FastAPI(), self.perimeter)
        if is_async:
            self._async_routes(f"sqlite+aiosqlite:///{folder}/shop.db")
        else:
            self._routes()

    @staticmethod
    def _login(
        db: Db, token: str, user: int, began: datetime, used: datetime | None = None
    ) -> None:
        digest = sha256(token.encode()).hexdigest()
        stamps = {"began": began.isoformat(), "used": (used or began).isoformat()}
        db.merge(Login(digest=digest, user_id=user, **stamps))

    def login(self, token: str, user: int, began: datetime, used: datetime | None = None) -> None:
        """Open a session that began and was last used then."""
        with self.new.begin() as db:
            self._login(db, token, user, began, used)

    def change(self, kind: type[Any], key: int, **values: Any) -> None:
        """Change a row, as our own back office would."""
        with self.new.begin() as db:
            row = db.get(kind, key)
            for name, value in values.items():
                setattr(row, name, value)

    def read(self, key: int) -> Order:
        """Read an order back."""
        with self.new() as db:
            order = db.get(Order, key)
            assert order is not None
            return order

    def _routes(self) -> None:
        def db() -> Iterator[Db]:
            with self.new.begin() as session:
                yield session

        def load(digest: str, db: Db) -> Session | None:
            return _session(db.get(Login, digest))

        def user(subject: object, db: Db) -> User | None:
            found = db.get(User, subject)
            return None if found is None or found.is_suspended else found

        self._declare(load, user, db)

    def _async_routes(self, url: str) -> None:
        engine = create_async_engine(url, poolclass=NullPool)
        new = async_sessionmaker(engine, expire_on_commit=False)

        async def db() -> AsyncIterator[AsyncSession]:
            async with new.begin() as session:
                yield session

        async def load(digest: str, db: AsyncSession) -> Session | None:
            return _session(await db.get(Login, digest))

        async def user(subject: object, db: AsyncSession) -> User | None:
            found = await db.get(User, subject)
            return None if found is None or found.is_suspended else found

        self._declare(load, user, db)

    def _declare(self, load: Any, user: Any, db: Any) -> None:
        identity = SessionCookie("session", load, origins=[ORIGIN])
        shop = self.perimeter.declare(
            Client("shop", identity=identity, user=user, policy=self.policy)
        )
        self.client = shop
        read = owned(shop, Order.owner_id, "read", session=db)
        update = owned(shop, Order.owner_id, "update", session=db, content=OrderChange)
        profile = called(shop, "profile.read", session=db)
        admin = called(shop, "admin.orders", session=db)

        @self.app.get("/orders/{order_id}")
        async def show(order: Annotated[Proven[Order, Literal["read"]], read]) -> Any:
            return {"id": order.value.id, "note": order.value.note, "state": order.value.state}

        @self.app.patch("/orders/{order_id}")
        async def change(
            asked: Annotated[Proven[Change[Order, OrderChange], Literal["update"]], update],
        ) -> Any:
            asked.value.object.note = asked.value.content.note
            asked.value.object.quantity = asked.value.content.quantity
            return {"ok": True}

        @self.app.get("/me")
        async def me(who: Annotated[Proven[User, Literal["profile.read"]], profile]) -> Any:
            return {"name": who.value.name}

        @self.app.get("/admin/orders")
        async def orders(who: Annotated[Proven[User, Literal["admin.orders"]], admin]) -> Any:
            return {"by": who.value.name}


def _session(row: Login | None) -> Session | None:
    if row is None:
        return None
    return Session(row.user_id, datetime.fromisoformat(row.began), datetime.fromisoformat(row.used))


def orders_of(db: Db, user: int) -> list[Order]:
    """Return the orders of a user."""
    return list(db.scalars(select(Order).where(Order.owner_id == user)))
