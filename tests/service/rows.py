"""The rows of `tests.service.backend`, and what a user may do with them."""

import msgspec
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "user"
    id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(default="customer")
    is_suspended: Mapped[bool] = mapped_column(default=False)


class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[str | None]
    note: Mapped[str] = mapped_column(default="")


class Note(msgspec.Struct, forbid_unknown_fields=True):
    note: str


def may(user: User, action: str, order: Order | None) -> bool:
    """Say what a user may do, from the state of now."""
    return user.role == "admin" if action == "orders.purge" else order is not None
