"""A sink that keeps the records of a perimeter for a test to read."""

from pratique.core.event import Record


class Kept:
    """The records of a perimeter, in the order in which they came."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def emit(self, record: Record) -> None:
        self.records.append(record)

    def find(self, crossing_id: str) -> Record | None:
        return next((r for r in self.records if r.crossing_id == crossing_id), None)

    def close(self) -> None:
        return None
