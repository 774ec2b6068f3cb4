"""A market where things happen once: coupons, invoices paid from a balance, codes, approvals."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Any

import msgspec
from fastapi import FastAPI
from sqlalchemy import create_engine, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker
from sqlalchemy.orm import Session as Db
from sqlalchemy.pool import NullPool

from pratique import Perimeter, stores
from pratique.client import Asked, Attempts, Client, Once, Session, SessionCookie
from pratique.client.ownership import OwnedRows
from pratique.integrations.fastapi import does, guard
from tests.client.shop import NOON, ORIGIN
from tests.sink import Kept

USERS = {"ann": 1, "bob": 2, "root": 3}
TOKENS = {name: name[0] * 32 for name in USERS}
MERCHANT = 99
LIMIT = 5


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(default="customer")
    tenant: Mapped[str] = mapped_column(default="t1")
    is_suspended: Mapped[bool] = mapped_column(default=False)


class Login(Base):
    __tablename__ = "login"
    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int]


class Account(Base):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    balance: Mapped[int] = mapped_column(default=100)


class Coupon(Base):
    __tablename__ = "coupon"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    state: Mapped[str] = mapped_column(default="open")
    value: Mapped[int] = mapped_column(default=7)


class Invoice(Base):
    __tablename__ = "invoice"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    amount: Mapped[int] = mapped_column(default=30)
    state: Mapped[str] = mapped_column(default="open")


class Code(Base):
    __tablename__ = "code"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    text: Mapped[str] = mapped_column(default="493021")
    state: Mapped[str] = mapped_column(default="open")


class Expense(Base):
    __tablename__ = "expense"
    id: Mapped[int] = mapped_column(primary_key=True)
    submitted_by: Mapped[int]
    state: Mapped[str] = mapped_column(default="open")


class Effect(Base):
    __tablename__ = "effect"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str]
    user_id: Mapped[int]


class Redeem(msgspec.Struct, forbid_unknown_fields=True):
    """What a customer says when redeeming."""

    note: str = ""


class Guess(msgspec.Struct, forbid_unknown_fields=True):
    """A code that was typed."""

    code: str


class Redeemed(msgspec.Struct):
    """What redeeming answers."""

    coupon: int
    balance: int


def may(user: User, action: str, row: Any) -> bool:
    """Say who may do what; whether the row is still open is for `allow=`."""
    if action == "expense.approve":
        return user.role == "admin" and row.submitted_by != user.id
    return user.role in ("customer", "admin")


def is_open(asked: Asked[Any], row: Any) -> bool:
    """Say whether it is still to be done."""
    return bool(row.state == "open")


def right_code(asked: Asked[Guess], code: Code) -> bool:
    """Say whether the code is the one that was sent."""
    return code.state == "open" and compare_digest(asked.content.code, code.text)


def can_pay(asked: Asked[None], invoice: Invoice, db: Db) -> bool:
    """Say whether the balance is enough, with its row locked."""
    account = db.get(Account, invoice.owner_id, with_for_update=True, populate_existing=True)
    return account is not None and invoice.state == "open" and account.balance >= invoice.amount


def redeem(proven: Any, db: Db) -> Redeemed:
    """Put the coupon's value onto the balance."""
    once: Once[User, Coupon, Redeem] = proven.value
    account = db.get(Account, once.user.id, with_for_update=True)
    assert account is not None
    once.object.state = "redeemed"
    account.balance += once.object.value
    db.add(Effect(what=f"coupon {once.object.id}", user_id=once.user.id))
    return Redeemed(once.object.id, account.balance)


def pay(proven: Any, db: Db) -> None:
    """Move the amount to the merchant."""
    once: Once[User, Invoice, None] = proven.value
    payer, merchant = db.get(Account, once.user.id), db.get(Account, MERCHANT, with_for_update=True)
    assert payer is not None
    assert merchant is not None
    payer.balance -= once.object.amount
    merchant.balance += once.object.amount
    once.object.state = "paid"
    db.add(Effect(what=f"invoice {once.object.id}", user_id=once.user.id))


def finish(proven: Any, db: Db) -> None:
    """Set the row as done."""
    once: Once[User, Any, Any] = proven.value
    once.object.state = "done"
    db.add(Effect(what=f"{type(once.object).__name__} {once.object.id}", user_id=once.user.id))


class Market:
    """The application, its database, and what was recorded."""

    def __init__(self, url: str, *, is_async: bool = False) -> None:
        self.is_async = is_async
        self.engine = create_engine(url, poolclass=NullPool)
        self.new = sessionmaker(self.engine)
        Base.metadata.create_all(self.engine)
        with self.new.begin() as db:
            for name, number in USERS.items():
                db.add(User(id=number, role="admin" if name == "root" else "customer"))
                digest = sha256(TOKENS[name].encode()).hexdigest()
                db.add_all([Login(digest=digest, user_id=number), Account(id=number)])
            db.add(Account(id=MERCHANT, balance=0))
            db.add_all([Coupon(id=10, owner_id=1), Coupon(id=20, owner_id=2)])
            db.add_all([Code(id=1, owner_id=1), Code(id=2, owner_id=1), Code(id=3, owner_id=2)])
            db.add_all([Expense(id=1, submitted_by=1), Expense(id=3, submitted_by=3)])
        self.kept = Kept()
        made: Any = self.new
        if is_async:
            plain = url.replace("+psycopg", "+asyncpg").replace("sqlite:", "sqlite+aiosqlite:")
            made = async_sessionmaker(create_async_engine(plain, poolclass=NullPool))
        self.perimeter = Perimeter(
            store=stores.sqlalchemy(made), events=self.kept, clock=lambda: NOON
        )
        self.client = self._declare()
        self.app = guard(FastAPI(), self.perimeter)
        self._routes()

    def _declare(self) -> Client:
        def load(digest: str, db: Db) -> Session | None:
            row = db.get(Login, digest)
            began = NOON - timedelta(minutes=5)
            return None if row is None else Session(row.user_id, began, began)

        def user(subject: object, db: Db) -> User | None:
            found = db.get(User, subject)
            return None if found is None or found.is_suspended else found

        identity = SessionCookie("session", self.one(load), origins=[ORIGIN])
        return self.perimeter.declare(
            Client("market", identity=identity, user=self.one(user), policy=may)
        )

    def _routes(self) -> None:
        market, post = self.client, self.app.post
        shared: dict[str, Any] = {
            "key": lambda asked: asked.key,
            "tenant": lambda user: user.tenant,
        }

        def own(owner: Any, **more: Any) -> dict[str, Any]:
            rows = OwnedRows(owner, by=lambda user: user.id, lock=True)
            return {"link": rows.find, "read_key": rows.read_key, **shared, **more}

        expenses = OwnedRows(Expense.submitted_by, by=lambda user: user.id)

        def expense(user: User, key: int, db: Db) -> Expense | None:
            return db.get(Expense, key)

        self.redeem = market.once(
            "coupon.redeem",
            **own(Coupon.owner_id, allow=is_open),
            content=Redeem,
            answer=Redeemed,
        )(self.one(redeem))
        self.pay = market.once("invoice.pay", **own(Invoice.owner_id, allow=self.two(can_pay)))(
            self.one(pay)
        )
        self.confirm = market.once(
            "code.confirm",
            **own(Code.owner_id, allow=right_code),
            content=Guess,
            attempts=Attempts(LIMIT, per=timedelta(minutes=15), in_all=2 * LIMIT),
        )(self.one(finish))
        self.approve = market.once(
            "expense.approve",
            link=self.two(expense),
            read_key=expenses.read_key,
            allow=is_open,
            **shared,
        )(self.one(finish))
        post("/coupons/{coupon_id}/redemption")(does(self.redeem))
        post("/invoices/{invoice_id}/payment")(does(self.pay))
        post("/codes/{code_id}/confirmation")(does(self.confirm))
        post("/expenses/{number}/approval")(does(self.approve, key="number"))

    def one(self, call: Callable[[Any, Db], Any]) -> Any:
        """Return a callable of one argument for this kind of session."""
        if not self.is_async:
            return call

        async def on_loop(first: Any, db: AsyncSession) -> Any:
            return await db.run_sync(lambda plain: call(first, plain))

        return on_loop

    def two(self, call: Callable[[Any, Any, Db], Any]) -> Any:
        """Return a callable of two arguments for this kind of session."""
        if not self.is_async:
            return call

        async def on_loop(first: Any, second: Any, db: AsyncSession) -> Any:
            return await db.run_sync(lambda plain: call(first, second, plain))

        return on_loop

    def change(self, kind: type[Any], key: int, **values: Any) -> None:
        """Change a row, as our own back office would."""
        with self.new.begin() as db:
            row = db.get(kind, key)
            for name, value in values.items():
                setattr(row, name, value)

    def add(self, *rows: Any) -> None:
        """Add rows."""
        with self.new.begin() as db:
            db.add_all(rows)

    def effects(self, what: str = "") -> int:
        """Return how often something was done."""
        with self.new() as db:
            count = select(func.count()).select_from(Effect)
            return db.scalar(count.where(Effect.what.startswith(what))) or 0

    def balance(self, who: int) -> int:
        """Return a balance."""
        with self.new() as db:
            account = db.get(Account, who)
            assert account is not None
            return account.balance

    def total(self) -> int:
        """Return all money there is."""
        with self.new() as db:
            return db.scalar(select(func.sum(Account.balance))) or 0


def fields(who: str = "ann", **more: str) -> dict[str, str]:
    """Return the fields of a request of somebody's."""
    return {"cookie": f"session={TOKENS[who]}", "origin": ORIGIN, **more}


def at_once(
    port: int, requests: list[tuple[str, dict[str, str], bytes]]
) -> list[tuple[int, bytes]]:
    """Send requests by as many raw connections, whose last bytes go out together."""
    barrier = threading.Barrier(len(requests))

    def send(request: tuple[str, dict[str, str], bytes]) -> tuple[int, bytes]:
        path, sent, content = request
        lines = {**sent, "host": "market", "connection": "close", "content-length": len(content)}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        raw = f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + content
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(raw[:-1])
            barrier.wait()
            connection.sendall(raw[-1:])
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head_bytes, _, body = answer.partition(b"\r\n\r\n")
        return int(head_bytes.split(b" ")[1]), body

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))
