"""The client boundary: an API's own clients reach what is theirs, and write what they may."""

from pratique.core.action import Action, Change
from pratique.core.attempts import Attempts
from pratique.core.once import Asked, Once, OneTime
from pratique.core.writable import Content, Form, Writable

from .boundary import Client
from .certificate import CertificateToken
from .dpop import DPoPToken
from .identity import BearerToken, Identity, Session, SessionCookie
from .page import Page
from .sign_in import SignIn

__all__ = [
    "Action",
    "Asked",
    "Attempts",
    "BearerToken",
    "CertificateToken",
    "Change",
    "Client",
    "Content",
    "DPoPToken",
    "Form",
    "Identity",
    "Once",
    "OneTime",
    "Page",
    "Session",
    "SessionCookie",
    "SignIn",
    "Writable",
]
