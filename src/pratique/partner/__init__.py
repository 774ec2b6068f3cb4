"""The partner boundary: what a third party answers is checked before it is believed."""

from .boundary import Partner
from .call import Call
from .drift import UnknownFields
from .terms import NoSubject

__all__ = ["Call", "NoSubject", "Partner", "UnknownFields"]
