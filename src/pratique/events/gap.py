"""The record that says how many others are missing before it."""

from datetime import datetime
from typing import Final

from pratique.core.event import Outcome, Record, new_crossing_id

KIND: Final = "events"
CODE: Final = "events_dropped"


def gap_record(lost: int, *, at: datetime) -> Record:
    """Return the record of a gap.

    Args:
        lost: How many records were dropped.
        at: UTC, of the newest record.
    """
    return Record(
        new_crossing_id(),
        at,
        KIND,
        KIND,
        Outcome.WARNED,
        code=CODE,
        detail=f"{lost} records were dropped before this one: the queue of the sink was full",
        hint="look why its disk is slow, or let more wait: max_records=, max_bytes=",
    )
