"""Places that keep the record of each crossing, and the metrics of all of them."""

from pratique.core.fingerprint import Fingerprints

from .chain import Chain
from .head import FileWitness, Head, Witness
from .jsonl import JsonLines
from .metrics import Metrics
from .sqlite import SqliteEvents
from .watchdog import Watchdog
from .writer import AT_ONCE, DELAY

__all__ = [
    "AT_ONCE",
    "DELAY",
    "Chain",
    "FileWitness",
    "Fingerprints",
    "Head",
    "JsonLines",
    "Metrics",
    "SqliteEvents",
    "Watchdog",
    "Witness",
]
