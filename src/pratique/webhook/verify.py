"""One live secret, ready to verify: HMAC in hexadecimal, base64 or base64url."""

from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from pratique.core.proofs.authentic import hmac as mac

SHORTEST_KEY: Final = 16


Verify = Callable[[tuple[bytes, ...], Sequence[str]], bool]
"""(pieces, candidate signatures) -> whether one of them is this secret's over the pieces."""


class Verifier(Protocol):
    """One secret of one sender."""

    is_short: bool
    """Fewer than 16 bytes: `open` takes it (real senders have such ones), a boundary doesn't."""

    def compiled(self) -> Verify:
        """Return the check as a closure; ValueError for a key that proves nothing."""
        ...

    def seal(self, pieces: tuple[bytes, ...]) -> str:
        """Sign the pieces: the text of one candidate."""
        ...


def _base64(digest: bytes) -> str:
    return b64encode(digest).decode()


def _base64url(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


_TEXTS: Final[dict[str, Callable[[bytes], str]]] = {
    "hex": bytes.hex,
    "base64": _base64,
    "base64url": _base64url,  # without padding, RFC 7515 §2
}
Keying = Callable[[str], Verifier]
"""A secret as its sender hands it out -> a verifier; ValueError where it isn't in that form."""


class HmacVerifier:
    """HMAC, written as text after a prefix.

    The text is compared, so another spelling of the same bytes is none.
    """

    __slots__ = ("_is_empty", "_key", "_prefix", "_text", "is_short")

    def __init__(
        self, key: bytes, *, encoding: str, prefix: str = "", digest: str = "sha256"
    ) -> None:
        self._key = mac.HmacKey(key, digest)
        self._text = _TEXTS[encoding]
        self._prefix = prefix
        self.is_short = len(key) < SHORTEST_KEY
        self._is_empty = not key

    def seal(self, pieces: tuple[bytes, ...]) -> str:
        """See `Verifier.seal`."""
        digest = self._key.digest(*pieces)
        return self._prefix + self._text(digest)

    def compiled(self) -> Verify:
        """See `Verifier.compiled`. Constant time in the content of a candidate (CWE-208)."""
        if self._is_empty:  # "whsec_" and nothing behind it: anyone makes that MAC (CWE-1188)
            message = "an empty key proves nothing"
            raise ValueError(message)
        new_inner, new_outer, prefix, text = (
            self._key.inner.copy,
            self._key.outer.copy,
            self._prefix,
            self._text,
        )

        def verify(pieces: tuple[bytes, ...], candidates: Sequence[str]) -> bool:
            inner = new_inner()
            update = inner.update
            for piece in pieces:
                update(piece)
            outer = new_outer()
            outer.update(inner.digest())
            expected = text(outer.digest())
            if prefix:
                expected = prefix + expected
            if len(candidates) == 1:  # compare_digest takes text of ASCII alone
                candidate = candidates[0]
                return candidate.isascii() and mac.compare_digest(expected, candidate)
            matched = False
            for candidate in candidates:
                # compare_digest takes text of ASCII alone.
                if candidate.isascii() and mac.compare_digest(expected, candidate):
                    matched = True
            return matched

        return verify


def strict_base64(text: str) -> bytes | None:
    """Decode canonical base64.

    None for anything that decodes and isn't what encoding gives back.
    """
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        return None
    return raw if b64encode(raw).decode() == text else None


def hmac_of_text(*, encoding: str, prefix: str = "", digest: str = "sha256") -> Keying:
    """Return the keying of senders whose secret is the key as it stands, UTF-8."""

    def keying(secret: str) -> Verifier:
        return HmacVerifier(secret.encode(), encoding=encoding, prefix=prefix, digest=digest)

    return keying
