"""The keys that an issuer publishes at a URL: a JWKS."""

import re
from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final, Unpack, cast

from pratique.core.answered import Answered
from pratique.core.claim import Fields
from pratique.core.proofs.authentic.key import KeySet
from pratique.core.refusal import BoundaryError

from .answered import JWKS_TYPES, Getter, UnusableError, object_in, require_issuer_url
from .remote import RemoteKeys, Snapshot, Timing

MAX_KEYS: Final = 100
"""Issuers publish two to ten."""
DEFAULT_FRESH: Final = timedelta(minutes=10)
MIN_FRESH: Final = timedelta(minutes=1)
MAX_FRESH: Final = timedelta(hours=1)
"""An issuer's `max-age` counts between these two: one of a year would keep a key that was taken
back, and one of zero would have us ask all the time."""
# RFC 9111 §5.2: directives are separated by commas; §1.2.2: delta-seconds.
_MAX_AGE: Final = re.compile(r'(?:^|,)\s*max-age\s*=\s*"?(\d{1,9})"?\s*(?=,|$)', re.IGNORECASE)
_NO_CACHE: Final = re.compile(r"(?:^|,)\s*no-(?:store|cache)\b", re.IGNORECASE)


class Jwks(RemoteKeys):
    """The keys at a URL that our own declaration names, never a token.

    Args:
        url: "https://issuer.example/jwks".
        fetch: Goes there: a `pratique.fetch.Fetch` whose policy names the host and admits
            application/json and application/jwk-set+json.
        timing: See `Timing`.

    Raises:
        BoundaryError: the URL is none of https, or a period isn't above zero.

    Source: RFC 7517 §5; RFC 8725 §3.10.
    """

    def __init__(self, url: str, *, fetch: Getter, **timing: Unpack[Timing]) -> None:
        super().__init__(require_issuer_url("Jwks(url)", url), **timing)
        self._fetch = fetch

    def load(self) -> Snapshot:
        """Fetch the keys as they are now. See `RemoteKeys.load`."""
        return snapshot_of(self._fetch.get(self.issuer).value)


def snapshot_of(answer: Answered, *, algorithms: Collection[str] | None = None) -> Snapshot:
    """Return the keys of an answer, and how long they are fresh.

    Args:
        answer: What came.
        algorithms: A key that serves none of these is left out; None keeps all.

    Raises:
        UnusableError: it is no JWKS, or has no key that verifies: the keys before it stay.
    """
    members = object_in(answer, types=JWKS_TYPES)
    listed: Any = members.get("keys")
    if not isinstance(cast("object", listed), list):
        raise UnusableError("it sends no JWKS: keys is no list")
    count = len(listed)
    if count > MAX_KEYS:
        raise UnusableError(f"its JWKS has {count} keys, at most {MAX_KEYS} are allowed")
    try:
        keys = KeySet.of({"keys": listed})
    except BoundaryError:
        raise UnusableError("its JWKS has no key that is usable") from None
    if any(key.is_secret for key in keys.keys):
        # What is published to verify with isn't a secret: anybody could sign.
        raise UnusableError("its JWKS publishes an HMAC secret")
    if algorithms is not None:
        served = [key for key in keys.keys if not key.algorithms.isdisjoint(algorithms)]
        others = [
            f"{key!r} serves none of the algorithms" for key in keys.keys if key not in served
        ]
        if not served:
            raise UnusableError("its JWKS has no key for the algorithms that are declared")
        keys = KeySet(served, unusable=[*keys.unusable, *others])
    return Snapshot(keys, fresh_for(answer.fields))


def fresh_for(fields: Fields) -> timedelta:
    """Return how long an answer may be used without another look, between our own bounds.

    Source: RFC 9111 §4.2.1, §5.1 (Age), §5.2.2.
    """
    told = ",".join(fields.all("Cache-Control"))
    if _NO_CACHE.search(told) is not None:
        return MIN_FRESH
    ages = _MAX_AGE.findall(told)
    if not ages:
        return DEFAULT_FRESH
    spent = fields.all("Age")
    old = int(spent[0][:9]) if len(spent) == 1 and spent[0].isdecimal() else 0
    return min(max(timedelta(seconds=min(map(int, ages)) - old), MIN_FRESH), MAX_FRESH)
