"""The SPIFFE id of a workload, by a JWT that its trust domain signed for us."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, cast

from pratique.core.obligation import FRESH
from pratique.core.refusal import BoundaryError

from .jws import Opener, TokenRefused, claims_of
from .key import KeySet, KeySource
from .mtls import SpiffeId, parse_spiffe_id
from .numeric_date import seconds_of

USE: Final = "jwt-svid"
# JWT-SVID §2.1: no HMAC, no EdDSA.
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"}
)
_HEADER: Final = frozenset({"alg", "kid", "typ"})
_TYPES: Final = frozenset({"JWT", "JOSE"})


def svid_keys(bundle: Mapping[str, Any]) -> KeySet:
    """Return the keys of a SPIFFE bundle that verify JWT-SVIDs.

    Args:
        bundle: A JWKS whose keys say `"use": "jwt-svid"`; its others are passed over.

    Raises:
        BoundaryError: no key is for that, one has no `kid`, or one is a secret.

    Source: SPIFFE Trust Domain and Bundle §4.2; JWT-SVID §6.
    """
    listed: object = bundle.get("keys")
    members = cast("list[Any]", listed) if isinstance(listed, list | tuple) else []
    ours = [
        cast("Mapping[str, Any]", jwk)
        for jwk in members
        if isinstance(jwk, Mapping) and cast("Mapping[str, Any]", jwk).get("use") == USE
    ]
    if not ours:
        raise BoundaryError(
            'The bundle has no key with "use": "jwt-svid". For SPIRE take it from '
            "`spire-server bundle show -format spiffe`; a JWKS of an issuer isn't one."
        )
    if not all(jwk.get("kid") for jwk in ours):
        raise BoundaryError("A key of the bundle for JWT-SVIDs has no kid.")
    keys = KeySet.of({"keys": [{**jwk, "use": "sig"} for jwk in ours]})
    if any(key.is_secret for key in keys.keys):
        raise BoundaryError("The bundle holds an HMAC secret: whoever verifies could sign.")
    return keys


class JwtSvidReader:
    """Reads JWT-SVIDs that are for us.

    Args:
        source: The trust domain's keys.
        audience: Our own id.
        longest: How far from now a token may end. It can be replayed that long.
    """

    __slots__ = ("_audience", "_longest", "_opener")

    def __init__(self, source: KeySource, *, audience: str, longest: timedelta) -> None:
        self._opener = Opener(source, ALGORITHMS)
        self._audience = audience
        self._longest = longest.total_seconds()

    def read(self, token: str, *, at: datetime) -> SpiffeId:
        """Return whose it is.

        Args:
            token: As it came.
            at: When it reached us. UTC.

        Raises:
            Refused: AUTHENTIC, what `verify_jws` refuses, and code "wrong_type", "wrong_audience",
                "bad_svid"; FRESH, code "bad_date", "expired_token", "not_yet_valid",
                "from_the_future", "lives_too_long".

        Source: JWT-SVID §2 to §4.
        """
        heading, payload = self._opener.open(token)
        if not heading.members.keys() <= _HEADER:
            raise TokenRefused("the header has more than alg, kid and typ", code="forbidden_header")
        if "typ" in heading.members and heading.members["typ"] not in _TYPES:
            raise TokenRefused(
                "its typ is neither JWT nor JOSE",
                code="wrong_type",
                hint="another kind of token that the same keys sign",
            )
        members = claims_of(payload)
        if not self._is_for_us(members.get("aud")):
            raise TokenRefused(
                "its audience isn't us",
                code="wrong_audience",
                hint="it was made for another service, which may be passing it on",
            )
        self._require_dates(members, at.timestamp())
        return _named(members.get("sub"))

    def _is_for_us(self, told: Any) -> bool:
        if type(told) is str:
            return told == self._audience
        texts: Any = told
        return (
            type(told) is list
            and all(type(one) is str for one in texts)
            and self._audience in texts
        )

    def _require_dates(self, members: Mapping[str, Any], now: float) -> None:
        ends = seconds_of(members, "exp")
        if now >= ends:
            raise _not_now("it has expired", "expired_token")
        if ends - now > self._longest:
            raise _not_now(
                f"it ends {ends - now:.0f} s from now, at most {self._longest:.0f} s are allowed",
                "lives_too_long",
            )
        if "nbf" in members and seconds_of(members, "nbf") > now:
            raise _not_now("it isn't in force yet (nbf)", "not_yet_valid")
        if "iat" in members and seconds_of(members, "iat") > now:
            raise _not_now("it was issued later than now", "from_the_future")


def _named(subject: Any) -> SpiffeId:
    try:
        name = parse_spiffe_id(subject) if type(subject) is str else None
    except ValueError:
        name = None
    if name is None or not name.path:
        raise TokenRefused("its sub is no SPIFFE id of a workload", code="bad_svid")
    return name


def _not_now(why: str, code: str) -> TokenRefused:
    return TokenRefused(why, code=code, obligation=FRESH)
