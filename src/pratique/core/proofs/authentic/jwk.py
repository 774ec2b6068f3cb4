"""Keys as they are handed out: JWK, PEM, a secret's bytes. What is weak or ambiguous is none."""

import binascii
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import (
    load_der_public_key,
    load_pem_public_key,
    load_ssh_public_key,
)

from . import base64url
from .algorithm import Material

MIN_RSA_BITS: Final = 2048
"""RFC 7518 §3.3: a key of 2048 bits or larger MUST be used."""
MAX_RSA_BITS: Final = 8192
"""A check grows with the square of it: 1 ms there."""
_MIN_EXPONENT: Final = 3
"""With 1 the content is its own signature. 3 is small and not weak: the forgeries that it is known
for (CVE-2006-4339) need a lax reader of the padding, and the padding is compared whole."""
_MAX_EXPONENT_BITS: Final = 256
"""FIPS 186-5 §5.1; a check grows with it."""
MIN_SECRET_BYTES: Final = 32
"""RFC 7518 §3.2 for HS256, the smallest."""
_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_PEM: Final = b"-----BEGIN "
_UNREADABLE: Final = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm)
Jwk: TypeAlias = Mapping[str, Any]


def material_of_jwk(jwk: Jwk) -> Material:
    """Return the key that a JWK holds.

    Raises:
        ValueError: it is no key that verifies, for a reason that names no value of it.

    Source: RFC 7517 §4, RFC 7518 §6, RFC 8037 §2.
    """
    kind = jwk.get("kty")
    if kind == "oct":
        return secret_of(_octets(jwk, "k"))
    if any(name in jwk for name in _PRIVATE):
        raise ValueError("it holds a private key: hand in the public one alone, and roll this one")
    if kind == "RSA":
        numbers = RSAPublicNumbers(_positive(jwk, "e"), _positive(jwk, "n"))
        return checked_public(_made(numbers.public_key))
    curve = jwk.get("crv")
    if kind == "EC" and isinstance(curve, str) and curve in _CURVES:
        named = _CURVES[curve]
        size = (named.key_size + 7) // 8
        x, y = (int.from_bytes(_octets(jwk, name, size), "big") for name in ("x", "y"))
        return checked_public(_made(ec.EllipticCurvePublicNumbers(x, y, named).public_key))
    if kind == "OKP" and curve == "Ed25519":
        raw = _octets(jwk, "x", 32)
        return checked_public(_made(lambda: Ed25519PublicKey.from_public_bytes(raw)))
    raise ValueError("its kty and crv are none of oct, RSA, EC P-256, P-384, P-521, OKP Ed25519")


def is_pem(text: bytes) -> bool:
    """Say whether the bytes are meant as a PEM: then they are never a secret."""
    return _PEM in text


def material_of_pem(text: bytes) -> Material:
    """Return the one public key that a PEM holds.

    Raises:
        ValueError: it holds anything else: a private key, a certificate, two keys.
    """
    if b"PRIVATE KEY-----" in text:
        raise ValueError("it is a private key: hand in the public one alone")
    if b"CERTIFICATE-----" in text:
        raise ValueError("it is a certificate: hand in its public key alone")
    if text.count(_PEM) != 1 or not text.strip().startswith(_PEM):
        raise ValueError("it isn't one PEM alone")
    return checked_public(_made(lambda: load_pem_public_key(text)))


def secret_of(secret: bytes) -> bytes:
    """Return an HMAC secret.

    Raises:
        ValueError: it is short, or it is what everybody knows: a public key, in any form
            (CVE-2015-9235, CVE-2022-29217, CVE-2024-33663).
    """
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(
            f"the secret has {len(secret)} bytes, at least {MIN_SECRET_BYTES} are owed"
        )
    if is_pem(secret) or _is_public(secret) or _is_json_key(secret):
        raise ValueError("the secret is a public key: everybody could sign with it")
    return secret


def checked_public(key: object) -> Material:
    """Return a public key that is of a kind that we verify with, and strong enough.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(key, RSAPublicKey):
        numbers = key.public_numbers()
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise ValueError(
                f"the RSA key has {key.key_size} bits, {MIN_RSA_BITS} to {MAX_RSA_BITS} are allowed"
            )
        exponent = numbers.e
        if (
            exponent < _MIN_EXPONENT
            or exponent % 2 == 0
            or exponent.bit_length() > _MAX_EXPONENT_BITS
        ):
            raise ValueError("the RSA exponent isn't odd between 3 and 2^256")
        if _is_roca(numbers.n):
            raise ValueError("the RSA key was made by a broken chip: its secret can be computed")
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if any(key.curve.name == known.name for known in _CURVES.values()):
            return key
    elif isinstance(key, Ed25519PublicKey):
        return key
    raise ValueError("the key is neither RSA, nor on P-256, P-384, P-521, nor Ed25519")


def _made(make: Any) -> object:
    """Make a key; whatever the library says of hostile numbers is a ValueError."""
    try:
        return make()
    except _UNREADABLE as error:
        raise ValueError(f"it can't be read as a public key ({type(error).__name__})") from None


def _octets(jwk: Jwk, name: str, size: int = 0) -> bytes:
    text = jwk.get(name)
    if not isinstance(text, str) or not text.isascii():
        raise ValueError(f"its member {name} is no base64url text")
    try:
        value = base64url.decode(text.encode())
    except ValueError:
        raise ValueError(f"its member {name} isn't base64url without padding") from None
    if size and len(value) != size:
        raise ValueError(f"its member {name} has {len(value)} octets, {size} are owed")
    return value


def _positive(jwk: Jwk, name: str) -> int:
    """Read a Base64urlUInt. Source: RFC 7518 §2: the minimum number of octets."""
    octets = _octets(jwk, name)
    if not octets or octets[0] == 0:
        raise ValueError(f"its member {name} is empty or begins with a zero octet")
    return int.from_bytes(octets, "big")


def _is_public(secret: bytes) -> bool:
    forms = [secret]
    try:
        forms.append(binascii.a2b_base64(secret, strict_mode=True))
    except ValueError:
        forms = [secret]
    readers = (load_der_public_key, x509.load_der_x509_certificate, load_ssh_public_key)
    return any(_is_read(read, form) for form in forms for read in readers)


def _is_read(read: Any, form: bytes) -> bool:
    try:
        read(form)
    except _UNREADABLE:
        return False
    return True


def _is_json_key(secret: bytes) -> bool:
    try:
        read = msgspec.json.decode(secret)
    except (ValueError, RecursionError):
        return False
    return isinstance(read, dict) and ("kty" in read or "keys" in read)


# CVE-2017-15361 "ROCA": primes of that chip are powers of 65537 modulo a product of small primes,
# and so is the modulus. A sound key is one in every small group with a chance below 2^-27.
_ROCA_GROUPS: Final = tuple(
    (prime, frozenset(pow(65537, power, prime) for power in range(prime)))
    for prime in (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
)


def _is_roca(modulus: int) -> bool:
    return all(modulus % prime in group for prime, group in _ROCA_GROUPS)
