"""Senders that sign each item of a batch on its own: every one of them is checked."""

import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Final

from pratique.core.proofs.authentic import hmac as mac

from .verify import SHORTEST_KEY, Verify

_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")


class EachVerifier:
    """HMAC-SHA256 in base64 over each piece, the key in hexadecimal; as many signatures as pieces.

    ValueError for a key that isn't hexadecimal.
    """

    __slots__ = ("_key", "is_short")

    def __init__(self, secret: str) -> None:
        if _HEX.fullmatch(secret) is None:
            message = "the key isn't hexadecimal"
            raise ValueError(message)
        key = bytes.fromhex(secret)
        self._key = mac.HmacKey(key)
        self.is_short = len(key) < SHORTEST_KEY

    def compiled(self) -> Verify:
        """See `Verifier.compiled`."""
        digest = self._key.digest

        def verify(pieces: tuple[bytes, ...], candidates: Sequence[str]) -> bool:
            if not pieces or len(pieces) != len(candidates):
                return False
            is_each = [
                mac.compare_digest(b64encode(digest(piece)), candidate.encode())
                for piece, candidate in zip(pieces, candidates, strict=True)
                if candidate.isascii()
            ]
            return len(is_each) == len(pieces) and all(is_each)

        return verify

    def seal(self, pieces: tuple[bytes, ...]) -> str:
        """See `Verifier.seal`: one signature for each piece, with a space between."""
        return " ".join(b64encode(self._key.digest(piece)).decode() for piece in pieces)
