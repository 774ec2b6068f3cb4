"""pratique: no claim crosses a trust boundary without proof."""

from . import stores, unsafe
from .core import Admitted, Claim, Fields, Obligation, Proven, Refused, Secret
from .core.boundary import Boundary
from .core.perimeter import Perimeter
from .core.question import IGNORE, LATER, Ignore, Later

__all__ = [
    "IGNORE",
    "LATER",
    "Admitted",
    "Boundary",
    "Claim",
    "Fields",
    "Ignore",
    "Later",
    "Obligation",
    "Perimeter",
    "Proven",
    "Refused",
    "Secret",
    "stores",
    "unsafe",
]
