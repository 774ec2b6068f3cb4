"""Who signs out is out at the next request, whatever the token still says; everybody else stays in."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import NullPool
from starlette.testclient import TestClient

from pratique import Perimeter, Proven, stores
from pratique.client import BearerToken, Client, DPoPToken, Session, SessionCookie
from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.refusal import BoundaryError, Refused, StoreError
from pratique.core.store import Store
from pratique.integrations.fastapi import called, guard
from pratique.service import Minter, TransactionToken
from tests.client.shop import Kept
from tests.client.test_bearer import NOON, token
from tests.client.test_dpop import BOUND, CLIENT, POLICY, signed
from tests.proofs_of_possession import API
from tests.service.orders import TOKENS, Orders
from tests.service.orders import token as minted

HOUR = timedelta(hours=1)
ISSUER = "https://id.example"
DIGEST = "0" * 64
KINDS = ("memory", "sqlite", "sqlite3", "sqlalchemy", "aiosqlite")


def open_store(kind: str, folder: Path) -> Store:
    """Return a store of each kind."""
    path = folder / "kept.db"
    makers: dict[str, Callable[[], Store]] = {
        "memory": stores.memory,
        "sqlite": lambda: stores.sqlite(path),
        "sqlite3": lambda: stores.sqlite3(lambda: sqlite3.connect(path)),
        "sqlalchemy": lambda: stores.sqlalchemy(
            sessionmaker(create_engine(f"sqlite:///{path}", poolclass=NullPool))
        ),
        "aiosqlite": lambda: stores.sqlalchemy(
            async_sessionmaker(
                create_async_engine(f"sqlite+aiosqlite:///{path}", poolclass=NullPool)
            )
        ),
    }
    return makers[kind]()


class Api:
    """An application of one client boundary; whoever is proven may ask who they are, and sign out."""

    def __init__(self, store: Store, identity_of: Callable[[Any], Any], **more: Any) -> None:
        self.taken = stores.revocations(store, lifetime=HOUR)
        self.kept = Kept()
        self.perimeter = Perimeter(store=store, events=self.kept, clock=lambda: NOON, **more)
        boundary = self.perimeter.declare(
            Client(
                "api",
                identity=identity_of(self.taken),
                user=lambda subject: subject,
                policy=lambda *_: True,
            )
        )
        self.app = guard(FastAPI(), self.perimeter)

        @self.app.get("/me")
        async def me(who: Annotated[Proven[str, Literal["me"]], called(boundary, "me")]) -> Any:
            return {"who": who.value}

        @self.app.post("/sign-out")
        async def sign_out(
            who: Annotated[Proven[str, Literal["leave"]], called(boundary, "leave")],
        ) -> Any:
            holds_from = await self.taken.arevoke_before(ISSUER, who.value, at=NOON)
            return {"holds_from": holds_from.isoformat()}

    @property
    def codes(self) -> list[str]:
        return [record.code for record in self.kept.records]


def bearer(told: str) -> dict[str, str]:
    """Return the field of a request."""
    return {"authorization": f"Bearer {told}"}


ANN, BOB = token(), token(sub="user-2", jti="t-2")


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_that_signed_out_is_refused(kind: str, tmp_path: Path) -> None:
    """SV-23, CWE-613: at the next request, also where the token was verified a moment ago; another's token, and one issued later, are admitted."""
    cache = TokenCache()
    api = Api(
        open_store(kind, tmp_path),
        lambda taken: BearerToken(POLICY, revoked=taken, cache=cache),
    )
    later = token(iat=int(NOON.timestamp()) + 1, jti="t-3")
    with TestClient(api.app) as http:
        assert http.get("/me", headers=bearer(ANN)).json() == {"who": "user-1"}
        assert http.post("/sign-out", headers=bearer(ANN)).status_code == 200
        refused = http.get("/me", headers=bearer(ANN))
        assert refused.status_code == 401
        assert refused.json() == http.get("/me", headers=bearer("x.y.z")).json()
        assert api.codes[-2] == "revoked"
        assert cache.size == 1
        assert http.get("/me", headers=bearer(BOB)).json() == {"who": "user-2"}
        api.perimeter.clock = lambda: NOON + timedelta(seconds=1)
        assert http.get("/me", headers=bearer(later)).json() == {"who": "user-1"}
        assert http.get("/me", headers=bearer(ANN)).status_code == 401


def test_one_token_is_taken_back_by_its_id(tmp_path: Path) -> None:
    """The other token of the same subject is admitted; one without an id, or without iat, isn't."""
    api = Api(open_store("sqlite3", tmp_path), lambda taken: BearerToken(POLICY, revoked=taken))
    with TestClient(api.app) as http:
        api.taken.revoke(ISSUER, "t-1")
        assert http.get("/me", headers=bearer(ANN)).status_code == 401
        assert api.codes[-1] == "revoked"
        assert http.get("/me", headers=bearer(token(jti="t-9"))).status_code == 200
        import jwt

        from tests.client.test_bearer import OLD

        claims = jwt.decode(token(jti="t-9"), options={"verify_signature": False})
        for name in ("jti", "iat"):
            lacking = {key: value for key, value in claims.items() if key != name}
            text = jwt.encode(
                lacking, OLD, algorithm="EdDSA", headers={"kid": "old", "typ": "at+jwt"}
            )
            assert http.get("/me", headers=bearer(text)).status_code == 401
            assert api.codes[-1] == "not_revocable"


def test_a_bound_token_is_taken_back_too() -> None:
    """A fresh proof of its key saves no token that was taken back."""
    api = Api(stores.memory(), lambda taken: DPoPToken(POLICY, origin=API, revoked=taken))
    with TestClient(api.app) as http:
        assert http.get("/me", headers=signed(CLIENT.proof(BOUND))).status_code == 200
        api.taken.revoke_before(ISSUER, "user-1", at=NOON)
        assert http.get("/me", headers=signed(CLIENT.proof(BOUND))).status_code == 401
        assert api.codes[-1] == "revoked"


def test_a_session_is_taken_back_by_its_subject_or_its_digest() -> None:
    """`load` still finds it; who changed the password is out everywhere, and a session opened since is in."""
    began = {"a" * 32: NOON - timedelta(minutes=1), "b" * 32: NOON + timedelta(seconds=1)}
    digests: dict[str, str] = {}

    def load(digest: str) -> Session | None:
        text = digests.get(digest)
        return None if text is None else Session(7, began[text], NOON)

    from hashlib import sha256

    digests.update((sha256(text.encode()).hexdigest(), text) for text in began)
    cookies: list[SessionCookie] = []

    def identity(taken: Any) -> SessionCookie:
        cookies.append(
            SessionCookie(
                "session", load, origins=["https://a.example"], lifetime=HOUR, revoked=taken
            )
        )
        return cookies[0]

    api = Api(stores.memory(), identity)
    old, new = ({"cookie": f"session={text}"} for text in began)
    with TestClient(api.app) as http:
        assert http.get("/me", headers=old).status_code == 200
        api.taken.revoke_before(cookies[0].issuer, "7", at=NOON)
        assert http.get("/me", headers=old).status_code == 401
        assert http.get("/me", headers=new).status_code == 200
        api.taken.revoke(cookies[0].issuer, sha256(b"b" * 32).hexdigest())
        assert http.get("/me", headers=new).status_code == 401


def test_a_transaction_token_is_taken_back() -> None:
    """By the minter and the user; another user of the same minter is answered."""
    orders = Orders()
    taken = stores.revocations(orders.perimeter.store or stores.memory(), lifetime=HOUR)
    minter = Minter(
        issuer=TOKENS.name, keys=TOKENS.jwks(), scopes={"order.read"}, subjects="customer:"
    )
    orders.service.context = TransactionToken("shop.example", minters=[minter], revoked=taken)
    assert orders.ask(orders.read, token=minted()).id == "10"
    taken.revoke_before(TOKENS.name, "customer:1", at=NOON)
    with pytest.raises(Refused) as refused:
        orders.ask(orders.read, token=minted())
    assert (refused.value.code, refused.value.status) == ("revoked", 401)
    other = minted(subject="customer:2", about={"object": "20"})
    assert orders.ask(orders.read, token=other, key="20").id == "20"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Give a store in memory that fails, or hangs, when it is asked what was taken back."""
    trouble: list[str] = []
    hung = asyncio.Event()

    async def revoked(*_: object) -> dict[bytes, Any]:
        if trouble == ["hangs"]:
            await hung.wait()
        if trouble:
            message = "it is down"
            raise StoreError(message)
        return {}

    made = stores.memory()
    monkeypatch.setattr(type(made.asynchronous), "revoked", revoked)
    monkeypatch.setattr(made, "sync", None)
    monkeypatch.setattr("pratique.stores.memory", lambda: made)
    yield trouble
    hung.set()


@pytest.mark.parametrize("kind", ["is down", "hangs"])
def test_a_store_that_does_not_say_lets_nobody_through(broken: list[str], kind: str) -> None:
    """503 with Retry-After, within the perimeter's deadline; when it says again, the same token is admitted."""
    api = Api(
        stores.memory(),
        lambda taken: BearerToken(POLICY, revoked=taken),
        deadline=timedelta(milliseconds=50),
    )
    with TestClient(api.app) as http:
        broken.append(kind)
        refused = http.get("/me", headers=bearer(ANN))
        assert refused.status_code == 503
        assert "retry-after" in refused.headers
        broken.clear()
        assert http.get("/me", headers=bearer(ANN)).status_code == 200


def test_another_store_than_the_perimeters_does_not_start() -> None:
    """Nobody would start it; the same one starts."""
    policy: dict[str, Any] = {"user": str, "policy": lambda *_: True}
    elsewhere = stores.revocations(stores.memory(), lifetime=HOUR)
    perimeter = Perimeter(store=stores.memory())
    client = Client("api", identity=BearerToken(POLICY, revoked=elsewhere), **policy)
    perimeter.declare(client).action("me")
    with pytest.raises(BoundaryError, match="another store"):
        perimeter.start()
    store = stores.memory()
    perimeter = Perimeter(store=store)
    taken = stores.revocations(store, lifetime=HOUR)
    client = Client("api", identity=BearerToken(POLICY, revoked=taken), **policy)
    action = perimeter.declare(client).action("me")
    with perimeter:
        words = {p.obligation.value: p.method for p in action.declaration.proofs}["fresh"]
    assert words == "exp, iat, and not taken back, by id and subject, in the store memory"
