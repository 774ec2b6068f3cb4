"""What the inbox's methods ask of Redis, once for both faces: generators, as in `steps`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec

from pratique.core.inbox import Delivery, InboxStatus, Listed, State, Taken
from pratique.stores.delivery_form import (
    MOST_UNREADABLE,
    UNREADABLE,
    UNREADABLE_ROW,
    brought,
    delivery_of,
    listed_of,
    readable,
    received_us,
)

from . import inbox_scripts as scripts
from .scripts import Script
from .steps import Ask, Steps, in_ms, new_call

TAG: Final = b"pratique:{inbox}:"
"""The braces are a hash tag: whatever follows, it is the same slot of a cluster."""
_SHARED: Final = (b"rows", b"contents", b"ids")
_OF_A_BOUNDARY: Final = (b"due:", b"since:", b"dead:", b"parked:", b"done:")
_LOOK: Final = 1000
"""Rows that one script of a list looks at."""


class _Contents(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a delivery beside its row."""

    key: bytes
    content: bytes
    brought: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Contents).decode


def _ask(script: Script, boundary: str | bytes, *args: Any) -> Ask:
    name = boundary.encode() if isinstance(boundary, str) else boundary
    first, *more = (TAG + key for key in _SHARED)
    return Ask(
        script,
        first,
        args,
        new_call(),
        more=(*more, *(TAG + key + name for key in _OF_A_BOUNDARY)),
    )


def _boundary_of(id: str) -> Steps[bytes]:
    """Return whose a delivery is, which never changes; b"" where it isn't there."""
    said = yield _ask(scripts.BOUNDARY, "", id)
    return bytes(said[1])


def put(delivery: Delivery) -> Steps[bool]:
    """Keep a delivery. False where its row is there."""
    what = _Contents(delivery.key, delivery.content, brought(delivery))
    said = yield _ask(
        scripts.PUT,
        delivery.boundary,
        delivery.id,
        received_us(delivery),
        len(delivery.content),
        delivery.crossing_id,
        delivery.boundary,
        _encode(what),
    )
    return bool(said[0] == b"new")


def take(boundary: str, lease: timedelta, id: str) -> Steps[Taken | None]:
    """Take the one that is due for longest, or this one; what nobody can read is a dead letter."""
    for _ in range(MOST_UNREADABLE):
        word, *rest = yield _ask(scripts.TAKE, boundary, in_ms(lease), id, boundary, UNREADABLE_ROW)
        if word != b"taken":
            return None
        name, token, attempts, came_us, crossing_id, what = rest
        try:
            whole = _whole(name, boundary.encode(), came_us, crossing_id, what)
            return Taken(delivery_of(whole), int(token), int(attempts))
        except UNREADABLE:
            end = (int(token), int(State.DEAD), 0, UNREADABLE_ROW, "")
            yield _ask(scripts.END, boundary, name, *end)
    return None


def ended(
    id: str, token: int, to: State, pause: timedelta, code: str, crossing_id: str
) -> Steps[bool]:
    """Write what came of it: DONE, WAITING for a pause, or DEAD."""
    boundary = yield from _boundary_of(id)
    said = yield _ask(scripts.END, boundary, id, token, int(to), in_ms(pause), code, crossing_id)
    return bool(said[0] == b"done")


def move(id: str, to: State) -> Steps[bool]:
    """Let an operator replay or park; never what a worker has, never what is done."""
    boundary = yield from _boundary_of(id)
    said = yield _ask(scripts.MOVE, boundary, id, int(to))
    return bool(said[0] == b"done")


def listed(boundary: str, state: State | None, after: str, most: int) -> Steps[list[Listed]]:
    """Return rows without their content."""
    wanted = "" if state is None else int(state)
    found: list[Listed] = []
    while len(found) < most:
        left = most - len(found)
        said = yield _ask(scripts.LIST, boundary, after, boundary, wanted, left, _LOOK)
        found += [_listed(row) for row in said[2]]
        after = said[1]
        if not after:
            break
    return found


def show(id: str) -> Steps[tuple[Listed, Delivery | None] | None]:
    """Return one row whole."""
    word, *rest = yield _ask(scripts.SHOW, "", id)
    if word == b"none":
        return None
    row, what = rest
    name, _, _, came_us, _, _, _, crossing_id, _, boundary = row
    try:
        whole = _whole(name, boundary, came_us, crossing_id, what, is_done=row[1] == State.DONE)
    except UNREADABLE:
        return _listed(row), None
    return _listed(row), readable(whole)


def status(boundary: str) -> Steps[InboxStatus]:
    """Count what isn't done."""
    _, pending, oldest, dead, parked = yield _ask(scripts.STATUS, boundary)
    since = timedelta(milliseconds=max(0, int(oldest)))
    return InboxStatus(int(pending), since, int(dead), int(parked))


def forgotten(boundary: str, since: timedelta, most: int) -> Steps[list[str]]:
    """Return what has been due for long and wasn't told of for as long; note that it is now."""
    said = yield _ask(scripts.FORGOTTEN, boundary, in_ms(since), most)
    return [bytes(name).decode() for name in said[1]]


def forget(boundary: str, kept: timedelta, most: int) -> Steps[int]:
    """Delete rows of what was done long ago."""
    said = yield _ask(scripts.FORGET, boundary, in_ms(kept), most)
    return int(said[1])


def _whole(
    id: bytes,
    boundary: bytes,
    came_us: int,
    crossing_id: bytes,
    what: bytes,
    *,
    is_done: bool = False,
) -> Sequence[Any]:
    found = _Contents(b"", b"", b"") if is_done else _decode(bytes(what))
    return (
        bytes(id).decode(),
        bytes(boundary).decode(),
        found.key,
        found.content,
        found.brought,
        came_us,
        bytes(crossing_id).decode(),
    )


def _listed(row: Sequence[Any]) -> Listed:
    name, state, attempts, came_us, size, due, code, crossing_id, last_id, boundary = row
    told = (name, boundary, state, attempts, came_us, size, due, code, crossing_id, last_id)
    return listed_of(told)
