"""HTTP message signatures: a signature over chosen parts of a request or a response. RFC 9421."""

from .base import signature_base
from .component import Component, component_of
from .key import Algorithm, MessageKey
from .message import RequestMessage, ResponseMessage, request_of
from .policy import RequestSignature, ResponseSignature
from .sign import sign_request, sign_response
from .verify import Signed, verify_request, verify_response

__all__ = [
    "Algorithm",
    "Component",
    "MessageKey",
    "RequestMessage",
    "RequestSignature",
    "ResponseMessage",
    "ResponseSignature",
    "Signed",
    "component_of",
    "request_of",
    "sign_request",
    "sign_response",
    "signature_base",
    "verify_request",
    "verify_response",
]
