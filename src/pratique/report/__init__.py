"""What an application says of itself, from its live declarations: evidence, lock, report."""

from .evidence import BoundaryFacts, ClaimFacts, Evidence, evidence_of
from .lock import Difference, differences, lock_of, read_lock

__all__ = [
    "BoundaryFacts",
    "ClaimFacts",
    "Difference",
    "Evidence",
    "differences",
    "evidence_of",
    "lock_of",
    "read_lock",
]
