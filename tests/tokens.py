"""Keys and tokens for tests: an honest token, and every way to write one that isn't."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pratique.core.proofs.authentic.jwt import TokenPolicy

ISSUER, AUDIENCE = "https://idp.example.com", "https://orders.internal.example"
NOW = 1_800_000_000
AT = datetime.fromtimestamp(NOW, UTC)
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "svc:gateway",
    "aud": AUDIENCE,
    "iat": NOW - 10,
    "nbf": NOW - 10,
    "exp": NOW + 300,
    "jti": "j-1",
}
ALGORITHMS = (
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
HASHES: dict[str, Any] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES: dict[str, Any] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
KINDS = {"HS": "oct", "RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


def private_key(algorithm: str, who: str = "issuer") -> Any:
    """Return a private key, or a secret's bytes; the same each time for the same *who*."""
    return _private_key(algorithm, who)


@cache
def _private_key(algorithm: str, who: str) -> Any:
    kind = algorithm[:2]
    if kind == "HS":
        return hashlib.shake_256(f"{algorithm} {who}".encode()).digest(64)
    if kind in ("RS", "PS"):
        return rsa_key(who)
    if kind == "ES":
        return ec.generate_private_key(CURVES[algorithm])
    return ed25519.Ed25519PrivateKey.generate()


def rsa_key(who: str = "issuer") -> Any:
    """Return an RSA key, which RS and PS share: making one takes a while."""
    return _rsa_key(who)


@cache
def _rsa_key(who: str) -> Any:
    return rsa.generate_private_key(65537, 2048)


def text(octets: bytes) -> str:
    """Write base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def octets(segment: str) -> bytes:
    """Read it."""
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def sign(algorithm: str, private: Any, content: bytes) -> bytes:
    """Sign as RFC 7518 §3 has it."""
    kind, digest = algorithm[:2], HASHES.get(algorithm[2:])
    if kind == "HS":
        return hmac.digest(private, content, f"sha{algorithm[2:]}")
    if kind == "RS":
        return bytes(private.sign(content, padding.PKCS1v15(), digest))
    if kind == "PS":
        salted = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return bytes(private.sign(content, salted, digest))
    if kind == "ES":
        r, s = decode_dss_signature(private.sign(content, ec.ECDSA(digest)))
        size = (private.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return bytes(private.sign(content))


def pem_of(private: Any) -> bytes:
    """Return the public key as a PEM."""
    public = private.public_key()
    return bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def jwk_of(algorithm: str, private: Any = None, **more: Any) -> dict[str, Any]:
    """Return the public JWK (a secret's own for HMAC), named "k1" and pinned to the algorithm."""
    private = private or private_key(algorithm)
    head = {"kty": KINDS[algorithm[:2]], "kid": "k1", "alg": algorithm, "use": "sig"}
    if isinstance(private, bytes):
        return {**head, "k": text(private), **more}
    public = private.public_key()
    if isinstance(private, rsa.RSAPrivateKey):
        numbers = public.public_numbers()
        parts = {"n": text(number_octets(numbers.n)), "e": text(number_octets(numbers.e))}
    elif isinstance(private, ed25519.Ed25519PrivateKey):
        parts = {"crv": "Ed25519", "x": text(public.public_bytes_raw())}
    else:
        numbers, bits = public.public_numbers(), private.curve.key_size
        size = (bits + 7) // 8
        parts = {"crv": f"P-{bits}"}
        parts |= {name: text(getattr(numbers, name).to_bytes(size, "big")) for name in ("x", "y")}
    return {**head, **parts, **more}


def number_octets(number: int) -> bytes:
    """Write a number in as few octets as it needs."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def mint(
    algorithm: str = "ES256",
    *,
    private: Any = None,
    header: Any = None,
    claims: Any = None,
    drop: tuple[str, ...] = (),
    signed_as: str | None = None,
) -> str:
    """Sign a token.

    Args:
        algorithm: The `alg` of the header and, where nothing else is said, of the signature.
        private: The signer's key; the issuer's by default.
        header: Bytes as they are, or members beside the usual ones.
        claims: Likewise.
        drop: Members of the claims that are left out.
        signed_as: The algorithm of the signature.
    """
    head = {"alg": algorithm, "typ": "at+jwt", "kid": "k1"}
    parts = []
    for usual, given in ((head, header), (CLAIMS, claims)):
        if isinstance(given, bytes):
            parts.append(given)
        else:
            told = {**usual, **(given or {})}
            parts.append(json.dumps({k: v for k, v in told.items() if k not in drop}).encode())
    content = ".".join(map(text, parts))
    used = signed_as or algorithm
    return f"{content}.{text(sign(used, private or private_key(used), content.encode()))}"


def policy(algorithm: str = "ES256", **other: Any) -> TokenPolicy:
    """Return the policy that an honest token of the algorithm meets."""
    usual: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithms": (algorithm,),
        "type": "at+jwt",
        "keys": None,
        "leeway": timedelta(0),
    }
    usual |= other
    if usual["keys"] is None:
        usual["keys"] = jwk_of(algorithm)
    return TokenPolicy(**usual)
