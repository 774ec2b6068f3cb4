"""How single obligations are discharged, as pure functions."""

from .fresh import require_fresh

__all__ = ["require_fresh"]
