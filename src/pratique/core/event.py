"""The compact record of a crossing, and what a place that keeps records owes."""

import os
from datetime import datetime
from enum import StrEnum
from itertools import count
from typing import Final, Protocol, runtime_checkable

import msgspec

from .forks import renew_after_fork

ID_BYTES: Final = 8


class Outcome(StrEnum):
    """How a crossing ended. The label of `pratique_crossings_total`."""

    PROVEN = "proven"
    REFUSED = "refused"
    WOULD_ADMIT = "would_admit"
    WOULD_REFUSE = "would_refuse"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    LATER = "later"
    MISMATCH = "mismatch"
    EFFECT_FAILED = "effect_failed"
    RECEIVED = "received"
    """A delivery was taken in, and nothing of it is believed yet: a worker lets it cross."""
    WARNED = "warned"
    """No crossing: something that isn't proven ends soon, or an alarm."""
    UNKNOWN = "unknown"
    """An effect outside a transaction whose single use could not be written down."""

    # Equal to its word, so it has the word's hash; that of Enum is a call of Python's each time.
    __hash__ = str.__hash__


class Record(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One crossing as a security event.

    It holds names, codes and digests of ours, never a secret or an unproven value.
    """

    crossing_id: str
    at: datetime
    """UTC, when the claim reached us."""
    boundary: str
    kind: str
    outcome: Outcome
    declaration: str = ""
    """Which of the boundary's declarations: for a webhook the event type."""
    obligation: str = ""
    code: str = ""
    detail: str = ""
    hint: str = ""
    key: str = ""
    """SHA-256 of the single-use key, first 32 hexadecimal digits."""
    secret: str = ""
    """Name of the live secret that matched."""
    proofs: tuple[str, ...] = ()
    """The obligations that were discharged."""
    error: str = ""
    """Type and place of an exception that one of our own callables raised; never its text."""
    within: str = ""
    """Id of the crossing inside which this one began: who a fetch was made for stands there."""
    incident: str = ""
    """Of the incident because of which an obligation wasn't asked for: see `break_glass`."""
    marks: tuple[str, ...] = ()
    """Keyed fingerprints: "address:…", "subject:…". See `Fingerprints`."""


class Sink(Protocol):
    """A place that keeps records. It may drop one, never raise and never block for long."""

    def emit(self, record: Record) -> None:
        """Keep one record."""

    def find(self, crossing_id: str) -> Record | None:
        """Return the record of that crossing where this place can still tell."""

    def close(self) -> None:
        """Flush and close."""


@runtime_checkable
class LateSink(Sink, Protocol):
    """A sink that writes later than it is told: it counts what it lost meanwhile."""

    @property
    def dropped(self) -> int:
        """Return how many records were never written."""
        ...

    def debts(self) -> list[str]:
        """Return what it lacks, one sentence each with its mend: the start refuses it."""
        ...


class _Ids:
    """Crossing ids: a random prefix a process, then a counter. They name, they prove nothing."""

    def __init__(self) -> None:
        self.prefix = _new_prefix()
        self.next = count(1).__next__
        # Two workers of one parent must not give one id twice.
        renew_after_fork(self, prefix=_new_prefix)


def _new_prefix() -> str:
    return os.urandom(ID_BYTES).hex()


_ids: Final = _Ids()


def new_crossing_id() -> str:
    """Return an id that no other crossing has: 16 hexadecimal digits, "-", a counter."""
    return f"{_ids.prefix}-{_ids.next():x}"


encode_record: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Record).decode


def decode_record(line: bytes | str) -> Record:
    """Return the record of a line.

    Raises:
        ValueError: it holds none. Whoever can write to a file of records stops no reader of it.
    """
    try:
        return _decode(line)
    except RecursionError:
        message = "it is nested too deeply for a record"
        raise ValueError(message) from None
