"""An orders service behind a gateway: callers proven by a stand-in of the certificate's proof.

The stand-in answers what `mtls(…)` would of a verified certificate; that one is run for real in
`tests/integrations/test_mtls.py`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pratique import Perimeter, stores
from pratique.core.action import Action
from pratique.core.boundary import Proof
from pratique.core.claim import Claim, Fields, Via
from pratique.core.obligation import AUTHENTIC
from pratique.core.once import OneTime
from pratique.core.proofs.authentic.base64url import decode, encode
from pratique.core.refusal import Refused
from pratique.core.roots import Root, RootKind, ways
from pratique.service import Caller, Issuer, Minter, Service, TransactionToken
from tests.sink import Kept

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
GATEWAY, REPORTS = "spiffe://shop.example/gateway", "spiffe://shop.example/reports"
TOKENS = Issuer(
    "https://gateway.shop.example",
    trust_domain="shop.example",
    seed=bytes(range(32)),
    key_name="k1",
)


@dataclass(frozen=True)
class Peer:
    """A caller proof that reads the peer as the test sets it."""

    scopes: Mapping[str, frozenset[str]]
    reads_client_certificate: bool = False

    def prove(self, claim: Claim) -> Caller:
        if claim.via.peer not in self.scopes:
            raise Refused(AUTHENTIC, "no certificate", code="no_certificate")
        return Caller(claim.via.peer, self.scopes[claim.via.peer])

    def declared(self) -> Proof:
        root = Root(RootKind.CA, "shop.example")
        return Proof(AUTHENTIC, "a certificate of shop.example", ways(root))


@dataclass
class User:
    id: str
    role: str = "customer"
    tenant: str = "t1"
    is_suspended: bool = False


@dataclass
class Order:
    id: str
    owner: str
    tenant: str = "t1"


class Orders:
    """The service, and what is in its own state."""

    def __init__(self) -> None:
        self.users = {
            "customer:1": User("customer:1"),
            "customer:2": User("customer:2", tenant="t2"),
            "staff:9": User("staff:9", role="admin"),
        }
        self.orders = {
            "10": Order("10", "customer:1"),
            "20": Order("20", "customer:2", tenant="t2"),
        }
        granted = {
            GATEWAY: frozenset({"order.read", "orders.list", "order.refund"}),
            REPORTS: frozenset({"orders.list", "order.refund"}),
        }
        minter = Minter(
            issuer=TOKENS.name,
            keys=TOKENS.jwks(),
            scopes={"order.read", "orders.list", "order.refund"},
            subjects="customer:",
        )
        staff = Minter(
            issuer=STAFF.name, keys=STAFF.jwks(), scopes={"orders.list"}, subjects="staff:"
        )
        self.kept = Kept()
        self.refunds: list[str] = []
        self.perimeter = Perimeter(stores.memory(), self.kept, clock=lambda: NOON)
        self.service = self.perimeter.declare(
            Service(
                "orders",
                caller=Peer(granted),
                context=TransactionToken("shop.example", minters=[minter, staff]),
                user=self._user,
                policy=may,
            )
        )
        self.read = self.service.action(
            "order.read", verb="read", find=self._find, read_key=lambda text: text
        )
        self.list = self.service.action("orders.list")
        self.refund = self.service.once(
            "order.refund",
            key=lambda asked: (asked.key, len(self.refunds) if self.is_repeatable else 0),
            link=self._find,
            read_key=lambda text: text,
        )(self._refund)
        self.is_repeatable = False
        """Whether an order may be refunded again: single use of the token is then all that holds."""

    def _refund(self, proven: Any) -> None:
        self.refunds.append(proven.value.object.id)

    def _user(self, subject: str) -> User | None:
        found = self.users.get(subject)
        return None if found is None or found.is_suspended else found

    def _find(self, user: User, key: str) -> Order | None:
        found = self.orders.get(key)
        return found if found is not None and found.tenant == user.tenant else None

    def ask(
        self,
        action: Action,
        *,
        token: str | None = None,
        peer: str = GATEWAY,
        key: str = "10",
        fields: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask as a caller; what is proven, or Refused."""
        lines = [*({} if token is None else {"Txn-Token": token}).items(), *(fields or {}).items()]
        claim = Claim(b"", Fields(lines), NOON, Via(peer=peer, method="GET"))
        with self.perimeter:
            if isinstance(action, OneTime):
                return self.perimeter.perform(
                    self.service, claim, lambda crossing: action.flow(crossing, key=key)
                )
            return self.perimeter.carry(
                self.service, claim, lambda crossing: action.flow(crossing, key=key)
            ).value


STAFF = Issuer(
    "https://backoffice.shop.example",
    trust_domain="shop.example",
    seed=bytes(range(100, 132)),
    key_name="s1",
)


def may(user: User, action: str, order: Order | None) -> bool:
    """Say what a user may do."""
    if action == "orders.list":
        return user.role == "admin"
    return order is not None and order.owner == user.id


def token(**changes: Any) -> str:
    """Return an honest token for reading order 10, with something else in it."""
    said: dict[str, Any] = {
        "subject": "customer:1",
        "scope": ["order.read"],
        "caller": GATEWAY,
        "at": NOON,
        "about": {"object": "10"},
        **changes,
    }
    issuer: Issuer = said.pop("issuer", TOKENS)
    return issuer.mint(said.pop("subject"), **said)


def without_id(text: str) -> str:
    """Return a token of the gateway's without its `jti`, signed anew."""
    head, payload, _ = text.split(".")
    claims = json.loads(decode(payload.encode()))
    del claims["jti"]
    content = f"{head}.{encode(json.dumps(claims).encode())}"
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return f"{content}.{encode(key.sign(content.encode()))}"
