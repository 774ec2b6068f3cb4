"""A shop with two customers and an admin: SQLAlchemy (sync and async), sessions of its own, any door."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import msgspec
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker
from sqlalchemy.orm import Session as Db
from sqlalchemy.pool import NullPool

from pratique import Perimeter
from pratique.client import Client, Session, SessionCookie
from tests.sink import Kept

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
    return action in ("read", "list", "profile.read")


class Shop:
    """The application, its database, and what was recorded."""

    def __init__(
        self,
        folder: Path,
        *,
        is_async: bool,
        policy: Any = may,
        door: Any = None,
        events: Any = None,
    ) -> None:
        from tests.client import doors  # it knows the models of this module

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
        self.perimeter = Perimeter(events=events or self.kept, clock=lambda: NOON)
        self.new_async = async_sessionmaker(
            create_async_engine(f"sqlite+aiosqlite:///{folder}/shop.db", poolclass=NullPool),
            expire_on_commit=False,
        )
        self.session: Any = None
        self.app = (door or doors.fastapi)(self, is_async=is_async)

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

    def declare(self, load: Any, user: Any) -> Client:
        """Declare the boundary; a door hands in how a session and a user are loaded."""
        identity = SessionCookie("session", load, origins=[ORIGIN])
        self.client = self.perimeter.declare(
            Client("shop", identity=identity, user=user, policy=self.policy)
        )
        return self.client


def loaders(*, is_async: bool) -> tuple[Any, Any]:
    """Return what loads a session and a user."""

    def load(digest: str, db: Db) -> Session | None:
        return _session(db.get(Login, digest))

    def user(subject: object, db: Db) -> User | None:
        return _active(db.get(User, subject))

    async def aload(digest: str, db: AsyncSession) -> Session | None:
        return _session(await db.get(Login, digest))

    async def auser(subject: object, db: AsyncSession) -> User | None:
        return _active(await db.get(User, subject))

    return (aload, auser) if is_async else (load, user)


def _active(user: User | None) -> User | None:
    return None if user is None or user.is_suspended else user


def _session(row: Login | None) -> Session | None:
    if row is None:
        return None
    return Session(row.user_id, datetime.fromisoformat(row.began), datetime.fromisoformat(row.used))


def orders_of(db: Db, user: int) -> list[Order]:
    """Return the orders of a user."""
    return list(db.scalars(select(Order).where(Order.owner_id == user)))
