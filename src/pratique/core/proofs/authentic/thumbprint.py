"""The name that a public key gives itself: the digest of its required members."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from . import base64url

_REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "RSA": ("e", "kty", "n"),
}
"""RFC 7638 §3.2, RFC 8037 §2: in the order of their names, which is the order of the digest."""


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Return the SHA-256 thumbprint of a public key, in base64url.

    Args:
        jwk: A key that was read by `Key.of_jwk`: its members are the one text of their values.

    Raises:
        ValueError: it is of a kind that has none here, or lacks a member.

    Source: RFC 7638 §3.
    """
    kind = jwk.get("kty")
    names = _REQUIRED.get(kind, ()) if isinstance(kind, str) else ()
    members = {name: jwk.get(name) for name in names}
    if not members or not all(isinstance(value, str) for value in members.values()):
        message = "it is no public key of the kinds EC, OKP, RSA"
        raise ValueError(message)
    return base64url.encode(hashlib.sha256(msgspec.json.encode(members)).digest())
