"""A key with its name and the one algorithm that it is for."""

import hmac
from base64 import b64decode
from enum import StrEnum
from typing import Any, Final, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from pratique.core.proofs.authentic.jwk import checked_public
from pratique.core.refusal import BoundaryError
from pratique.core.secret import Secret

MAX_KEYID: Final = 256
MIN_HMAC_BYTES: Final = 32
"""As long as the hash. Source: RFC 2104 §3; RFC 7518 §3.2."""


class Algorithm(StrEnum):
    """The HTTP Signature Algorithms registry. Source: RFC 9421 §3.3, §6.2."""

    ED25519 = "ed25519"
    ECDSA_P256_SHA256 = "ecdsa-p256-sha256"
    ECDSA_P384_SHA384 = "ecdsa-p384-sha384"
    RSA_PSS_SHA512 = "rsa-pss-sha512"
    RSA_V1_5_SHA256 = "rsa-v1_5-sha256"
    HMAC_SHA256 = "hmac-sha256"


_CURVES: Final[dict[Algorithm, tuple[type[ec.EllipticCurve], hashes.HashAlgorithm, int]]] = {
    Algorithm.ECDSA_P256_SHA256: (ec.SECP256R1, hashes.SHA256(), 32),
    Algorithm.ECDSA_P384_SHA384: (ec.SECP384R1, hashes.SHA384(), 48),
}
_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=64)
_PADDINGS: Final[dict[Algorithm, tuple[padding.AsymmetricPadding, hashes.HashAlgorithm]]] = {
    Algorithm.RSA_PSS_SHA512: (_PSS, hashes.SHA512()),
    Algorithm.RSA_V1_5_SHA256: (padding.PKCS1v15(), hashes.SHA256()),
}


class MessageKey:
    """One key of a sender, with its name in signatures. Made by `public`, `private`, `shared`.

    Attributes:
        keyid: Its name.
        algorithm: The only one that it signs or verifies with: what a signature says of its own
            algorithm is compared with this, and chooses nothing (CWE-347).
    """

    __slots__ = ("_material", "_secret", "_signs", "algorithm", "keyid")

    def __init__(
        self, keyid: str, algorithm: Algorithm, material: Any, *, secret: Secret | None = None
    ) -> None:
        if not keyid or len(keyid) > MAX_KEYID or not keyid.isascii() or not keyid.isprintable():
            raise BoundaryError(f"a keyid is 1 to {MAX_KEYID} printable ASCII characters.")
        self.keyid = keyid
        self.algorithm = algorithm
        self._material = material
        self._secret = secret
        self._signs = material is not None and not hasattr(material, "verify")

    @classmethod
    def public(cls, keyid: str, algorithm: Algorithm | str, key: str | bytes) -> Self:
        """Take a public key, which verifies.

        Args:
            keyid: As the sender writes it.
            algorithm: As the sender documents it: "ed25519".
            key: PEM (SubjectPublicKeyInfo), or the 32 bytes of an Ed25519 key.

        Raises:
            BoundaryError: it is no public key of that algorithm.
        """
        named = _algorithm(algorithm)
        raw = key.encode() if isinstance(key, str) else key
        try:
            if named is Algorithm.ED25519 and not raw.lstrip().startswith(b"-"):
                found: Any = Ed25519PublicKey.from_public_bytes(raw)
            else:
                found = serialization.load_pem_public_key(raw)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _none(keyid, f"it can't be read: {type(error).__name__}") from None
        return cls(keyid, named, _fitting(keyid, named, found))

    @classmethod
    def private(cls, keyid: str, algorithm: Algorithm | str, key: str | bytes) -> Self:
        """Take a private key, which signs. PEM (PKCS #8), or the 32 bytes of an Ed25519 key.

        Raises:
            BoundaryError: it is no private key of that algorithm.
        """
        named = _algorithm(algorithm)
        raw = key.encode() if isinstance(key, str) else key
        try:
            if named is Algorithm.ED25519 and not raw.lstrip().startswith(b"-"):
                found: Any = Ed25519PrivateKey.from_private_bytes(raw)
            else:
                found = serialization.load_pem_private_key(raw, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _none(keyid, f"it can't be read: {type(error).__name__}") from None
        _fitting(keyid, named, found.public_key())
        return cls(keyid, named, found)

    @classmethod
    def shared(cls, keyid: str, secret: bytes | Secret) -> Self:
        """Take a secret of both sides, which verifies and signs with hmac-sha256.

        Args:
            keyid: As the sender writes it.
            secret: The bytes; or a `Secret` in base64, read when the boundary starts.

        Raises:
            BoundaryError: it is shorter than 32 bytes, or a public key.
        """
        if isinstance(secret, Secret):
            return cls(keyid, Algorithm.HMAC_SHA256, None, secret=secret)
        return cls(keyid, Algorithm.HMAC_SHA256, _strong(keyid, secret))

    def prepare(self) -> None:
        """Read the secret, where it comes from somewhere. Called at start, never in a flow.

        Raises:
            BoundaryError: it is unset, isn't base64, or is too short.
        """
        if self._secret is None:
            return
        live = self._secret.read()
        if not live:
            raise _none(self.keyid, "its optional secret is unset: leave the key out instead")
        try:
            raw = b64decode(live[0].value, validate=True)
        except ValueError:
            raise _none(self.keyid, "its secret isn't base64") from None
        self._material = _strong(self.keyid, raw)
        self._signs = True

    @property
    def is_shared(self) -> bool:
        """Say whether whoever verifies with it could have signed too."""
        return self.algorithm is Algorithm.HMAC_SHA256

    def verify(self, signature: bytes, base: bytes) -> bool:
        """Say whether the signature is this key's over exactly these bytes.

        Raises:
            BoundaryError: its secret was never read.

        Source: RFC 9421 §3.3.1 to §3.3.6.
        """
        material = self._ready()
        if self.is_shared:
            return hmac.compare_digest(hmac.digest(material, base, "sha256"), signature)
        public = material.public_key() if self._signs else material
        try:
            self._verify(public, signature, base)
        except InvalidSignature:
            return False
        return True

    def sign(self, base: bytes) -> bytes:
        """Sign.

        Raises:
            BoundaryError: the key only verifies.
        """
        material = self._ready()
        if self.is_shared:
            return hmac.digest(material, base, "sha256")
        if not self._signs:
            raise _none(self.keyid, "it is a public key, which signs nothing")
        if self.algorithm in _CURVES:
            _, digest, size = _CURVES[self.algorithm]
            r, s = decode_dss_signature(material.sign(base, ec.ECDSA(digest)))
            return r.to_bytes(size) + s.to_bytes(size)
        if self.algorithm in _PADDINGS:
            pad, digest = _PADDINGS[self.algorithm]
            signed: bytes = material.sign(base, pad, digest)
            return signed
        ed25519: bytes = material.sign(base)
        return ed25519

    def _verify(self, public: Any, signature: bytes, base: bytes) -> None:
        if self.algorithm in _CURVES:
            _, digest, size = _CURVES[self.algorithm]
            if len(signature) != 2 * size:  # §3.3.4: r and s, each of the curve's length
                raise InvalidSignature
            r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
            public.verify(encode_dss_signature(r, s), base, ec.ECDSA(digest))
        elif self.algorithm in _PADDINGS:
            pad, digest = _PADDINGS[self.algorithm]
            public.verify(signature, base, pad, digest)
        else:
            public.verify(signature, base)

    def _ready(self) -> Any:
        if self._material is None:
            raise _none(self.keyid, "its secret wasn't read: the boundary hasn't started")
        return self._material

    def __repr__(self) -> str:
        """Return name and algorithm alone."""
        return f"MessageKey({self.keyid!r}, {self.algorithm.value})"

    def __reduce__(self) -> str:
        message = "a MessageKey is not picklable"
        raise TypeError(message)


def _algorithm(name: Algorithm | str) -> Algorithm:
    try:
        named = Algorithm(name)
    except ValueError:
        known = ", ".join(Algorithm)
        raise BoundaryError(f"{name!r} is no algorithm of RFC 9421: {known}.") from None
    if named is Algorithm.HMAC_SHA256:
        raise BoundaryError("hmac-sha256 has no public key: MessageKey.shared(keyid, secret).")
    return named


def _fitting(keyid: str, algorithm: Algorithm, public: Any) -> Any:
    """Return a public key that is one of its algorithm's."""
    if algorithm is Algorithm.ED25519:
        fits = isinstance(public, Ed25519PublicKey)
    elif algorithm in _CURVES:
        curve = _CURVES[algorithm][0]
        fits = isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, curve)
    else:
        fits = isinstance(public, rsa.RSAPublicKey)
    if not fits:
        raise _none(keyid, f"it isn't one for {algorithm.value}")
    try:
        return checked_public(public)
    except ValueError as error:
        raise _none(keyid, str(error)) from None


def _strong(keyid: str, secret: bytes) -> bytes:
    if secret.lstrip().startswith(b"-----BEGIN"):
        raise _none(keyid, "a PEM key is no shared secret: who knows the public one would sign")
    if len(secret) < MIN_HMAC_BYTES:
        raise _none(keyid, f"it has {len(secret)} bytes, at least {MIN_HMAC_BYTES} are owed")
    return secret


def _none(keyid: str, why: str) -> BoundaryError:
    return BoundaryError(f"MessageKey({keyid!r}): {why}.")
