"""Places that keep the record of each crossing."""

from .chain import Chain
from .head import FileWitness, Head, Witness
from .jsonl import JsonLines
from .sqlite import SqliteEvents
from .writer import AT_ONCE, DELAY

__all__ = [
    "AT_ONCE",
    "DELAY",
    "Chain",
    "FileWitness",
    "Head",
    "JsonLines",
    "SqliteEvents",
    "Witness",
]
