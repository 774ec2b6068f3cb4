"""What crossed in this process, and what an answer says of its crossing."""

import json
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final

from pratique.core.event import Outcome, Record
from pratique.core.obligation import Obligation
from pratique.core.recorder import Recorder

KEPT: Final = 10_000
"""Records of one process that a test may look back on."""
FIELD: Final = "crossing-id"
_PREFIX: Final = "urn:pratique:refusal:"
_heard: Final[deque[Record]] = deque(maxlen=KEPT)
# Sampled records are too few for tests: whoever imports this hears of every crossing.
Recorder.heard.append(_heard.append)


class Crossings:
    """The records of what crossed since a moment, in order.

    Every perimeter of this process tells, on whichever thread.
    """

    def __init__(self) -> None:
        self._records: list[Record] = []

    @classmethod
    @contextmanager
    def heard(cls) -> Generator["Crossings"]:
        """Give what crosses until the end of the block."""
        made = cls()
        hear = made._records.append
        Recorder.heard.append(hear)
        try:
            yield made
        finally:
            Recorder.heard.remove(hear)

    def __iter__(self) -> Iterator[Record]:
        """Return every record."""
        return iter(tuple(self._records))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._records)

    def of(self, boundary: Any) -> list[Record]:
        """Return the records of a boundary, or of the boundary of that name."""
        name = boundary if isinstance(boundary, str) else boundary.name
        return [record for record in self if record.boundary == name]


def crossing_of(response: object) -> Record | None:
    """Return the record of the crossing that an answer names; None where this process has none."""
    name = _field(response, FIELD)
    return next((r for r in reversed(_heard) if r.crossing_id == name), None) if name else None


def assert_refused(
    response: object, obligation: Obligation | str, code: str | None = None
) -> Record | None:
    """Require that a request was refused by an obligation; return its record where it is at hand.

    Args:
        response: Of httpx, requests, Starlette, FastAPI, Flask or Django.
        obligation: "authentic", "fresh", "unique", "confirmed", "linked", "allowed", "valid".
        code: One of docs/reference/refusals.md. An `authentic` refusal doesn't tell it on the
            wire: then it is read from the record, in the process of the application.

    Raises:
        AssertionError: it wasn't refused, by something else, or with another code.
    """
    wanted = Obligation(obligation)
    record = crossing_of(response)
    if record is None:
        told = _problem(response)
        found, why = str(told.get("type", "")).removeprefix(_PREFIX), str(told.get("code", ""))
    else:
        found, why = record.obligation, record.code
    status = _status(response)
    if not found or (record is not None and record.outcome is Outcome.PROVEN):
        raise AssertionError(f"not refused: the answer has status {status}.{_hint(response)}")
    if found != wanted:
        raise AssertionError(f"refused by {found} [{why}], not by {wanted}.{_detail(record)}")
    if code is None or why == code:
        return record
    if record is None and not why:
        raise AssertionError(
            f"refused by {found}, and the answer doesn't tell the code: no record of its crossing "
            "is in this process. Leave code= out, or call the application in the test's process."
        )
    raise AssertionError(f"refused by {found} with code {why}, not {code}.{_detail(record)}")


def assert_proven(response: object) -> Record:
    """Require that what a request brought crossed with every proof; return its record.

    Args:
        response: The answer of an endpoint, which names its crossing. What a view of your own
            answers names none: see the fixture `crossings`.

    Raises:
        AssertionError: it was refused, or nothing crossed.
    """
    record = crossing_of(response)
    status = _status(response)
    if record is None:
        raise AssertionError(f"nothing crossed: the answer has status {status}.{_hint(response)}")
    if record.outcome is not Outcome.PROVEN:
        what = f"{record.outcome}: not {record.obligation} [{record.code}]"
        raise AssertionError(f"not proven, but {what}.{_detail(record)}")
    return record


def _detail(record: Record | None) -> str:
    if record is None or not record.detail:
        return ""
    hint = f" ({record.hint})" if record.hint else ""
    return f" The record says: {record.detail}{hint}"


def _hint(response: object) -> str:
    if _field(response, FIELD):
        return " No record of its crossing is in this process."
    return " It names no crossing: is the path one of a boundary's?"


def _status(response: object) -> int:
    found = getattr(response, "status_code", None)
    return int(found if found is not None else getattr(response, "status", 0))


def _field(response: object, name: str) -> str:
    fields: Any = getattr(response, "headers", {})
    return str(fields.get(name) or "")


def _problem(response: object) -> dict[str, Any]:
    if not _field(response, "content-type").startswith("application/problem+json"):
        return {}
    content: Any = getattr(response, "content", None)  # httpx, requests, Starlette, Django
    if content is None:
        content = getattr(response, "data", b"")  # Flask
    try:
        told: Any = json.loads(content)
    except (TypeError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}  # pyright: ignore[reportUnknownVariableType]
