"""The keys that are used once.

Of an event, from inside its signed bytes; of a business object, from our confirmation.
"""

from collections.abc import Iterable
from typing import Final, cast

from pratique.core.obligation import UNIQUE
from pratique.core.refusal import Refused

MAX_BUSINESS_BYTES: Final = 512
_NO_ACCOUNT: Final = bytes(4)


def event_prefix(scheme: str, scope: str) -> bytes:
    """Return the part of an event's key that its boundary fixes."""
    return _prefixed(b"event", scheme.encode(), scope.encode())


def event_key(prefix: bytes, account: str, event_id: bytes) -> bytes:
    """Return the key of one event.

    Length-prefixed, so that no two different tuples are one key; compared as bytes.
    """
    if not account:
        return prefix + _NO_ACCOUNT + len(event_id).to_bytes(4, "big") + event_id
    return prefix + _prefixed(account.encode("utf-8", "surrogatepass"), event_id)


def business_prefix(scheme: str, scope: str, effect: str) -> bytes:
    """Return the part of a business key that its declaration fixes.

    Its own tag: it never equals an event's key.
    """
    return _prefixed(b"business", scheme.encode(), scope.encode(), effect.encode())


def business_key(prefix: bytes, value: object) -> bytes:
    """Return the key of one business object and one effect.

    Raises:
        Refused: UNIQUE, code "bad_business_key": empty, of another type, or over 512 bytes.
    """
    if not isinstance(value, tuple):
        raw_value = _bytes_of(value)
        if 0 < len(raw_value) <= MAX_BUSINESS_BYTES:
            return prefix + len(raw_value).to_bytes(4, "big") + raw_value
    parts: Iterable[object] = (
        cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
    )
    raw = [_bytes_of(part) for part in parts]
    if not any(raw) or sum(map(len, raw)) > MAX_BUSINESS_BYTES:
        raise _bad(f"it is empty or over {MAX_BUSINESS_BYTES} bytes")
    return prefix + _prefixed(*raw)


def _bytes_of(part: object) -> bytes:
    # The type is part of the key: 1 and "1" are two objects.
    if isinstance(part, str):
        return b"s" + part.encode("utf-8", "surrogatepass") if part else b""
    if isinstance(part, bytes):
        return b"b" + part if part else b""
    if isinstance(part, int) and not isinstance(part, bool):
        return b"i%d" % part
    raise _bad(f"it is {type(part).__name__}, not str, bytes or int")


def _bad(why: str) -> Refused:
    return Refused(UNIQUE, f"once= names no usable business key: {why}", code="bad_business_key")


def _prefixed(*parts: bytes) -> bytes:
    return b"".join([len(part).to_bytes(4, "big") + part for part in parts])
