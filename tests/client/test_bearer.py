"""A client that is known by an access token: in its one field, of one issuer, in force, not taken back."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from pratique import Perimeter
from pratique.client import BearerToken, Client
from pratique.core.claim import Claim, Fields, Via
from pratique.core.obligation import FRESH
from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proofs.authentic.jws import TokenRefused
from pratique.core.proofs.authentic.jwt import JwtClaims, TokenPolicy
from pratique.core.proofs.authentic.key import KeySet
from pratique.core.question import Flow
from pratique.core.refusal import Refused

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
OLD, NEW = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def jwks(*keys: tuple[str, Ed25519PrivateKey]) -> dict[str, Any]:
    """Return the public keys as their issuer publishes them."""
    return {
        "keys": [
            {**OKPAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": name, "alg": "EdDSA"}
            for name, key in keys
        ]
    }


def token(
    key: Ed25519PrivateKey = OLD, kid: str = "old", typ: str = "at+jwt", **changes: Any
) -> str:
    """Return an honest token, with something else in it."""
    claims = {
        "iss": "https://id.example",
        "aud": "https://shop.example",
        "sub": "user-1",
        "iat": int(NOON.timestamp()) - 10,
        "exp": int(NOON.timestamp()) + 300,
        "jti": "t-1",
        **changes,
    }
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid, "typ": typ})


class Remote:
    """An issuer's keys that are taken anew when somebody asks for it."""

    def __init__(self) -> None:
        self.current = KeySet.of(jwks(("old", OLD)))
        self.asked: list[str | None] = []

    def refresh(self, name: str | None) -> None:
        self.asked.append(name)
        self.current = KeySet.of(jwks(("old", OLD), ("new", NEW)))

    async def arefresh(self, name: str | None) -> None:
        self.refresh(name)


def ask(
    *lines: tuple[str, str],
    target: str = "/me",
    is_async: bool = False,
    keys: Any = None,
    kind: type[BearerToken] = BearerToken,
    **more: Any,
) -> object:
    """Ask as a client; whom it is taken for."""
    policy = TokenPolicy(
        issuer="https://id.example",
        audience="https://shop.example",
        algorithms=("EdDSA",),
        type="at+jwt",
        keys=keys or jwks(("old", OLD)),
    )
    perimeter = Perimeter(clock=lambda: NOON)
    shop = perimeter.declare(
        Client(
            "shop",
            identity=kind(policy, **more),
            user=lambda subject: subject,
            policy=lambda user, action, _: (user, action) == ("user-1", "me"),
        )
    )
    me = shop.action("me")
    claim = Claim(b"", Fields(lines), NOON, Via(method="GET", target=target))

    async def work() -> object:
        async with perimeter:
            return (await perimeter.acarry(shop, claim, me.flow)).value

    if is_async:
        return asyncio.run(work())
    with perimeter:
        return perimeter.carry(shop, claim, me.flow).value


def bearer(text: str, scheme: str = "Bearer") -> tuple[str, str]:
    """Return the field that a token comes in."""
    return "Authorization", f"{scheme} {text}"


def refusal(call: Callable[[], object]) -> Refused:
    """Return why nobody is known."""
    with pytest.raises(Refused) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_an_honest_token_is_its_subject(scheme: str, is_async: bool) -> None:
    """RFC 6750 §2.1: the scheme is without case."""
    assert ask(bearer(token(), scheme), is_async=is_async) == "user-1"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], "no_token"),
        ([("Authorization", "")], "no_token"),
        ([("Authorization", "Basic dTpw")], "no_token"),
        ([("Authorization", f"Bearer {token()}, Bearer {token()}")], "no_token"),
        ([bearer(token()), bearer(token())], "duplicate_field"),
        ([("Cookie", f"access_token={token()}")], "no_token"),
        ([bearer(token(typ="JWT"))], "wrong_type"),
        ([bearer(token(typ="dpop+jwt"))], "wrong_type"),
        ([bearer(token(aud="https://bank.example"))], "wrong_audience"),
        ([bearer(token(iss="https://evil.example"))], "wrong_issuer"),
        ([bearer(token(key=NEW))], "bad_signature"),
        ([bearer(token(exp=int(NOON.timestamp())))], "expired_token"),
        ([bearer(token(cnf={"jkt": "x"}))], "bound_token"),
    ],
)
def test_what_is_not_such_a_token_is_refused(lines: list[tuple[str, str]], code: str) -> None:
    """SV-04 to SV-17: nobody is known, and but for two fields everybody is told the same."""
    refused = refusal(lambda: ask(*lines))
    assert refused.code == code
    if code != "duplicate_field":
        assert (refused.status, refused.problem()["type"]) == (
            401,
            "urn:pratique:refusal:authentic",
        )
    assert refusal(lambda: ask(target=f"/me?access_token={token()}")).code == "no_token"
    assert ask(bearer(token())) == "user-1"


@pytest.mark.parametrize("is_async", [False, True])
def test_an_issuer_whose_key_is_not_known_is_asked_once(is_async: bool) -> None:
    """SV-25: it has rolled its keys; a key that it never had is asked for once and refused."""
    remote = Remote()
    assert ask(bearer(token(NEW, "new")), keys=remote, is_async=is_async) == "user-1"
    assert remote.asked == ["new"]
    refused = refusal(lambda: ask(bearer(token(NEW, "none")), keys=remote, is_async=is_async))
    assert (refused.code, remote.asked) == ("unknown_key", ["new", "none"])


class Closed(BearerToken):
    """An identity of somebody's own that looks by itself whether a token is in force."""

    def require_in_force(self, claims: JwtClaims, session: object) -> Flow[None]:
        if claims.id == "t-1":
            raise TokenRefused("it was taken back", code="revoked", obligation=FRESH)
        return super().require_in_force(claims, session)


@pytest.mark.parametrize("lines", [[bearer(token())], [bearer(token(), "bearer")]])
def test_a_look_of_ones_own_is_asked_without_a_callable(lines: list[tuple[str, str]]) -> None:
    """Also where the token is remembered; another token's twin is in force."""
    cache = TokenCache()
    assert ask(*lines, cache=cache) == "user-1"
    assert refusal(lambda: ask(*lines, cache=cache, kind=Closed)).code == "revoked"
    assert ask(bearer(token(jti="t-2")), cache=cache, kind=Closed) == "user-1"


@pytest.mark.parametrize("cached", [False, True])
def test_a_remembered_token_counts_in_its_one_field_alone(cached: bool) -> None:
    """What was verified a moment ago is refused where a stranger's would be."""
    cache = TokenCache() if cached else None
    assert ask(bearer(token()), cache=cache) == "user-1"
    assert refusal(lambda: ask(bearer(token()), bearer("x"), cache=cache)).code == "duplicate_field"
    assert refusal(lambda: ask(bearer(f"{token()} "), cache=cache)).code == "no_token"
    assert refusal(lambda: ask(bearer(token(), "DPoP"), cache=cache)).code == "no_token"
    bound = bearer(token(cnf={"jkt": "x"}))
    for _ in range(2):
        assert refusal(lambda: ask(bound, cache=cache)).code == "bound_token"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_token_that_was_taken_back_is_refused(is_async: bool) -> None:
    """SV-23: by its id, each time, also where it is remembered; nothing and a truthy word are no "it holds"."""
    signed_out: Any = False
    cache = TokenCache(max_age=timedelta(minutes=1))

    def revoked(claims: JwtClaims) -> Any:
        return signed_out if claims.id == "t-1" else False

    def asked() -> object:
        return ask(bearer(token()), revoked=revoked, cache=cache, is_async=is_async)

    assert asked() == "user-1"
    for signed_out in (True, None, "no"):  # noqa: B007  revoked reads it
        refused = refusal(asked)
        assert (refused.code, refused.status) == ("revoked", 401)
    signed_out = False
    assert asked() == "user-1"
