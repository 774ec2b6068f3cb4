"""What a proxy in front of us signs is believed; what anybody can write beside it isn't."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

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
