"""The service boundary: which service calls and for which user, never by a header's word."""

from .boundary import Service
from .caller import Caller, CallerProof, forwarded_certificate, mtls
from .context import ANYBODY, Context, Minter, TransactionToken
from .issuer import Issuer
from .onward import Onward

__all__ = [
    "ANYBODY",
    "Caller",
    "CallerProof",
    "Context",
    "Issuer",
    "Minter",
    "Onward",
    "Service",
    "TransactionToken",
    "forwarded_certificate",
    "mtls",
]
