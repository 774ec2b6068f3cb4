"""Signatures with a public key."""

from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519_BYTES: Final = 32


class Ed25519Key:
    """A public key that verifies, and signs where its private key is at hand.

    Source: RFC 8032 §5.1.
    """

    __slots__ = ("_private", "_public")

    def __init__(self, public: Ed25519PublicKey, private: Ed25519PrivateKey | None = None) -> None:
        self._public = public
        self._private = private

    @classmethod
    def of_public(cls, raw: bytes) -> Self:
        """Take the 32 bytes of a public key; ValueError for anything else."""
        return cls(Ed25519PublicKey.from_public_bytes(raw))

    @classmethod
    def of_private(cls, raw: bytes) -> Self:
        """Take the 32 bytes of a private key, or 64 with its public key behind it.

        ValueError for anything else.
        """
        seed, behind = raw[:ED25519_BYTES], raw[ED25519_BYTES:]
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key()
        if behind and behind != public.public_bytes_raw():
            message = "what stands behind the private key isn't its public key"
            raise ValueError(message)
        return cls(public, private)

    def verify(self, signature: bytes, content: bytes) -> bool:
        """Say whether the signature is this key's over exactly these bytes."""
        try:
            self._public.verify(signature, content)
        except InvalidSignature:
            return False
        return True

    def sign(self, content: bytes) -> bytes:
        """Sign; ValueError where there is no private key."""
        if self._private is None:
            message = "this key only verifies"
            raise ValueError(message)
        return self._private.sign(content)
