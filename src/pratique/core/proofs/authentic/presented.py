"""A token that a request presents: found in its one field, verified, its issuer asked once."""

import re
from typing import Final, cast

from pratique.core.claim import Claim, Fields
from pratique.core.proofs.revocation import Issued
from pratique.core.question import Flow, Refresh, Renewable
from pratique.core.refusal import Refused

from .cache import TokenCache
from .jws import TokenRefused, named_key
from .jwt import JwtClaims, TokenPolicy, verify_token

# RFC 6750 §2.1: credentials = "Bearer" 1*SP b64token
_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9\-._~+/]+=*)")


def bearer_token(fields: Fields) -> str:
    """Return the token of the Authorization field, the one place where it is looked for.

    Raises:
        Refused: AUTHENTIC, code "no_token"; VALID, code "duplicate_field".

    Source: RFC 6750 §2.1, §5.3 (never in a query, CWE-598).
    """
    found = _BEARER.fullmatch(fields.one("authorization") or "")
    if found is None:
        raise TokenRefused("no field Authorization: Bearer came", code="no_token")
    return found[1]


def issued(claims: JwtClaims) -> Issued:
    """Return what revocations are asked with, of a token that is verified."""
    return Issued(claims.issuer, claims.subject, claims.id, claims.issued_at, claims.expires_at)


def presented(
    token: str, policy: TokenPolicy, claim: Claim, *, cache: TokenCache | None = None
) -> Flow[JwtClaims]:
    """Verify a token; where its key isn't known, look once whether its issuer has rolled its keys.

    Args:
        token: As it came.
        policy: What it must be.
        claim: With which it came: it is judged as of when that reached us.
        cache: Tokens that were verified a moment ago.

    Raises:
        Refused: as `verify_token`.
    """
    verify = verify_token if cache is None else cache.verify
    try:
        return verify(token, policy, at=claim.received_at)
    except Refused as refused:
        if refused.code != "unknown_key" or not hasattr(policy.source, "refresh"):
            raise
    yield Refresh(cast("Renewable", policy.source), named_key(token))
    return verify(token, policy, at=claim.received_at)
