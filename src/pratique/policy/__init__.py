"""Decision points for `policy=`: Cedar in this process, or AuthZEN 1.0 over a guarded fetcher."""

from .authzen import AsyncAuthZenPolicy, AuthZenPolicy
from .cedar import CedarPolicy
from .entity import Entity, Extension
from .evaluation import Named
from .remembered import DecisionCache

__all__ = [
    "AsyncAuthZenPolicy",
    "AuthZenPolicy",
    "CedarPolicy",
    "DecisionCache",
    "Entity",
    "Extension",
    "Named",
]
