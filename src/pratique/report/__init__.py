"""What an application says of itself, from its live declarations: evidence, lock, report."""

from .difference import Change, Difference, differences
from .evidence import BoundaryFacts, ClaimFacts, Evidence, evidence_of
from .lock import legacy_routes, lock_of, read_lock

__all__ = [
    "BoundaryFacts",
    "Change",
    "ClaimFacts",
    "Difference",
    "Evidence",
    "differences",
    "evidence_of",
    "legacy_routes",
    "lock_of",
    "read_lock",
]
