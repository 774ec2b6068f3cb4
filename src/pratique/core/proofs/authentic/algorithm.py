"""Which algorithms a key can serve, and each algorithm's check as a closure over one key."""

from collections.abc import Callable
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from .hmac import HmacKey, compare_digest
from .signature import Ed25519Key

Material: TypeAlias = bytes | RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
Verify: TypeAlias = Callable[[bytes, bytes], bool]
"""(signature, content) -> whether this key made it over exactly these bytes."""

_HASHES: Final[dict[str, HashAlgorithm]] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}
_SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""RFC 7518 §3.2: a key of the size of the hash, or larger, MUST be used."""
_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_ORDERS: Final = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
        16,
    ),
    "secp521r1": int(
        "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409",
        16,
    ),
}
"""SEC 2 §2.4.2, §2.5.1, §2.6.1: n."""
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_ED25519: Final = frozenset({"EdDSA", "Ed25519"})
"""RFC 8037 §3.1, and its fully-specified name of RFC 9864 §2.2."""
ALGORITHMS: Final = frozenset({*_SECRET_BYTES, *_RSA, *_CURVES.values(), *_ED25519})
"""Every algorithm that can be named. "none" is none."""


def served_by(material: Material) -> frozenset[str]:
    """Return the algorithms that a key of this kind, curve and length can serve.

    A key serves those of its own kind alone: a public key is never an HMAC secret (RFC 8725 §2.1),
    and ES256 is P-256 (RFC 7518 §3.4).
    """
    if isinstance(material, bytes):
        return frozenset(name for name, size in _SECRET_BYTES.items() if len(material) >= size)
    if isinstance(material, RSAPublicKey):
        return _RSA
    if isinstance(material, Ed25519PublicKey):
        return _ED25519
    return frozenset({_CURVES[material.curve.name]})


def verifier(algorithm: str, material: Material) -> Verify:
    """Return the check of one algorithm with one key.

    Args:
        algorithm: One that the key serves.
        material: The key.

    Source: RFC 7518 §3.2 to §3.5, RFC 8037 §3.1.
    """
    if isinstance(material, bytes):
        return _hmac(material, f"sha{algorithm[2:]}")
    if isinstance(material, RSAPublicKey):
        return _rsa(material, algorithm)
    if isinstance(material, Ed25519PublicKey):
        return Ed25519Key(material).verify
    return _ecdsa(material, _HASHES["512" if algorithm == "ES512" else algorithm[2:]])


def _hmac(secret: bytes, digest: str) -> Verify:
    mac = HmacKey(secret, digest).digest
    return lambda signature, content: compare_digest(mac(content), signature)


def _rsa(public: RSAPublicKey, algorithm: str) -> Verify:
    size, check, used = (public.key_size + 7) // 8, public.verify, _HASHES[algorithm[2:]]
    # RFC 7518 §3.5: the salt has the hash's size, and MGF1 the same hash.
    padding = PKCS1v15() if algorithm[0] == "R" else PSS(MGF1(used), used.digest_size)

    def verify(signature: bytes, content: bytes) -> bool:
        if len(signature) != size:
            return False
        try:
            check(signature, content, padding, used)
        except InvalidSignature:
            return False
        return True

    return verify


def _ecdsa(public: EllipticCurvePublicKey, used: HashAlgorithm) -> Verify:
    size, check, method = (public.curve.key_size + 7) // 8, public.verify, ECDSA(used)
    order = _ORDERS[public.curve.name]

    def verify(signature: bytes, content: bytes) -> bool:
        # RFC 7518 §3.4: R and S as octets of the full size each, nothing more and nothing less.
        if len(signature) != 2 * size:
            return False
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        # Attack: "psychic signatures", r = s = 0 (CVE-2022-21449).
        if not (0 < r < order and 0 < s < order):
            return False
        try:
            check(encode_dss_signature(r, s), content, method)
        except InvalidSignature:
            return False
        return True

    return verify
