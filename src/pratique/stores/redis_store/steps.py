"""What the store's methods ask of Redis, once for both faces.

Generators that yield a script for one key, or for keys of one slot, and are sent its answer.
"""

import os
from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

from pratique.core.event import Record, decode_record, encode_record
from pratique.core.key import prefixed
from pratique.core.refusal import StoreBusy, StoreError
from pratique.core.store import Busy, Conflict, Counted, Held, HoldAnswer, Settled, Stale, Swept

from . import scripts
from .scripts import Script

T = TypeVar("T")
KEY: Final = b"pratique:k:"
CROSSING: Final = b"pratique:c:"
REFUSAL: Final = b"pratique:r:"
IDENTITY: Final = b"pratique:store"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAGE: Final = 500
"""Places that one SCAN looks at: a fraction of a millisecond of the server."""
_MULTI_LEASE: Final = timedelta(seconds=30)


class Ask(NamedTuple):
    """One script for one key, or for several of one slot.

    Args:
        script: Which.
        key: Of Redis, whole: KEYS[1].
        args: Its arguments, from ARGV[3] on.
        call: Names this call; the same when it is sent again.
        withdraw: The keys that are given back where nobody knows what became of it.
        more: KEYS[2] and so on.
    """

    script: Script
    key: bytes
    args: tuple[Any, ...] = ()
    call: bytes = b""
    withdraw: tuple[bytes, ...] = ()
    more: tuple[bytes, ...] = ()


class Scan(NamedTuple):
    """One page of the keys that begin alike."""

    prefix: bytes
    after: bytes
    most: int


class Raw(NamedTuple):
    """A command as it is, for the start; answered by each primary, or [] where one refuses it."""

    words: tuple[Any, ...]


Asked = Ask | Scan | Raw
Steps = Generator[Asked, list[Any], T]


def first_use(keys: Sequence[bytes], crossing_id: str) -> Steps[bytes | None]:
    """Settle the keys: one at once; several are held first, so that a used one undoes all."""
    keys = tuple(dict.fromkeys(keys))
    if not keys:
        raise StoreError("the first use of no key was asked for")
    call = new_call()
    taken: list[bytes] = []
    if len(keys) > 1:
        for key in keys:
            answer = yield from _take(key, call, crossing_id, (*taken, key))
            if answer is not None:
                yield from _give_back(taken, call)
                if isinstance(answer, Busy):
                    raise _held_by_another(answer.retry_after)
                return key
            taken.append(key)
    for key in keys:
        said = yield Ask(
            scripts.FIRST_USE, KEY + key, (crossing_id,), call, tuple(KEY + k for k in keys)
        )
        if said[0] != b"new":
            # Of several: our hold of it ended before we came to it.
            yield from _give_back(taken, call)
            if said[0] == b"busy":
                raise _held_by_another(timedelta(milliseconds=said[1]))
            return key
    return None


def _take(
    key: bytes, call: bytes, crossing_id: str, withdraw: tuple[bytes, ...]
) -> Steps[Busy | Settled | None]:
    ask = Ask(
        scripts.HOLD,
        KEY + key,
        (in_ms(_MULTI_LEASE), b"", crossing_id),
        call,
        tuple(KEY + each for each in withdraw),
    )
    said = yield ask
    if said[0] == b"busy":
        return Busy(timedelta(milliseconds=said[1]))
    return None if said[0] == b"held" else Settled(b"")


def _give_back(keys: Sequence[bytes], call: bytes) -> Steps[None]:
    for key in keys:
        yield withdrawal(KEY + key, call)


def withdrawal(key: bytes, call: bytes) -> Ask:
    """Return what gives a key back that a call may have taken."""
    return Ask(scripts.WITHDRAW, key, (call,), new_call())


def _held_by_another(left: timedelta) -> StoreBusy:
    return StoreBusy("another delivery of it is being handled", retry_after=left)


def hold(key: bytes, lease: timedelta, fingerprint: bytes, crossing_id: str) -> Steps[HoldAnswer]:
    """Take the key, or take over an expired hold with a higher token, or say why not."""
    name = KEY + key
    args = (in_ms(lease), fingerprint, crossing_id)
    word, *rest = yield Ask(scripts.HOLD, name, args, new_call(), (name,))
    if word == b"held":
        return Held(int(rest[0]))
    if word == b"settled":
        return Settled(bytes(rest[0]))
    return Conflict() if word == b"conflict" else Busy(timedelta(milliseconds=rest[0]))


def settle(key: bytes, token: int, result: bytes, record: Record | None) -> Steps[bool]:
    """Make our hold final, its record in the same write; before it, where `find` looks for that."""
    name, text = KEY + key, b""
    if record is not None:
        text = encode_record(record)
        yield Ask(scripts.PUT, CROSSING + record.crossing_id.encode(), (name,))
    said = yield Ask(scripts.SETTLE, name, (token, result, text), new_call())
    if said[0] != b"done" and record is not None:
        yield Ask(scripts.FORGET, CROSSING + record.crossing_id.encode())
    return bool(said[0] == b"done")


def release(key: bytes, token: int) -> Steps[bool]:
    """End our lease now."""
    said = yield Ask(scripts.RELEASE, KEY + key, (token,), new_call())
    return bool(said[0] == b"done")


def record_refusal(record: Record, key: bytes, content: bytes | None) -> Steps[None]:
    """Keep a refusal, or count it again; `find` finds the last."""
    code = record.code or record.outcome.value
    name = REFUSAL + prefixed(record.boundary.encode(), key, code.encode())
    place = CROSSING + record.crossing_id.encode()
    at = int(record.at.timestamp() * 1000)
    yield Ask(scripts.PUT, place, (name,))
    told = (at, record.crossing_id, encode_record(record), content or b"")
    said = yield Ask(scripts.REFUSAL, name, told)
    if said[1] and bytes(said[1]) != record.crossing_id.encode():
        yield Ask(scripts.FORGET, CROSSING + bytes(said[1]))


def find(crossing_id: str) -> Steps[Record | None]:
    """Return the record of a crossing."""
    place = yield Ask(scripts.GET, CROSSING + crossing_id.encode())
    if not place[1]:
        return None
    said = yield Ask(scripts.RECORD, bytes(place[1]))
    found = decode_record(said[1]) if said[1] else None
    return found if found is not None and found.crossing_id == crossing_id else None


def count(key: bytes, window: timedelta) -> Steps[Counted]:
    """Count a key once more in its present window, or as the first of a new one."""
    word, *rest = yield Ask(scripts.COUNT, KEY + key, (in_ms(window),))
    if word != b"counted":
        raise StoreError("what is counted was used as a key of another kind")
    return Counted(int(rest[0]), timedelta(milliseconds=rest[1]))


def uncount(key: bytes, times: int) -> Steps[None]:
    """Take counts back."""
    yield Ask(scripts.UNCOUNT, KEY + key, (times,))


def revoke(key: bytes, until: datetime, kept: timedelta) -> Steps[None]:
    """Keep that something was taken back up to a moment; the later of two moments stays."""
    said = yield Ask(scripts.REVOKE, KEY + key, (int(until.timestamp() * 1000), in_ms(kept)))
    if said[0] != b"done":
        raise StoreError("what is taken back was used as a key of another kind")


def revoked(keys: Sequence[bytes]) -> Steps[dict[bytes, datetime]]:
    """Return up to when each of the keys was taken back."""
    found: dict[bytes, datetime] = {}
    for key in keys:
        word, *rest = yield Ask(scripts.REVOKED, KEY + key)
        if word == b"moment":
            found[key] = _EPOCH + timedelta(milliseconds=int(rest[0]))
    return found


def sweep(what: Stale, after: bytes, most: int) -> Steps[Swept]:
    """Delete what is over on one page. SCAN has no order: `last` is where it goes on."""
    last, *names = yield Scan(KEY + what.prefix, after, max(most, _PAGE))
    kept = b"" if what.kept is None else in_ms(what.kept)
    deleted = 0
    for name in names:
        said = yield Ask(scripts.SWEEP, bytes(name), (kept,))
        deleted += said[0] == b"deleted"
    return Swept(deleted, bytes(last))


def forget_contents(kept: timedelta, after: bytes, most: int) -> Steps[Swept]:
    """Forget old contents of refusals on one page; the refusals stay."""
    last, *names = yield Scan(REFUSAL, after, max(most, _PAGE))
    gone = 0
    for name in names:
        said = yield Ask(scripts.FORGET_CONTENT, bytes(name), (in_ms(kept),))
        gone += said[0] == b"deleted"
    return Swept(gone, bytes(last))


def new_call() -> bytes:
    """Return a name for a call."""
    return os.urandom(12)


def in_ms(span: timedelta) -> int:
    """Return whole milliseconds."""
    return int(span.total_seconds() * 1000)
