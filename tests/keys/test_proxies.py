"""What a proxy in front of us signs is believed; what anybody can write beside it isn't."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from pratique import stores
from pratique.core.refusal import BoundaryError, Refused
from pratique.keys import cloudflare_access, google_iap
from tests.fetch.world import World, reply
from tests.keys.issuer import ADDRESS, NOW, Door, fetching, segment

TAG = "0123456789abcdef" * 4
BACKEND = "/projects/12345/global/backendServices/678"
AT = int(NOW.timestamp())
_EC = ec.generate_private_key(ec.SECP256R1())
_RSA = rsa.generate_private_key(65537, 2048)


def _text(number: int, size: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(size, "big")).rstrip(b"=").decode()


def cloudflare(**claims: Any) -> tuple[str, dict[str, Any]]:
    """Return an assertion of Cloudflare Access, and the key."""
    issuer = "https://acme.cloudflareaccess.com"
    members = {"iss": issuer, "aud": [TAG], "sub": "ann", "iat": AT, "exp": AT + 60, **claims}
    content = f"{segment({'alg': 'RS256', 'kid': 'k', 'typ': 'JWT'})}.{segment(members)}"
    signature = _RSA.sign(content.encode(), PKCS1v15(), SHA256())
    made = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    n = _RSA.public_key().public_numbers().n
    key = {"kty": "RSA", "kid": "k", "alg": "RS256", "use": "sig", "n": _text(n, 256), "e": "AQAB"}
    return f"{content}.{made}", key


def google(**claims: Any) -> tuple[str, dict[str, Any]]:
    """Return an assertion of Identity-Aware Proxy, and the key."""
    issuer = "https://cloud.google.com/iap"
    members = {"iss": issuer, "aud": BACKEND, "sub": "ann", "iat": AT, "exp": AT + 60, **claims}
    content = f"{segment({'alg': 'ES256', 'kid': 'k', 'typ': 'JWT'})}.{segment(members)}"
    r, s = decode_dss_signature(_EC.sign(content.encode(), ec.ECDSA(SHA256())))
    numbers = _EC.public_key().public_numbers()
    key = {"kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "use": "sig"}
    key |= {"x": _text(numbers.x, 32), "y": _text(numbers.y, 32)}
    return f"{content}.{_text((r << 256) | s, 64)}", key


CASES = [
    pytest.param(
        cloudflare,
        lambda fetch: cloudflare_access("acme", audience=TAG, fetch=fetch),
        "acme.cloudflareaccess.com",
        "Cf_Access_Jwt_Assertion",
        id="cloudflare",
    ),
    pytest.param(
        google,
        lambda fetch: google_iap(BACKEND, fetch=fetch),
        "www.gstatic.com",
        "X_Goog_IAP_JWT_Assertion",
        id="google",
    ),
]


@pytest.mark.parametrize(("sign", "made", "host", "field"), CASES)
def test_the_signed_field_alone_says_who_came(
    world: World, sign: Callable[..., Any], made: Any, host: str, field: str
) -> None:
    """The assertion is believed; the unsigned fields beside it, another audience or issuer, and the same token as a bearer aren't."""
    world.names[host] = [ADDRESS]
    token, key = sign()
    content = json.dumps({"keys": [key], "public_certs": []}).encode()
    world.server.answer = lambda seen: reply(200, content, Content_Type="application/json")
    fetch = fetching(host)
    door = Door(made(fetch), fetch)
    with door.perimeter:
        assert door.ask("", **{field: token}) == "Ann"
        for wrong, code in (
            (
                {
                    "Cf_Access_Authenticated_User_Email": "ann",
                    "X_Goog_Authenticated_User_Id": "ann",
                },
                0,
            ),
            ({field: sign(aud="https://other.test")[0]}, "wrong_audience"),
            ({field: sign(iss="https://evil.test")[0]}, "wrong_issuer"),
            ({field: sign(exp=AT)[0]}, "expired_token"),
            ({field: token[:-8] + "AAAAAAAA"}, "bad_signature"),
        ):
            with pytest.raises(Refused) as refused:
                door.ask(token, **wrong)
            assert refused.value.code == (code or "no_token")


def test_a_preset_owes_its_own_form_of_audience() -> None:
    """A tag or a backend that is none would admit another application's users, or nobody."""
    fetch = fetching()
    for wrong in (
        lambda: cloudflare_access("acme.evil.test/", audience=TAG, fetch=fetch),
        lambda: cloudflare_access("", audience=TAG, fetch=fetch),
        lambda: cloudflare_access("acme", audience="", fetch=fetch),
        lambda: google_iap("", fetch=fetch),
        lambda: google_iap("/projects/x", fetch=fetch),
    ):
        with pytest.raises(BoundaryError):
            wrong()
    cloudflare_access("acme", audience=TAG, fetch=fetch)
    google_iap("/projects/12345/apps/my-project", fetch=fetch)


def cloudflares(world: World, **more: Any) -> tuple[Any, Any]:
    """Return Cloudflare's identity, whose keys are published, and what fetches them."""
    host = "acme.cloudflareaccess.com"
    world.names[host] = [ADDRESS]
    content = json.dumps({"keys": [cloudflare()[1]]}).encode()
    world.server.answer = lambda seen: reply(200, content, Content_Type="application/json")
    fetch = fetching(host)
    return cloudflare_access("acme", audience=TAG, fetch=fetch, **more), fetch


def test_an_assertion_whose_subject_was_taken_back_is_refused(world: World) -> None:
    """CWE-613: at its next use, in the perimeter's store; another subject's and a later sign-in are admitted."""
    store = stores.memory()
    hour = timedelta(hours=1)
    taken = stores.revocations(store, lifetime=hour, by=[stores.By.SUBJECT])
    identity, fetch = cloudflares(world, revoked=taken)
    door = Door(identity, fetch, store=store)
    with door.perimeter:
        mine = {"Cf_Access_Jwt_Assertion": cloudflare()[0]}
        assert door.ask("", **mine) == "Ann"
        taken.revoke_before("https://acme.cloudflareaccess.com", "ann", at=NOW)
        with pytest.raises(Refused) as refused:
            door.ask("", **mine)
        assert (refused.value.code, refused.value.status) == ("revoked", 401)
        assert door.ask("", Cf_Access_Jwt_Assertion=cloudflare(sub="bob")[0]) == "Bob"
        later = cloudflare(iat=AT + 1, exp=AT + 61)[0]
        door.perimeter.clock = lambda: NOW + timedelta(seconds=1)
        assert door.ask("", Cf_Access_Jwt_Assertion=later) == "Ann"
        with pytest.raises(Refused):
            door.ask("", **mine)


def test_an_assertion_is_asked_about_in_the_perimeters_own_store(world: World) -> None:
    """Revocations of a store that the perimeter doesn't start refuse the start; its own are let in."""
    store = stores.memory()
    for kept in (stores.memory(), store):
        taken = stores.revocations(kept, lifetime=timedelta(hours=1))
        identity, fetch = cloudflares(world, revoked=taken)
        door = Door(identity, fetch, store=store)
        if kept is not store:
            with pytest.raises(BoundaryError, match="another store"):
                door.perimeter.start()
        else:
            with door.perimeter:
                assert identity.proofs()[1].method.startswith("exp, iat, and not taken back")


def test_google_is_asked_about_by_a_callable_alone(world: World) -> None:
    """It signs anew while its session lasts: a kept moment is refused at once, a callable refuses whom it names."""
    kept = stores.revocations(stores.memory(), lifetime=timedelta(hours=1))
    with pytest.raises(BoundaryError, match=r"google_iap\(revoked=\) is a callable"):
        google_iap(BACKEND, fetch=fetching(), revoked=kept)
    world.names["www.gstatic.com"] = [ADDRESS]
    content = json.dumps({"keys": [google()[1]]}).encode()
    world.server.answer = lambda seen: reply(200, content, Content_Type="application/json")
    fetch = fetching("www.gstatic.com")

    def is_out(claims: Mapping[str, Any]) -> bool:
        return claims["sub"] == "ann"

    door = Door(google_iap(BACKEND, fetch=fetch, revoked=is_out), fetch)
    with door.perimeter:
        with pytest.raises(Refused) as refused:
            door.ask("", X_Goog_IAP_JWT_Assertion=google()[0])
        assert refused.value.code == "revoked"
        assert door.ask("", X_Goog_IAP_JWT_Assertion=google(sub="bob")[0]) == "Bob"
