"""Where an issuer's keys come from, and what it says of a token that only it can read."""

from .alb import AlbAssertion, AlbKeys, aws_alb
from .bundle import SpiffeBundle
from .discovery import Discovered, Metadata
from .introspection import OpaqueToken
from .jwks import Jwks
from .proxies import ProxyAssertion, cloudflare_access, google_iap

__all__ = [
    "AlbAssertion",
    "AlbKeys",
    "Discovered",
    "Jwks",
    "Metadata",
    "OpaqueToken",
    "ProxyAssertion",
    "SpiffeBundle",
    "aws_alb",
    "cloudflare_access",
    "google_iap",
]
