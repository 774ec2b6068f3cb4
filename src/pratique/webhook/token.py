"""Senders that sign nothing: a token rides along, and whoever has seen it can send anything."""

from collections.abc import Sequence

from pratique.core.proofs.authentic import hmac as mac

from .verify import SHORTEST_KEY, Verifier, Verify


class TokenVerifier:
    """A shared token, compared in constant time. It binds nothing: the grade is "identified"."""

    __slots__ = ("_token", "is_short")

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self.is_short = len(self._token) < SHORTEST_KEY

    def compiled(self) -> Verify:
        """See `Verifier.compiled`."""
        if not self._token:
            message = "an empty token proves nothing"
            raise ValueError(message)
        token = self._token

        def verify(_pieces: tuple[bytes, ...], candidates: Sequence[str]) -> bool:
            return any(
                mac.compare_digest(token, candidate.encode("utf-8", "surrogatepass"))
                for candidate in candidates
            )

        return verify

    def seal(self, pieces: tuple[bytes, ...]) -> str:
        """See `Verifier.seal`: it is the token, whatever the pieces are."""
        _ = pieces
        return self._token.decode()


def token(secret: str) -> Verifier:
    """Return the keying of senders that send their secret itself."""
    return TokenVerifier(secret)


class Unsigned:
    """Stands where a verifier would, for senders that sign nothing. The grade is "unsigned"."""

    __slots__ = ("is_short",)

    def __init__(self, secret: str = "") -> None:
        _ = secret
        self.is_short = False

    def compiled(self) -> Verify:
        """See `Verifier.compiled`: there is nothing to check."""
        return lambda _pieces, _candidates: True

    def seal(self, pieces: tuple[bytes, ...]) -> str:
        """See `Verifier.seal`."""
        _ = pieces
        return ""
