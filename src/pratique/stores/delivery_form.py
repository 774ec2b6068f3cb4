"""How a kept delivery is written down, and what can be read of it again, in every store."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from pratique.core.claim import Fields, Via
from pratique.core.inbox import Delivery, Listed, state_of
from pratique.core.refusal import Refused

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
UNREADABLE: Final = (ValueError, TypeError, OverflowError, Refused)
"""What a row raises that was altered, or half restored. msgspec's own is a ValueError."""
UNREADABLE_ROW: Final = "unreadable_row"
"""The code of a dead letter that nobody can read."""
MOST_UNREADABLE: Final = 100
"""So many such rows one `take` lays aside before it says that nothing is due."""


class _Brought(msgspec.Struct, frozen=True):
    fields: tuple[tuple[str, str], ...]
    peer: str
    scheme: str
    method: str
    target: str


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Brought).decode


def brought(delivery: Delivery) -> bytes:
    """Return fields and hand-over as they are written: JSON."""
    via = delivery.via
    return _encode(_Brought(tuple(delivery.fields), via.peer, via.scheme, via.method, via.target))


def received_us(delivery: Delivery) -> int:
    """Return when it came, in microseconds since 1970."""
    return (delivery.received_at - _EPOCH) // _MICROSECOND


def delivery_of(row: Sequence[Any]) -> Delivery:
    """Read a delivery.

    Args:
        row: id, boundary, key, content, what `brought` gave (b"" once it is done), microseconds,
            crossing.

    Raises:
        ValueError, TypeError, OverflowError, Refused: the row was altered: see `UNREADABLE`.
    """
    name, boundary, key, content, raw, came_us, crossing_id = row
    fields, via = Fields(), Via()
    if bytes(raw):
        found = _decode(bytes(raw))
        fields = Fields(found.fields)
        via = Via(found.peer, found.scheme, found.method, found.target)
    received_at = _EPOCH + int(came_us) * _MICROSECOND
    return Delivery(
        name, boundary, bytes(key), bytes(content), fields, received_at, via, crossing_id
    )


def readable(row: Sequence[Any]) -> Delivery | None:
    """Read a delivery; None where nobody can."""
    try:
        return delivery_of(row)
    except UNREADABLE:
        return None


def listed_of(row: Sequence[Any]) -> Listed:
    """Read what is listed of a row: whatever stands in it, it can be listed.

    Args:
        row: The attributes of `Listed` in their order, `received_at` in microseconds, `due_in` in
            milliseconds.
    """
    name, boundary, state, attempts, came_us, size, due, code, crossing_id, last_id = row
    return Listed(
        _text(name),
        _text(boundary),
        state_of(state),
        _number(attempts),
        _moment(came_us),
        _number(size),
        _span(due),
        _text(code),
        _text(crossing_id),
        _text(last_id),
    )


def _text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _number(value: Any) -> int:
    try:
        return int(value)
    except (ValueError, TypeError, OverflowError):
        return 0


def _moment(value: Any) -> datetime | None:
    try:
        return _EPOCH + int(value) * _MICROSECOND
    except (ValueError, TypeError, OverflowError):
        return None


def _span(value: Any) -> timedelta:
    try:
        return timedelta(milliseconds=int(value))
    except (ValueError, TypeError, OverflowError):
        return timedelta(0)
