"""What a token costs beside the floor, and beside joserfc and PyJWT.

Run it: `python -m benchmarks.tokens`.

The floor is what nobody can leave out, written plainly on `cryptography`: three segments, one key
of one algorithm, the signature, and the claims compared. It takes duplicate members, other base64
texts, control characters, any type and any key name. The others check what their documentation
has: allowed algorithms, type, issuer, audience, dates, the claims that must be there.
"""

import base64
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt

from benchmarks.timing import least, row
from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proofs.authentic.jwt import TokenPolicy, verify_token

ISSUER, AUDIENCE = "https://idp.example.com", "https://orders.internal.example"
AT = datetime.now(UTC)
NOW = int(AT.timestamp())
CLAIMS = {
    "iss": ISSUER,
    "sub": "svc:gateway",
    "aud": AUDIENCE,
    "iat": NOW - 10,
    "nbf": NOW - 10,
    "exp": NOW + 3600,
    "jti": "5f0c1b3e-7d0d-4f0e-9d3c-2f6a1b7c8d9e",
    "client_id": "gateway",
    "scope": "orders.read orders.write",
}
SECRET = b"\x8b\x1f\xc0\x77" * 7 + b"four"
MOST = {"HS256": 2.0, "RS256": 1.4, "ES256": 1.25, "EdDSA": 1.25}


def text(octets: bytes) -> str:
    """Write base64url."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def octets(segment: str) -> bytes:
    """Read base64url, plainly."""
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def hmac_of(content: bytes) -> HMAC:
    """Return the HMAC of the bytes."""
    mac = HMAC(SECRET, SHA256())
    mac.update(content)
    return mac


class Contest:
    """One algorithm: a token, its key for each contestant, and the floor's own check."""

    def __init__(self, name: str) -> None:
        self.name = name
        header = {"alg": name, "typ": "at+jwt", "kid": "k1"}
        signed = ".".join(text(msgspec.json.encode(part)) for part in (header, CLAIMS))
        self.public: Any = SECRET
        self.check: Callable[[bytes, bytes], Any]
        signature = getattr(self, f"_{name.lower()}")(signed.encode())
        self.token = f"{signed}.{text(signature)}"
        if name == "HS256":
            self.joserfc: Any = joserfc_jwk.OctKey.import_key(SECRET)
            self.keys: Any = {"kty": "oct", "kid": "k1", "alg": name, "k": text(SECRET)}
        else:
            kind = {
                "RS256": joserfc_jwk.RSAKey,
                "ES256": joserfc_jwk.ECKey,
                "EdDSA": joserfc_jwk.OKPKey,
            }
            pem = self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            self.joserfc = kind[name].import_key(pem)
            self.keys = {**self.joserfc.as_dict(private=False), "kid": "k1", "alg": name}

    def _hs256(self, signed: bytes) -> bytes:
        self.check = lambda signature, content: hmac_of(content).verify(signature)
        return hmac_of(signed).finalize()

    def _rs256(self, signed: bytes) -> bytes:
        private = rsa.generate_private_key(65537, 2048)
        public = self.public = private.public_key()
        self.check = lambda signature, content: public.verify(
            signature, content, padding.PKCS1v15(), SHA256()
        )
        return private.sign(signed, padding.PKCS1v15(), SHA256())

    def _es256(self, signed: bytes) -> bytes:
        private = ec.generate_private_key(ec.SECP256R1())
        public = self.public = private.public_key()

        def check(signature: bytes, content: bytes) -> None:
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            public.verify(encode_dss_signature(r, s), content, ec.ECDSA(SHA256()))

        self.check = check
        r, s = decode_dss_signature(private.sign(signed, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def _eddsa(self, signed: bytes) -> bytes:
        private = ed25519.Ed25519PrivateKey.generate()
        public = self.public = private.public_key()
        self.check = public.verify
        return private.sign(signed)


def floor(token: str, contest: Contest) -> dict[str, Any]:
    """Verify with as little as there can be."""
    head, body, signature = token.split(".")
    header = msgspec.json.decode(octets(head))
    if header["alg"] != contest.name or header["kid"] != "k1":
        raise InvalidSignature
    contest.check(octets(signature), f"{head}.{body}".encode())
    claims: dict[str, Any] = msgspec.json.decode(octets(body))
    if claims["iss"] != ISSUER or claims["aud"] != AUDIENCE:
        raise InvalidSignature
    if not claims["nbf"] <= NOW < claims["exp"]:
        raise InvalidSignature
    return claims


def by_joserfc(contest: Contest) -> Callable[[], Any]:
    """Return joserfc as its guide has it, with every claim that can be asked for."""
    key, names = contest.joserfc, [contest.name]
    wanted = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        sub={"essential": True},
        exp={"essential": True},
    )

    def verify() -> Any:
        token = joserfc_jwt.decode(contest.token, key, algorithms=names)
        if token.header["typ"] != "at+jwt":
            raise InvalidSignature
        wanted.validate(token.claims)
        return token.claims

    return verify


def by_pyjwt(contest: Contest) -> Callable[[], Any]:
    """Return PyJWT as its documentation has it, with every claim that can be asked for."""
    owed = {"require": ["exp", "iss", "aud", "sub"]}

    def verify() -> Any:
        token = jwt.decode_complete(
            contest.token,
            contest.public,
            algorithms=[contest.name],
            audience=AUDIENCE,
            issuer=ISSUER,
            options=owed,
        )
        if token["header"]["typ"] != "at+jwt":
            raise InvalidSignature
        return token["payload"]

    return verify


def measure(name: str) -> None:
    """Print the rows of one algorithm."""
    contest = Contest(name)
    policy = TokenPolicy(
        issuer=ISSUER,
        audience=AUDIENCE,
        algorithms=(name,),
        type="at+jwt",
        keys=contest.keys,
        leeway=timedelta(seconds=5),
    )
    cache = TokenCache()
    calls: dict[str, Callable[[], Any]] = {
        "floor": lambda: floor(contest.token, contest),
        "verify_token": lambda: verify_token(contest.token, policy, at=AT),
        "joserfc": by_joserfc(contest),
        "PyJWT": by_pyjwt(contest),
        "cached": lambda: cache.verify(contest.token, policy, at=AT),
    }
    assert all(call()["sub"] == CLAIMS["sub"] for call in calls.values())
    cost = least(calls, loops=dict.fromkeys(calls, 200), rounds=60)
    print(f"{name}: " + ", ".join(f"{what} {spent:.1f} µs" for what, spent in cost.items()))
    ours = cost["verify_token"]
    share, most = ours / cost["floor"], MOST[name]
    row(f"{name}: strict, × of the floor", share, f"<= {most}", ok=share <= most)
    for other in ("joserfc", "PyJWT"):
        share = ours / cost[other]
        row(f"{name}: strict, × of {other}", share, "< 1", ok=share < 1)
    share = cost["cached"] / ours
    row(f"{name}: from the cache, × of strict", share, "< 1", ok=share < 1)


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore", message="EdDSA is deprecated")  # joserfc prefers Ed25519
    for name in MOST:
        measure(name)


if __name__ == "__main__":
    main()
