"""Proofs that the named sender made exactly these bytes."""

from .hmac import HmacKey
from .signature import Ed25519Key

__all__ = ["Ed25519Key", "HmacKey"]
