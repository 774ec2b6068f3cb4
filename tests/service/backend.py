"""A service that asks for users, its database and its boundary; a door of any framework goes around it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool

from pratique import Perimeter
from pratique.core.boundary import Proof
from pratique.core.claim import Claim
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused
from pratique.core.roots import Root, RootKind, ways
from pratique.service import Caller, Minter, Service, TransactionToken
from tests.service import doors
from tests.service.orders import GATEWAY, NOON, REPORTS, STAFF, TOKENS
from tests.service.rows import Base, Order, User, may
from tests.sink import Kept

MARKER = "protected-marker-of-customer-1"


@dataclass(frozen=True)
class Certificate:
    """Stands for `mtls(…)`, which `tests/integrations/test_mtls.py` runs for real: who connects, as the test set it."""

    peer: list[str]
    scopes: Mapping[str, frozenset[str]]
    reads_client_certificate: bool = False

    def prove(self, _: Claim) -> Caller:
        if self.peer[0] not in self.scopes:
            raise Refused(AUTHENTIC, "no certificate", code="no_certificate")
        return Caller(self.peer[0], self.scopes[self.peer[0]])

    def declared(self) -> Proof:
        return Proof(AUTHENTIC, "a certificate", ways(Root(RootKind.CA, "shop.example")))


def user(subject: str, db: Session) -> User | None:
    """Load a user, unless suspended."""
    found = db.get(User, subject)
    return None if found is None or found.is_suspended else found


async def auser(subject: str, db: AsyncSession) -> User | None:
    """Load one on the event loop."""
    found = await db.get(User, subject)
    return None if found is None or found.is_suspended else found


class Backend:
    """The service and its database.

    Args:
        folder: Of the database.
        is_async: Its sessions are.
        door: Name of a function of `tests.service.doors`.
        events: Where its records go besides.
    """

    def __init__(
        self, folder: Path, *, is_async: bool, door: str = "fastapi", events: Any = None
    ) -> None:
        self.engine = create_engine(f"sqlite:///{folder}/orders.db", poolclass=NullPool)
        self.new = sessionmaker(self.engine)
        Base.metadata.create_all(self.engine)
        with self.new.begin() as first:
            first.add_all(
                [User(id="customer:1"), User(id="customer:2"), User(id="staff:9", role="admin")]
            )
            first.add_all(
                [
                    Order(id=10, owner_id="customer:1", note=MARKER),
                    Order(id=20, owner_id="customer:2"),
                ]
            )
        self.peer, self.kept = [GATEWAY], Kept()
        self.perimeter = Perimeter(events=events or self.kept, clock=lambda: NOON)
        self.new_async = async_sessionmaker(
            create_async_engine(f"sqlite+aiosqlite:///{folder}/orders.db", poolclass=NullPool)
        )
        self.service = self.perimeter.declare(self._service(auser if is_async else user))
        self.app = getattr(doors, door)(self, is_async=is_async)

    def _service(self, user: Any) -> Service:
        every = frozenset({"order.read", "order.note", "orders.purge"})
        scopes = {GATEWAY: every, REPORTS: frozenset({"order.read"})}
        purging = {"orders.purge"}
        minters = [
            Minter(issuer=TOKENS.name, keys=TOKENS.jwks(), scopes=every, subjects="customer:"),
            Minter(issuer=STAFF.name, keys=STAFF.jwks(), scopes=purging, subjects="staff:"),
        ]
        return Service(
            "orders",
            caller=Certificate(self.peer, scopes),
            context=TransactionToken("shop.example", minters=minters),
            user=user,
            policy=may,
        )

    def whole(self) -> list[tuple[Any, ...]]:
        """Read everything back."""
        with self.new() as db:
            users = sorted((u.id, u.role, u.is_suspended) for u in db.query(User))
            return [*users, *sorted((o.id, o.owner_id, o.note) for o in db.query(Order))]

    def change(self, key: str, **values: Any) -> None:
        """Change a user, as our own back office would."""
        with self.new.begin() as db:
            for name, value in values.items():
                setattr(db.get_one(User, key), name, value)
