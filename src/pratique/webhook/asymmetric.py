"""Senders that sign with a private key of theirs: Ed25519 and ECDSA, the public key declared."""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Final

from pratique.core.proofs.authentic.public_key import Signer, ecdsa_key, ed25519_key

from .verify import Keying, Verifier, Verify, strict_base64

_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+")


class SignatureVerifier:
    """One public key whose signatures are in strict base64 or lower hexadecimal, after a prefix."""

    __slots__ = ("_decode", "_encode", "_key", "_prefix", "is_short")

    def __init__(self, key: Signer, *, encoding: str, prefix: str = "") -> None:
        is_hex = encoding == "hex"
        self._key, self._prefix = key, prefix
        self._decode: Callable[[str], bytes | None] = _strict_hex if is_hex else strict_base64
        self._encode: Callable[[bytes], str] = bytes.hex if is_hex else _base64
        self.is_short = False

    def compiled(self) -> Verify:
        """See `Verifier.compiled`."""
        check, decode, prefix = self._key.verify, self._decode, self._prefix

        def verify(pieces: tuple[bytes, ...], candidates: Sequence[str]) -> bool:
            content = b"".join(pieces)
            return any(
                check(raw, content)
                for candidate in candidates
                if candidate.isascii()
                and candidate.startswith(prefix)
                and (raw := decode(candidate[len(prefix) :])) is not None
            )

        return verify

    def seal(self, pieces: tuple[bytes, ...]) -> str:
        """See `Verifier.seal`."""
        return self._prefix + self._encode(self._key.sign(b"".join(pieces)))


def ed25519(*, encoding: str) -> Keying:
    """Return the keying of senders that sign with Ed25519 and show their key in one encoding.

    A private key, for tests, is a PEM.
    """
    decode = _strict_hex if encoding == "hex" else strict_base64

    def keying(secret: str) -> Verifier:
        return SignatureVerifier(ed25519_key(secret, decode(secret)), encoding=encoding)

    return keying


def ecdsa_p256(secret: str) -> Verifier:
    """Return the verifier of senders that sign with ECDSA on P-256, DER in base64."""
    return SignatureVerifier(ecdsa_key(secret), encoding="base64")


def _strict_hex(text: str) -> bytes | None:
    return bytes.fromhex(text) if _HEX.fullmatch(text) is not None else None


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
