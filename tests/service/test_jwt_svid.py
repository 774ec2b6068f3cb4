"""A caller by its JWT-SVID, over FastAPI: for us, by our trust domain's key, for a moment."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from starlette.testclient import TestClient

from pratique import Perimeter, Proven
from pratique.core.refusal import BoundaryError
from pratique.events import JsonLines
from pratique.fetch import Fetch, FetchPolicy
from pratique.integrations.fastapi import called, guard
from pratique.keys import SpiffeBundle
from pratique.service import Service, TransactionToken, jwt_svid
from pratique.service.jwt_svid import JwtSvid
from tests.fetch.world import World, quiet, reply, small_internet
from tests.service.orders import GATEWAY, NOON, REPORTS, TOKENS, Minter

ORDERS = "spiffe://shop.example/orders"
AT = int(NOON.timestamp())
ALLOW = {GATEWAY: {"orders.list"}, REPORTS: {"order.read"}}
EC, NEXT = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
RSA = rsa.generate_private_key(65537, 2048)
ED = Ed25519PrivateKey.generate()
SECRET = b"0123456789abcdef0123456789abcdef"


def published(name: str, key: Any, algorithm: str, use: str = "jwt-svid") -> dict[str, Any]:
    """Return a key of a bundle, as PyJWT writes it: SPIRE's has no alg."""
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(key, as_dict=True)
    return {name: value for name, value in made.items() if name != "key_ops"} | {
        "kid": name,
        "use": use,
    }


BUNDLE = {
    "spiffe_sequence": 1,
    "keys": [
        published("e", EC.public_key(), "ES256"),
        published("r", RSA.public_key(), "RS256"),
        published("ed", ED.public_key(), "EdDSA"),
        published("x", NEXT.public_key(), "ES256", use="x509-svid"),
    ],
}


def svid(
    *, key: Any = EC, alg: str = "ES256", kid: str | None = "e", head: Any = None, **claims: Any
) -> str:
    """Return a JWT-SVID of the gateway for us, with something else in it."""
    members = {"sub": GATEWAY, "aud": [ORDERS], "exp": AT + 300, "iat": AT, **claims}
    members = {name: value for name, value in members.items() if value is not ...}
    headers = {"typ": None, **({} if kid is None else {"kid": kid}), **(head or {})}
    return jwt.encode(members, key, algorithm=alg, headers=headers)


class Door:
    """An orders service whose callers come with a JWT-SVID."""

    def __init__(self, path: Path, caller: JwtSvid, *declared: Any) -> None:
        self.path = path / "events.jsonl"
        perimeter = Perimeter(events=JsonLines(self.path), clock=lambda: NOON, deadline=None)
        for one in declared:
            perimeter.declare(one)
        minter = Minter(
            issuer=TOKENS.name, keys=TOKENS.jwks(), scopes={"orders.list"}, subjects="customer:"
        )
        service = perimeter.declare(
            Service(
                "orders",
                caller=caller,
                context=TransactionToken("shop.example", minters=[minter]),
                user=lambda subject: subject,
                policy=lambda *_: True,
            )
        )
        self.app = guard(FastAPI(), perimeter)

        @self.app.get("/orders")
        def every(
            who: Annotated[Proven[str, Literal["orders.list"]], called(service, "orders.list")],
        ) -> Any:
            return {"for": who.value}

    def ask(self, token: str, **fields: str) -> tuple[int, str]:
        """Come with a JWT-SVID; the status and the code."""
        txn = TOKENS.mint("customer:1", scope=["orders.list"], caller=GATEWAY, at=NOON)
        lines = {"Txn-Token": txn, **fields}
        if token:
            lines["Authorization"] = f"Bearer {token}"
        with TestClient(self.app) as client:
            answer = client.get("/orders", headers=lines)
        if answer.status_code == 200:
            assert answer.json() == {"for": "customer:1"}
        record = JsonLines(self.path).find(answer.headers.get("crossing-id", ""))
        return answer.status_code, (record.code or "") if record is not None else ""


@pytest.fixture
def door(tmp_path: Path) -> Door:
    """Give the service with the bundle at hand."""
    return Door(tmp_path, jwt_svid("shop.example", BUNDLE, ORDERS, allow=ALLOW))


@pytest.mark.parametrize(
    "token",
    [
        svid(),
        svid(aud=ORDERS),
        svid(aud=["spiffe://shop.example/stock", ORDERS]),
        svid(head={"typ": "JWT"}),
        svid(head={"typ": "JOSE"}),
        svid(iat=...),
        svid(key=RSA, alg="RS256", kid="r"),
        svid(key=RSA, alg="PS384", kid="r"),
    ],
)
def test_a_caller_is_known_by_its_jwt_svid(door: Door, token: str) -> None:
    """RS, PS and ES; typ absent, JWT or JOSE; one of several audiences."""
    assert door.ask(token)[0] == 200


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        ("", 401, "no_token"),
        ("a.b.c", 401, "malformed_token"),
        (svid(exp=...), 401, "bad_date"),
        (svid(exp=AT), 401, "expired_token"),
        (svid(exp=AT + 7200), 401, "lives_too_long"),
        (svid(nbf=AT + 1), 401, "not_yet_valid"),
        (svid(iat=AT + 1), 401, "from_the_future"),
        (svid(aud=...), 401, "wrong_audience"),
        (svid(aud=[]), 401, "wrong_audience"),
        (svid(aud="spiffe://shop.example/stock"), 401, "wrong_audience"),
        (svid(aud=f"{ORDERS}/"), 401, "wrong_audience"),
        (svid(sub=...), 401, "bad_svid"),
        (svid(sub="gateway"), 401, "bad_svid"),
        (svid(sub="spiffe://shop.example"), 401, "bad_svid"),
        (svid(sub="spiffe://SHOP.example/gateway"), 401, "bad_svid"),
        (svid(sub="spiffe://shop.example/x/../gateway"), 401, "bad_svid"),
        (svid(sub="spiffe://evil.example/gateway"), 401, "wrong_trust_domain"),
        (svid(sub="spiffe://shop.example/other"), 403, "unknown_caller"),
        (svid(sub=REPORTS), 403, "caller_may_not"),
        (svid(head={"typ": "at+jwt"}), 401, "wrong_type"),
        (svid(head={"typ": "jwt"}), 401, "wrong_type"),
        (svid(head={"x": 1}), 401, "forbidden_header"),
        (svid(head={"jku": "https://evil.test"}), 401, "forbidden_header"),
        (svid(key=NEXT), 401, "bad_signature"),
        (svid(key=NEXT, kid="x"), 401, "unknown_key"),
        (svid(kid=None), 401, "unknown_key"),
        (svid(key=ED, alg="EdDSA", kid="ed"), 401, "algorithm_not_allowed"),
        (svid(key=SECRET, alg="HS256"), 401, "algorithm_not_allowed"),
        (svid(key=None, alg="none"), 401, "algorithm_not_allowed"),
        (svid(key=RSA, alg="RS256", kid="e"), 401, "algorithm_not_allowed"),
    ],
)
def test_what_isn_t_a_jwt_svid_for_us_is_refused(
    door: Door, token: str, status: int, code: str
) -> None:
    """A key for X.509-SVIDs, EdDSA and HMAC, another service's token; the honest twin is admitted."""
    assert door.ask(token) == (status, code)
    assert door.ask(svid())[0] == 200


def test_a_field_that_names_the_caller_proves_nothing(door: Door) -> None:
    """A certificate that a field claims is refused beside a good token, as with mTLS."""
    assert door.ask("", X_Caller=GATEWAY) == (401, "no_token")
    fields = {"X-Forwarded-Client-Cert": f"URI={GATEWAY}"}
    assert door.ask(svid(), **fields) == (401, "claimed_certificate")


def test_the_same_token_works_again_and_the_declaration_says_so(door: Door) -> None:
    """A JWT-SVID is a bearer token: nothing here pretends that a replay is seen."""
    token = svid()
    assert [door.ask(token)[0] for _ in range(2)] == [200, 200]
    method = jwt_svid("shop.example", BUNDLE, ORDERS, allow=ALLOW).declared()
    assert "replay" in method.method
    assert any("on its way" in str(root) for way in method.ways for root in way)


def test_a_declaration_that_would_prove_little_is_none() -> None:
    """A plain JWKS, a secret, a wide audience, nobody, an endless token."""
    plain = {"keys": [published("e", EC.public_key(), "ES256", use="sig")]}
    secret = {"keys": [published("s", SECRET, "HS256")]}
    nameless = {"keys": [{**published("e", EC.public_key(), "ES256"), "kid": ""}]}
    hours = timedelta(hours=25)
    for wrong in (
        lambda: jwt_svid("shop.example", plain, ORDERS, allow=ALLOW),
        lambda: jwt_svid("shop.example", secret, ORDERS, allow=ALLOW),
        lambda: jwt_svid("shop.example", nameless, ORDERS, allow=ALLOW),
        lambda: jwt_svid("shop.example", {}, ORDERS, allow=ALLOW),
        lambda: jwt_svid("shop.example", BUNDLE, "", allow=ALLOW),
        lambda: jwt_svid("shop.example", BUNDLE, "spiffe://shop.example", allow=ALLOW),
        lambda: jwt_svid("shop.example", BUNDLE, ORDERS, allow={}),
        lambda: jwt_svid("shop.example", BUNDLE, ORDERS, allow=ALLOW, longest=hours),
    ):
        with pytest.raises(BoundaryError):
            wrong()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """Give a small internet on loopback with a bundle endpoint."""
    with quiet(), small_internet(monkeypatch, tmp_path) as made:
        made.names["spire.test"] = ["93.184.216.34"]
        yield made


def test_rolled_keys_are_looked_for_at_the_bundle_endpoint(world: World, tmp_path: Path) -> None:
    """The next key is fetched once; while the endpoint is down an unknown one is a 503, the known one serves."""
    keys = [published("e", EC.public_key(), "ES256")]
    world.server.answer = lambda seen: reply(
        200, json.dumps({"keys": keys}).encode(), Content_Type="application/json"
    )
    policy = FetchPolicy(hosts={"spire.test"}, content_types={"application/json"})
    fetch = Fetch("bundle", policy)
    bundle = SpiffeBundle("https://spire.test/bundle", fetch=fetch)
    door = Door(tmp_path, jwt_svid("shop.example", bundle, ORDERS, allow=ALLOW), fetch)
    assert door.ask(svid())[0] == 200
    assert door.ask(svid(key=NEXT, kid="n")) == (401, "unknown_key")
    keys.append(published("n", NEXT.public_key(), "ES256"))
    assert door.ask(svid(key=NEXT, kid="n"))[0] == 200
    world.server.answer = lambda seen: reply(503, b"", Content_Type="application/json")
    assert door.ask(svid(kid="later")) == (503, "keys_unavailable")
    assert door.ask(svid())[0] == 200
