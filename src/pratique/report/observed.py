"""What an event log saw: crossings by boundary, kind of claim and outcome, and in which time."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from pratique.core.event import Outcome, Record, decode_record
from pratique.core.refusal import BoundaryError

MAX_LINE_BYTES: Final = 1 << 20
UNGUARDED: Final = "unguarded_connection"
"""The code of a record that tells of a connection which no policy judged."""
_HELD: Final = frozenset(
    {Outcome.PROVEN, Outcome.DUPLICATE, Outcome.IGNORED, Outcome.LATER, Outcome.WOULD_ADMIT}
)


class Observed(msgspec.Struct, frozen=True):
    """What was seen of one kind of claim.

    Attributes:
        claim: "" where a crossing ended before it was known which.
        outcomes: Outcome -> how many.
        discharged: Obligation -> how many crossings proved it.
        refused: Obligation -> how many were refused for it.
        last_refusal: "2026-11-26T10:00:00Z fresh stale", "" where there was none.
        first: UTC.
        last: UTC.
    """

    boundary: str
    claim: str
    outcomes: dict[str, int]
    discharged: dict[str, int]
    refused: dict[str, int]
    last_refusal: str
    first: datetime
    last: datetime


class Egress(msgspec.Struct, frozen=True):
    """Connections of one module that no fetch policy judged."""

    module: str
    told: str
    last: datetime


class Log(msgspec.Struct, frozen=True):
    """An event log, counted.

    Attributes:
        source: As it was named.
        unreadable: Lines that are no record.
    """

    source: str
    records: int
    unreadable: int
    seen: tuple[Observed, ...]
    egress: tuple[Egress, ...]


def read_events(path: Path) -> Log:
    """Count a file of JSON lines.

    Raises:
        BoundaryError: it can't be read.
    """
    try:
        return count(_records(path), source=str(path))
    except OSError as error:
        raise BoundaryError(f"{path} can't be read: {type(error).__name__}.") from None


def count(records: Iterable[Record | None], *, source: str) -> Log:
    """Count records; None is a line that was none."""
    egress: dict[str, Record] = {}
    total = unreadable = 0
    tallies: dict[tuple[str, str], _Tally] = {}
    for record in records:
        if record is None:
            unreadable += 1
            continue
        total += 1
        if record.code == UNGUARDED:
            egress[record.declaration] = record
            continue
        key = record.boundary, record.declaration
        tallies.setdefault(key, _Tally(record.at)).add(record)
    return Log(
        source,
        total,
        unreadable,
        tuple(tallies[key].told(*key) for key in sorted(tallies)),
        tuple(
            Egress(module, egress[module].detail, egress[module].at) for module in sorted(egress)
        ),
    )


class _Tally:
    """Counts one kind of claim."""

    def __init__(self, at: datetime) -> None:
        self.first = self.last = at
        self.outcomes: dict[str, int] = {}
        self.discharged: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.last_refusal = ""

    def add(self, record: Record) -> None:
        """Add one record."""
        self.first, self.last = min(self.first, record.at), max(self.last, record.at)
        _add(self.outcomes, str(record.outcome))
        for obligation in record.proofs:
            _add(self.discharged, obligation)
        if record.outcome not in _HELD and record.obligation:
            _add(self.refused, str(record.obligation))
            self.last_refusal = (
                f"{record.at.isoformat()} {record.obligation} {record.code}".rstrip()
            )

    def told(self, boundary: str, claim: str) -> Observed:
        """Return what was counted."""
        return Observed(
            boundary,
            claim,
            dict(sorted(self.outcomes.items())),
            dict(sorted(self.discharged.items())),
            dict(sorted(self.refused.items())),
            self.last_refusal,
            self.first,
            self.last,
        )


def _add(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def _records(path: Path) -> Iterator[Record | None]:
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE_BYTES):
            try:
                record = decode_record(line)
            except (ValueError, RecursionError):
                yield None
            else:
                yield record if record.at.tzinfo is not None else None
