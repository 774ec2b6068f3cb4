"""Places that keep the record of each crossing."""

from pratique.core.fingerprint import Fingerprints

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
    "Fingerprints",
    "Head",
    "JsonLines",
    "SqliteEvents",
    "Witness",
]
