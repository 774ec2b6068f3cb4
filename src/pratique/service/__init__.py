"""The service boundary: which service calls and for which user, never by a header's word."""

from .boundary import Service
from .caller import Caller, CallerProof, forwarded_certificate, mtls
from .context import ANYBODY, Context, Minter, TransactionToken
from .issuer import Issuer

__all__ = [
    "ANYBODY",
    "Caller",
    "CallerProof",
    "Context",
    "Issuer",
    "Minter",
    "Service",
    "TransactionToken",
    "forwarded_certificate",
    "mtls",
]
