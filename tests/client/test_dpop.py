"""A client whose token is bound to a key: each request is signed, each proof works once."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool
from starlette.testclient import TestClient

from pratique import Claim, Fields, Perimeter, Proven, Refused, stores, unsafe
from pratique.client import BearerToken, Client, DPoPToken
from pratique.core.claim import Via
from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proofs.authentic.jwt import TokenPolicy
from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.store import Store
from pratique.integrations.fastapi import called, guard
from tests.client.test_bearer import OLD, jwks
from tests.client.test_bearer import token as minted
from tests.integrations.test_mtls import by_uvicorn
from tests.proofs_of_possession import API, NOON, Holder
from tests.sink import Kept
from tests.tokens import policy as another_policy

CLIENT, THIEF = Holder(), Holder()
POLICY = TokenPolicy(
    issuer="https://id.example",
    audience="https://shop.example",
    algorithms=("EdDSA",),
    type="at+jwt",
    keys=jwks(("old", OLD)),
)
BOUND = minted(cnf={"jkt": CLIENT.jkt})


def dpop(**changes: Any) -> DPoPToken:
    """Return the identity, with something else."""
    return DPoPToken(POLICY, **{"origin": API, **changes})


class Api:
    """An application of one client boundary, and what was recorded."""

    def __init__(self, identity: Any = None, *, store: Store | None = None) -> None:
        self.kept = Kept()
        self.store = store or stores.memory()
        self.perimeter = Perimeter(store=self.store, events=self.kept, clock=lambda: NOON)
        boundary = self.perimeter.declare(
            Client(
                "api",
                identity=identity or dpop(),
                user=self.user,
                policy=lambda user, action, _: user == "user-1" and action in ("me", "also"),
            )
        )
        self.app = guard(FastAPI(), self.perimeter)
        prove = called(boundary, "me")

        @self.app.get("/both", dependencies=[prove])
        async def both(
            who: Annotated[Proven[str, Literal["also"]], called(boundary, "also")],
        ) -> Any:
            return {"who": who.value}

        @self.app.get("/me")
        async def me(who: Annotated[Proven[str, Literal["me"]], prove]) -> Any:
            return {"who": who.value}

        @self.app.post("/me")
        async def change(who: Annotated[Proven[str, Literal["me"]], prove]) -> Any:
            return {"who": who.value}

    @staticmethod
    async def user(subject: object) -> object:
        return subject

    @property
    def codes(self) -> list[str]:
        return [record.code for record in self.kept.records]


def signed(proof: str, token: str = BOUND, scheme: str = "DPoP") -> dict[str, str]:
    """Return the two fields of a request."""
    return {"authorization": f"{scheme} {token}", "dpop": proof}


def open_stores(folder: Path) -> list[Callable[[], Store]]:
    """Return a store of each kind: sync alone, with both faces, on the loop alone."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{folder}/async.db", poolclass=NullPool)
    return [
        stores.memory,
        lambda: stores.sqlite(folder / "uses.db"),
        lambda: stores.sqlalchemy(async_sessionmaker(engine)),
    ]


@pytest.mark.parametrize("kind", range(3))
def test_a_proof_works_once(kind: int, tmp_path: Path) -> None:
    """RFC 9449 §11.1: the same proof again is refused, on another connection too; a new one is in."""
    api = Api(store=open_stores(tmp_path)[kind]())
    with TestClient(api.app) as http:
        first, second = CLIENT.proof(BOUND), CLIENT.proof(BOUND)
        assert http.get("/me", headers=signed(first)).json() == {"who": "user-1"}
        again = http.get("/me", headers=signed(first))
        assert again.status_code == 401
        assert again.headers["www-authenticate"] == (
            'DPoP realm="api", algs="ES256 EdDSA Ed25519", error="invalid_dpop_proof"'
        )
        assert http.get("/me", headers=signed(second)).status_code == 200
    assert api.codes == ["", "replayed_proof", ""]
    assert [record.obligation for record in api.kept.records] == ["", "unique", ""]


def test_one_of_many_connections_wins(tmp_path: Path) -> None:
    """One proof on eight sockets at once is let in once; eight proofs are let in eight times."""
    api = Api(store=stores.sqlite(tmp_path / "uses.db"))
    with by_uvicorn(api.app, http="h11") as url, ThreadPoolExecutor(8) as pool:
        place = url.replace("/orders", "/me")

        def ask(proof: str) -> int:
            return httpx.get(place, headers=signed(proof), trust_env=False).status_code

        one = CLIENT.proof(BOUND)
        assert sorted(pool.map(ask, [one] * 8)) == [200] + [401] * 7
        assert set(pool.map(ask, [CLIENT.proof(BOUND) for _ in range(8)])) == {200}


@pytest.mark.parametrize(
    ("headers", "code", "error"),
    [
        ({}, "no_token", None),
        ({"authorization": f"DPoP {BOUND}"}, "no_proof", "invalid_dpop_proof"),
        (signed(CLIENT.proof(BOUND), scheme="Bearer"), "no_token", None),
        (signed(THIEF.proof(BOUND)), "other_key", "invalid_token"),
        (signed(CLIENT.proof(BOUND, method="POST")), "wrong_method", "invalid_dpop_proof"),
        (signed(CLIENT.proof(BOUND, url=f"{API}/you")), "wrong_url", "invalid_dpop_proof"),
        (
            signed(CLIENT.proof(BOUND, url="http://testserver/me")),
            "wrong_url",
            "invalid_dpop_proof",
        ),
        (signed(CLIENT.proof("another")), "wrong_token_hash", "invalid_dpop_proof"),
        (signed(CLIENT.proof(minted()), minted()), "unbound_token", "invalid_token"),
        (signed(CLIENT.proof("x.y.z"), "x.y.z"), "malformed_token", "invalid_token"),
        (
            signed(CLIENT.proof(minted(aud="x")), minted(aud="x")),
            "wrong_audience",
            "invalid_token",
        ),
    ],
)
def test_who_is_not_its_holder_is_refused(
    headers: dict[str, str], code: str, error: str | None
) -> None:
    """A stolen token, a proof for another request, a token that is bound to nothing; the holder is in."""
    api = Api()
    with TestClient(api.app) as http:
        answer = http.get("/me", headers=headers)
        assert (answer.status_code, api.codes) == (401, [code])
        told = f', error="{error}"' if error else ""
        assert answer.headers["www-authenticate"] == (
            f'DPoP realm="api", algs="ES256 EdDSA Ed25519"{told}'
        )
        assert answer.json()["type"] == "urn:pratique:refusal:authentic"
        assert http.get("/me", headers=signed(CLIENT.proof(BOUND))).status_code == 200


def test_two_proofs_are_none() -> None:
    """RFC 9449 §4.3, 1: two fields, and two in one; a sole one is read."""
    api = Api()
    one, other = CLIENT.proof(BOUND), CLIENT.proof(BOUND)
    with TestClient(api.app) as http:
        fields = [("authorization", f"DPoP {BOUND}"), ("dpop", one), ("dpop", other)]
        assert http.get("/me", headers=fields).status_code == 401
        assert http.get("/me", headers=signed(f"{one}, {other}")).status_code == 401
        assert api.codes == ["several_proofs", "bad_proof"]
        assert http.get("/me", headers=signed(one)).status_code == 200


def test_a_method_is_signed() -> None:
    """A proof for reading doesn't change anything; one for changing does."""
    api = Api()
    with TestClient(api.app) as http:
        assert http.post("/me", headers=signed(CLIENT.proof(BOUND))).status_code == 401
        proof = CLIENT.proof(BOUND, method="POST", url=f"{API}/me?x=1")
        assert http.post("/me?y=2", headers=signed(proof)).status_code == 200


def test_two_proofs_of_one_request_are_one_use() -> None:
    """A router's dependency and the view's own look at one request; the next one is a replay."""
    api = Api()
    with TestClient(api.app) as http:
        headers = signed(CLIENT.proof(BOUND, url=f"{API}/both"))
        assert [http.get("/both", headers=headers).status_code for _ in range(2)] == [200, 401]
    assert api.codes == ["", "", "replayed_proof"]


def test_host_says_nothing() -> None:
    """A proof for a neighbour isn't one for us, whatever Host says (RFC 9449 §4.3, 9)."""
    api = Api()
    with TestClient(api.app) as http:
        proof = CLIENT.proof(BOUND, url="https://evil.example/me")
        evil = {"host": "evil.example", "x-forwarded-host": "evil.example"}
        assert http.get("/me", headers={**signed(proof), **evil}).status_code == 401
        assert http.get("/me", headers={**signed(CLIENT.proof(BOUND)), **evil}).status_code == 200


def test_a_refused_proof_is_not_used_up() -> None:
    """Only the holder of the bound key fills the store: a stranger's proofs leave nothing."""
    store = stores.memory()
    with TestClient(Api(store=store).app) as http:
        for headers in (signed(THIEF.proof(BOUND)), signed(CLIENT.proof(minted()), minted())):
            assert http.get("/me", headers=headers).status_code == 401
        assert len(store.settled) == 0
        assert http.get("/me", headers=signed(CLIENT.proof(BOUND))).status_code == 200
        assert len(store.settled) == 1


def test_a_nonce_is_told_and_owed() -> None:
    """RFC 9449 §9: who comes without is told the newest; nothing in force lets nobody in."""
    nonces = ["new", "old"]
    api = Api(dpop(nonce=lambda: tuple(nonces)))
    with TestClient(api.app) as http:
        for proof in (CLIENT.proof(BOUND), CLIENT.proof(BOUND, nonce="other")):
            answer = http.get("/me", headers=signed(proof))
            assert (answer.status_code, answer.headers["dpop-nonce"]) == (401, "new")
            assert answer.headers["www-authenticate"].endswith('error="use_dpop_nonce"')
        for nonce in nonces:
            proof = CLIENT.proof(BOUND, nonce=nonce)
            assert http.get("/me", headers=signed(proof)).status_code == 200
        nonces.clear()
        answer = http.get("/me", headers=signed(CLIENT.proof(BOUND, nonce="new")))
        assert (answer.status_code, "dpop-nonce" in answer.headers) == (401, False)


@pytest.mark.parametrize("told", ["now", None, {"now": 1}, [b"now"], ['n"w']])
def test_nonces_of_another_form_let_nobody_in(told: Any) -> None:
    """A text is a list of its letters: it is no list of nonces; a list is."""

    async def nonce() -> Any:
        return told

    proof = CLIENT.proof(BOUND, nonce="n")
    with TestClient(Api(dpop(nonce=nonce)).app) as http:
        assert http.get("/me", headers=signed(proof)).status_code == 401
    with TestClient(Api(dpop(nonce=lambda: ["n"])).app) as http:
        assert http.get("/me", headers=signed(proof)).status_code == 200


def test_a_token_that_was_taken_back_is_out() -> None:
    """`revoked` is asked each time, also with a cache; it tells the client `invalid_token`."""
    ended: set[str] = set()
    api = Api(dpop(revoked=lambda claims: claims.id in ended, cache=TokenCache()))
    with TestClient(api.app) as http:
        assert http.get("/me", headers=signed(CLIENT.proof(BOUND))).status_code == 200
        assert http.get("/me", headers=signed(THIEF.proof(BOUND))).status_code == 401
        ended.add("t-1")
        answer = http.get("/me", headers=signed(CLIENT.proof(BOUND)))
        assert answer.headers["www-authenticate"].endswith('error="invalid_token"')
    assert api.codes == ["", "other_key", "revoked"]


class Down:
    """A store that starts and then is gone, on the loop as well."""

    def __init__(self, *, is_async: bool) -> None:
        self.real = stores.memory()
        self.name, self.roots = self.real.name, self.real.roots
        self.transactional, self.has_session = True, False
        self.sync: Any = None if is_async else self
        self.asynchronous: Any = self if is_async else None
        self.is_async = is_async

    def _nothing(self) -> Any:
        async def later() -> None:
            return None

        return later() if self.is_async else None

    def start(self) -> Any:
        return self._nothing()

    def close(self) -> Any:
        return self._nothing()

    def record_refusal(self, *_: Any) -> Any:
        return self._nothing()

    def first_use(self, *_: Any) -> Any:
        raise StoreError("the store is down")


@pytest.mark.parametrize("is_async", [False, True])
def test_a_store_that_is_down_lets_nobody_in(is_async: bool) -> None:
    """Fail closed: 503, and nobody is known; with a store that answers they are."""
    api = Api(store=Down(is_async=is_async))
    with TestClient(api.app) as http:
        answer = http.get("/me", headers=signed(CLIENT.proof(BOUND)))
        assert (answer.status_code, api.codes) == (503, ["store_unavailable"])
    with TestClient(Api().app) as http:
        assert http.get("/me", headers=signed(CLIENT.proof(BOUND))).status_code == 200


def test_without_a_store_nothing_starts() -> None:
    """Single use is a debt at the start; a bearer token needs no store."""

    def perimeter(identity: Any) -> Perimeter:
        made = Perimeter(clock=lambda: NOON)
        boundary = Client("api", identity=identity, user=lambda s: s, policy=lambda *_: True)
        made.declare(boundary).action("me")
        return made

    with pytest.raises(BoundaryError, match="proofs that work once, and there is no store"):
        perimeter(dpop()).start()
    with perimeter(BearerToken(another_policy())) as started:
        assert started.is_started


def test_it_crosses_without_a_loop_too() -> None:
    """The sync driver gives the same answers."""
    perimeter = Perimeter(store=stores.memory(), clock=lambda: NOON)
    boundary = Client("api", identity=dpop(), user=lambda s: s, policy=lambda *_: True)
    me = perimeter.declare(boundary).action("me")
    lines = signed(CLIENT.proof(BOUND))

    def claim() -> Claim:
        return Claim(b"", Fields(lines.items()), NOON, Via(method="GET", target="/me"))

    with perimeter:
        assert perimeter.carry(boundary, claim(), me.flow).value == "user-1"
        with pytest.raises(Refused) as caught:
            perimeter.carry(boundary, claim(), me.flow)
        assert caught.value.code == "replayed_proof"


def test_what_it_rests_on_is_declared() -> None:
    """The report names the key, the origin, and the store that keeps the uses."""
    authentic, fresh = dpop().proofs()
    assert "bound to the key of a DPoP proof" in authentic.method
    assert API in authentic.method
    assert {str(root) for root in fresh.roots} >= {"store:used proofs", "clock:our clock"}


def test_the_loop_is_not_blocked_by_a_sync_store() -> None:
    """A store without a face on the loop is asked on a thread: it sees no loop of its own."""
    seen: list[bool] = []

    class Watching(Down):
        def first_use(self, *_: Any) -> Any:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                seen.append(False)
            else:
                seen.append(True)

    with TestClient(Api(store=Watching(is_async=False)).app) as http:
        assert http.get("/me", headers=signed(CLIENT.proof(BOUND))).status_code == 200
    assert seen == [False]


def test_a_proof_is_not_used_up_while_the_boundary_observes() -> None:
    """What was only looked at can be shown when it enforces; then it works once."""
    perimeter = Perimeter(store=stores.memory(), events=Kept(), clock=lambda: NOON)
    boundary = Client("api", identity=dpop(), user=lambda s: s, policy=lambda *_: True)
    me = perimeter.declare(boundary).action("me")
    lines = signed(CLIENT.proof(BOUND))
    until = NOON.date() + timedelta(days=1)
    boundary.observe = unsafe.observe(until=until, reason="old API", owner="API team")

    def code() -> str:
        claim = Claim(b"", Fields(lines.items()), NOON, Via(method="GET", target="/me"))
        try:
            perimeter.carry(boundary, claim, me.flow)
        except Refused as refused:
            return refused.code
        return ""

    with perimeter:
        assert [code(), code()] == ["observed", "observed"]
        boundary.observe = None
        assert [code(), code()] == ["", "replayed_proof"]
