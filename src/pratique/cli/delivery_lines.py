"""A kept delivery in words: every text that came from outside is escaped."""

from typing import Final

from pratique.core.inbox import Delivery, Listed, State

from .wording import counted, plain

_SHOWN: Final = 65536
"""Bytes of a content: a screen is full long before."""


def line_of(row: Listed) -> str:
    """Return one line of a list."""
    return "  ".join(
        (
            plain(row.id),
            f"{row.state.name.lower():<7}",
            plain(row.boundary) or "-",
            _moment(row, "seconds"),
            counted(row.attempts, "attempt", "attempts"),
            counted(row.content_bytes, "byte", "bytes"),
            _due(row) or "-",
            plain(row.code) or "-",
        )
    )


def _moment(row: Listed, timespec: str) -> str:
    return row.received_at.isoformat(timespec=timespec) if row.received_at is not None else "-"


def _due(row: Listed) -> str:
    """Say when a worker may take it; nothing where none does."""
    seconds = row.due_in.total_seconds()
    if row.state is State.WAITING:
        return f"due in {_span(seconds)}" if seconds > 0 else f"due for {_span(-seconds)}"
    if row.state is State.TAKEN:
        return (
            f"leased for {_span(seconds)}" if seconds > 0 else f"lease over for {_span(-seconds)}"
        )
    return ""


def _span(seconds: float) -> str:
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def facts_of(row: Listed, delivery: Delivery | None, *, with_content: bool) -> list[str]:
    """Return the lines of one delivery; what came with it only where it is asked for."""
    lines = [
        f"id          {plain(row.id)}",
        f"boundary    {plain(row.boundary)}",
        f"state       {row.state.name.lower()}",
        f"received    {_moment(row, 'auto')}, crossing {plain(row.crossing_id) or '-'}",
        f"attempts    {row.attempts}",
    ]
    if row.code:
        lines.append(f"last        {plain(row.code)}, crossing {plain(row.last_id) or '-'}")
    if due := _due(row):
        lines.append(f"worked      {due}")
    lines.append(f"content     {counted(row.content_bytes, 'byte', 'bytes')}")
    if delivery is None:
        return [*lines, "fields      what came can't be read any more: its row was altered"]
    if not with_content:
        names = sorted({name for name, _ in delivery.fields})
        return [*lines, f"fields      {', '.join(map(plain, names)) or 'none'}"]
    lines.append(f"from        {plain(delivery.via.peer)} {plain(delivery.via.target)}")
    lines += [f"field       {plain(name)}: {plain(value)}" for name, value in delivery.fields]
    text = delivery.content[:_SHOWN].decode("utf-8", "backslashreplace")
    lines += [f"  {plain(line)}" for line in text.split("\n")]
    left = len(delivery.content) - _SHOWN
    if left > 0:
        lines.append(f"  … {counted(left, 'byte', 'bytes')} more")
    return lines
