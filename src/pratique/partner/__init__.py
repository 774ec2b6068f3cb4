"""The partner boundary: what a third party answers is checked before it is believed."""

from pratique.core.proofs.authentic.rfc9421 import MessageKey, ResponseSignature
from pratique.core.roots import Root, RootKind

from .boundary import Partner
from .call import Call
from .drift import UnknownFields
from .terms import NoSubject

__all__ = [
    "Call",
    "MessageKey",
    "NoSubject",
    "Partner",
    "ResponseSignature",
    "Root",
    "RootKind",
    "UnknownFields",
]
