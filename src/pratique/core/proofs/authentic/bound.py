"""What a token is bound to: a key or a certificate of the client that it was issued to."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from hmac import compare_digest
from typing import Any, Final, cast

from pratique.core.claim import Via

from . import base64url
from .jws import TokenRefused
from .mtls import require_in_time, shown_chain

CERTIFICATE: Final = "x5t#S256"
"""RFC 8705 §3.1: the confirmation method of a certificate."""


def bound_to(cnf: object, way: str) -> object:
    """Return what a token is bound to, in this way and no other.

    Raises:
        Refused: AUTHENTIC, code "unbound_token" where it is bound to nothing; "bound_token" where
            it is bound in another way too, which would be asked for nowhere.
    """
    if cnf is None:
        raise TokenRefused(
            f"it is bound to nothing, {way} is owed",
            code="unbound_token",
            hint="let the issuer bind the tokens of this audience",
        )
    if not isinstance(cnf, Mapping) or set(cast("Mapping[str, Any]", cnf)) != {way}:
        raise TokenRefused(
            f"it is bound in another way than by {way} alone",
            code="bound_token",
            hint="the other binding is checked nowhere here",
        )
    return cast("Mapping[str, Any]", cnf)[way]


def require_certificate(cnf: object, via: Via, *, at: datetime) -> None:
    """Refuse a token that isn't bound to the client certificate of this TLS connection.

    Args:
        cnf: The claim of the token; None where it has none.
        via: How it came. The certificate is the one that our own server verified; a field of the
            request never names it.
        at: When the request reached us (UTC).

    Raises:
        Refused: AUTHENTIC, code "unbound_token", "bound_token", "no_client_certificate",
            "other_certificate", "certificate_dates"; "client_certificate_unseen" (503) where the
            server shows none.

    Source: RFC 8705 §3.
    """
    told = bound_to(cnf, CERTIFICATE)
    chain = shown_chain(via)
    if not chain:
        raise TokenRefused(
            "the client showed no certificate",
            code="no_client_certificate",
            hint="whoever shows the token isn't the client that it was issued to, or TLS ends "
            "before this server",
        )
    digest = base64url.encode(hashlib.sha256(chain[0]).digest())
    if not is_same(told, digest):
        raise TokenRefused(
            "it is bound to another certificate than the connection's",
            code="other_certificate",
            hint="whoever shows it isn't the client that it was issued to, or the client has a new "
            "certificate and an old token",
        )
    # TLS looked once, when the connection opened, and it stays open past the certificate's end.
    require_in_time(chain[0], at=at)


def is_same(told: object, known: str) -> bool:
    """Say whether an unproven value is a known text, in a time that doesn't tell where they part.

    Empty is never the same.
    """
    if not isinstance(told, str) or not known:
        return False
    return compare_digest(told.encode("utf-8", "surrogatepass"), known.encode())
