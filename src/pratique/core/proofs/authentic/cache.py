"""Tokens that were verified a moment ago, so that a client's next request costs a digest."""

import hashlib
from collections import OrderedDict
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from pratique.core.refusal import BoundaryError

from .jws import MAX_TOKEN_BYTES
from .jwt import JwtClaims, TokenPolicy, seconds_since_1970, verify_token

_Key: TypeAlias = tuple[bytes, bytes, str]
_Entry: TypeAlias = tuple[JwtClaims, float, float]
"""What was verified, when, and until when it is in force: seconds since 1970."""
_DEFAULT_AGE: Final = timedelta(minutes=1)
_ZERO: Final = timedelta(0)


class TokenCache:
    """Remembers tokens that were verified, the least recently used forgotten first.

    An entry is found by the digest of the token, the whole policy and the version of its keys: the
    same token under another policy, or after the keys changed, is verified anew, and so is one that
    has ended meanwhile: nothing lives past its `exp`. A refusal is never remembered.

    What must be asked each time (single use of `jti`, DPoP, a certificate's binding, whether the
    user is still one of ours) isn't in it.

    Args:
        max_tokens: How many are kept. Each has its claims, at most 12 KiB.
        max_age: How long one is believed without a new look. Seconds to minutes.

    Raises:
        BoundaryError: one of them isn't above zero.
    """

    __slots__ = ("_entries", "_max_age", "_max_tokens")

    def __init__(self, *, max_tokens: int = 4096, max_age: timedelta = _DEFAULT_AGE) -> None:
        if max_tokens < 1 or max_age <= _ZERO:
            raise BoundaryError("TokenCache(max_tokens=, max_age=) are above zero.")
        self._max_tokens = max_tokens
        self._max_age = max_age.total_seconds()
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()

    def verify(self, token: str, policy: TokenPolicy, *, at: datetime) -> JwtClaims:
        """Return what `verify_token` returns.

        Args:
            token: As it came.
            policy: What it must be.
            at: When it reached us. UTC.

        Raises:
            Refused: as `verify_token` does.
        """
        # The key first: it has the version of the keys by which the token is verified, or an older.
        key = _key_of(token, policy)
        if key is None:
            return verify_token(token, policy, at=at)
        entries, now = self._entries, seconds_since_1970(at)
        claims = self._found(key, now)
        if claims is None:
            claims = verify_token(token, policy, at=at)
            entries[key] = (claims, now, policy.ends_at(claims))
            while len(entries) > self._max_tokens:
                with suppress(KeyError):
                    entries.popitem(last=False)
        return claims

    def find(self, text: str, policy: TokenPolicy, *, at: datetime) -> JwtClaims | None:
        """Return the claims of a token that was verified a moment ago; None for any other text.

        Args:
            text: What stands where a token is looked for. Of what token it is, nothing is asked:
                the very same text was verified.
            policy: What it must be.
            at: When it reached us. UTC.
        """
        key = _key_of(text, policy)
        return None if key is None else self._found(key, seconds_since_1970(at))

    def _found(self, key: _Key, now: float) -> JwtClaims | None:
        found = self._entries.get(key)
        if found is None:
            return None
        claims, seen_at, ends_at = found
        # A clock that goes back would stretch the age: then look anew.
        if not (0 <= now - seen_at <= self._max_age and now < ends_at):
            return None
        try:
            self._entries.move_to_end(key)
        except KeyError:  # another thread has pushed it out meanwhile
            return claims
        return claims

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    @property
    def size(self) -> int:
        """Return how many are kept."""
        return len(self._entries)


def _key_of(token: object, policy: TokenPolicy) -> _Key | None:
    """Return what an entry is found by; None for what can't have one."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN_BYTES or not token.isascii():
        return None
    digest = hashlib.sha256(token.encode("ascii")).digest()
    return digest, policy.fingerprint, policy.source.current.version
