"""The service boundary: which service calls and for which user, never by a header's word."""

from pratique.core.attempts import Attempts
from pratique.core.once import Asked, Once, OneTime

from .boundary import Service
from .caller import Caller, CallerProof, forwarded_certificate, mtls
from .context import ANYBODY, Context, Minter, TransactionToken
from .issuer import Issuer
from .jwt_svid import jwt_svid
from .onward import Onward
from .signing_key import SigningKey

__all__ = [
    "ANYBODY",
    "Asked",
    "Attempts",
    "Caller",
    "CallerProof",
    "Context",
    "Issuer",
    "Minter",
    "Once",
    "OneTime",
    "Onward",
    "Service",
    "SigningKey",
    "TransactionToken",
    "forwarded_certificate",
    "jwt_svid",
    "mtls",
]
