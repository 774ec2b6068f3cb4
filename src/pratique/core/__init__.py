"""Floor 1: what a claim, a proof and a crossing are.

No boundary, no framework, no input or output.
"""

from .claim import Claim, Fields, Tls, Via
from .obligation import Obligation
from .proven import Admitted, Proven
from .refusal import Answer, BoundaryError, PratiqueError, Refused, StoreError
from .secret import LiveSecret, Secret

__all__ = [
    "Admitted",
    "Answer",
    "BoundaryError",
    "Claim",
    "Fields",
    "LiveSecret",
    "Obligation",
    "PratiqueError",
    "Proven",
    "Refused",
    "Secret",
    "StoreError",
    "Tls",
    "Via",
]
