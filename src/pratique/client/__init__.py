"""The client boundary: an API's own clients reach what is theirs, and write what they may."""

from .boundary import Action, Change, Client
from .identity import Identity, Session, SessionCookie
from .writable import Content, Writable

__all__ = [
    "Action",
    "Change",
    "Client",
    "Content",
    "Identity",
    "Session",
    "SessionCookie",
    "Writable",
]
