"""The service boundary: which service calls, proven by its certificate and never by a header."""

from .caller import Caller, CallerProof, forwarded_certificate, mtls

__all__ = ["Caller", "CallerProof", "forwarded_certificate", "mtls"]
