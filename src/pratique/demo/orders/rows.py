"""Users and orders of the shop, the same in each of the three APIs: one tenant an attack."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool

PRICE = 4_900
"""Cents."""
NAMES = ("ann", "bob", "root", "audit")
"""Two customers, an admin and an auditor, of each tenant."""
STAFF = ("root", "audit")
OTHER = "other"
"""A tenant of whom nobody here is."""


class Base(DeclarativeBase):
    """What has a table."""


class User(Base):
    """Somebody, as our own state has them now."""

    __tablename__ = "user"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    role: Mapped[str] = mapped_column(default="customer")
    name: Mapped[str] = mapped_column(default="")
    is_suspended: Mapped[bool] = mapped_column(default=False)
    password_at: Mapped[str] = mapped_column(default="")


class Order(Base):
    """Somebody's order."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str]
    tenant: Mapped[str]
    price: Mapped[int] = mapped_column(default=PRICE)
    quantity: Mapped[int] = mapped_column(default=1)
    note: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="open")
    refunds: Mapped[int] = mapped_column(default=0)

    @property
    def shown(self) -> dict[str, Any]:
        """Return it as an answer shows it."""
        return {"id": self.id, "note": self.note, "price": self.price, "tenant": self.tenant}


class Login(Base):
    """A session of a customer or an admin."""

    __tablename__ = "login"
    digest: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str]
    began_at: Mapped[str]
    ended_at: Mapped[str] = mapped_column(default="")


def user_of(name: str, number: int) -> str:
    """Return the key of somebody of a tenant."""
    return f"{name}:{number}"


def order_of(name: str, number: int) -> int:
    """Return the key of the order of somebody of a tenant; `OTHER` has one too."""
    return (len(NAMES) + 1) * number + (*NAMES, OTHER).index(name) + 1


def cookie_of(user: str, secret: str) -> str:
    """Return the token of somebody's session."""
    return sha256(f"{secret} {user}".encode()).hexdigest()


def digest_of(user: str, secret: str) -> str:
    """Return what is kept of that token."""
    return sha256(cookie_of(user, secret).encode()).hexdigest()


@contextmanager
def opened(path: str) -> Generator[Session]:
    """Open a session on a file, and let go of it."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with Session(engine) as db:
        yield db
    engine.dispose()


def make(path: str, tenants: int, secret: str) -> None:
    """Write that many tenants."""
    now = datetime.now(UTC).isoformat()
    with opened(path) as db:
        Base.metadata.create_all(db.get_bind())
        for number in range(tenants):
            tenant = f"t{number}"
            for name in NAMES:
                user = user_of(name, number)
                role = "admin" if name in STAFF else "customer"
                digest = digest_of(user, secret)
                db.add(User(id=user, tenant=tenant, role=role))
                db.add(Login(digest=digest, user=user, began_at=now))
                note = f"marker of {user}"
                key = order_of(name, number)
                db.add(Order(id=key, owner=user, tenant=tenant, note=note))
            key = order_of(OTHER, number)
            db.add(Order(id=key, owner=OTHER, tenant=OTHER, note="marker of another tenant"))
        db.commit()


def change(path: str, kind: type[Base], key: object, **values: Any) -> None:
    """Change a row, as our own back office would."""
    with opened(path) as db:
        row = db.get_one(kind, key)
        for name, value in values.items():
            setattr(row, name, value)
        db.commit()


def read(path: str, kind: type[Base], key: object) -> dict[str, Any]:
    """Read a row back; empty where it is gone."""
    with opened(path) as db:
        row = db.get(kind, key)
        if row is None:
            return {}
        return {column.name: getattr(row, column.name) for column in kind.__table__.columns}
