"""Places that keep the record of each crossing."""

from .jsonl import JsonLines

__all__ = ["JsonLines"]
