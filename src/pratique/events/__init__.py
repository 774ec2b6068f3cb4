"""Places that keep the record of each crossing."""

from .jsonl import JsonLines
from .writer import AT_ONCE, DELAY

__all__ = ["AT_ONCE", "DELAY", "JsonLines"]
