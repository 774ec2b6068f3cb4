"""One public key of a sender, as it hands it out, and the signatures that it makes elsewhere."""

from base64 import b64decode, b64encode
from typing import Final, Protocol, TypeVar, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    load_der_public_key,
    load_pem_private_key,
)

from . import base64url
from .jwk import checked_public, material_of_pem
from .signature import Ed25519Key

PRIVATE: Final = "PRIVATE KEY-----"
_HASHES: Final[dict[str, HashAlgorithm]] = {"sha1": SHA1(), "sha256": SHA256()}  # noqa: S303  SNS's version 1, where it is declared
_UNREADABLE: Final = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm)
_P = TypeVar("_P", EllipticCurvePrivateKey, RSAPrivateKey)


class Signer(Protocol):
    """A key that verifies, and signs where its private key is at hand."""

    def verify(self, signature: bytes, content: bytes) -> bool:
        """Say whether the signature is this key's over exactly these bytes."""
        ...

    def sign(self, content: bytes) -> bytes:
        """Sign; ValueError where there is no private key."""
        ...


class EcdsaKey:
    """ECDSA on P-256 with SHA-256; the signature is DER. Source: FIPS 186-5 §6, RFC 3279 §2.2.3."""

    __slots__ = ("_private", "_public")

    def __init__(
        self, public: EllipticCurvePublicKey, private: EllipticCurvePrivateKey | None = None
    ) -> None:
        if not isinstance(public.curve, SECP256R1):
            message = "the key isn't on P-256"
            raise ValueError(message)  # noqa: TRY004  whoever reads a key awaits one error alone
        self._public, self._private = public, private

    def verify(self, signature: bytes, content: bytes) -> bool:
        """See `Signer.verify`."""
        try:
            self._public.verify(signature, content, ECDSA(_HASHES["sha256"]))
        except InvalidSignature:
            return False
        return True

    def sign(self, content: bytes) -> bytes:
        """See `Signer.sign`."""
        return _owned(self._private).sign(content, ECDSA(_HASHES["sha256"]))


class RsaKey:
    """RSA with the padding of PKCS #1 v1.5. Source: RFC 8017 §8.2.

    Args:
        public: The key, 2048 bits or more.
        private: Its private key, where it is to sign.
        digest: "sha256"; "sha1" only where a sender has nothing else and it is declared.
    """

    __slots__ = ("_digest", "_private", "_public")

    def __init__(
        self,
        public: RSAPublicKey,
        private: RSAPrivateKey | None = None,
        *,
        digest: str = "sha256",
    ) -> None:
        self._public, self._private, self._digest = public, private, _HASHES[digest]

    def verify(self, signature: bytes, content: bytes) -> bool:
        """See `Signer.verify`."""
        try:
            self._public.verify(signature, content, PKCS1v15(), self._digest)
        except InvalidSignature:
            return False
        return True

    def sign(self, content: bytes) -> bytes:
        """See `Signer.sign`."""
        return _owned(self._private).sign(content, PKCS1v15(), self._digest)


def ed25519_key(text: str, raw: bytes | None) -> Ed25519Key:
    """Return a sender's key: the 32 bytes of the public one, or a private one as a PEM.

    Raises:
        ValueError: it is neither.
    """
    if PRIVATE in text:
        private = _private(text)
        if isinstance(private, Ed25519PrivateKey):
            return Ed25519Key(private.public_key(), private)
    elif raw is not None:
        return Ed25519Key.of_public(raw)
    message = "it is neither the public key as the sender shows it nor a private key as a PEM"
    raise ValueError(message)


def ecdsa_key(text: str) -> EcdsaKey:
    """Return a P-256 key: public as DER in base64 or as a PEM, or a private one as a PEM.

    Raises:
        ValueError: it is none of them.
    """
    if PRIVATE in text:
        private = _private(text)
        if isinstance(private, EllipticCurvePrivateKey):
            return EcdsaKey(private.public_key(), private)
        public: object = None
    elif text.startswith("-----BEGIN "):
        public = material_of_pem(text.encode())
    else:
        public = _of_der(text)
    if isinstance(public, EllipticCurvePublicKey):
        return EcdsaKey(public)
    message = "it is no key on P-256: public in base64 or as a PEM, or private as a PEM"
    raise ValueError(message)


def rsa_key(public: object, *, digest: str = "sha256") -> RsaKey:
    """Return the check of an RSA key.

    Raises:
        ValueError: it is another kind of key, or a weak one.
    """
    if isinstance(public, str) and PRIVATE in public:
        private = _private(public)
        if isinstance(private, RSAPrivateKey):
            return RsaKey(private.public_key(), private, digest=digest)
    else:
        material = material_of_pem(public.encode()) if isinstance(public, str) else public
        if isinstance(material, RSAPublicKey):
            return RsaKey(cast("RSAPublicKey", checked_public(material)), digest=digest)
    message = "it is no RSA key: public as a PEM, or private as a PEM"
    raise ValueError(message)


def es256_token(head: bytes, claims: bytes, private_pem: str) -> str:
    """Sign a token in compact serialization with ES256: for tests and demonstrations.

    Args:
        head: The header, JSON.
        claims: The claims set, JSON.
        private_pem: A private key on P-256.

    Raises:
        ValueError: it is no such key.

    Source: RFC 7515 §3.1, RFC 7518 §3.4.
    """
    signed = base64url.encode(head) + "." + base64url.encode(claims)
    r, s = decode_dss_signature(ecdsa_key(private_pem).sign(signed.encode()))
    return signed + "." + base64url.encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def _of_der(text: str) -> object:
    try:
        raw = b64decode(text, validate=True)
        if b64encode(raw).decode() != text:
            return None
        return checked_public(load_der_public_key(raw))
    except _UNREADABLE:
        return None


def _private(pem: str) -> object:
    try:
        return load_pem_private_key(pem.encode(), password=None)
    except _UNREADABLE:
        message = "the PEM holds no private key that can be read"
        raise ValueError(message) from None


def _owned(private: _P | None) -> _P:
    if private is None:
        message = "this key only verifies"
        raise ValueError(message)
    return private
