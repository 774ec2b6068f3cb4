"""Keys that are used once, as bytes: no two different tuples of names are one key."""

from collections.abc import Iterable
from typing import Final, cast
from uuid import UUID

from .obligation import UNIQUE
from .refusal import Refused

MAX_BUSINESS_BYTES: Final = 512
# How the keys begin that a sweep may let go of, each kind by its own age: `stores.sweep`.
ATTEMPTS: Final = b"attempts"
IDEMPOTENCY: Final = b"idempotency"
PROOFS: Final = b"dpop"
REVOKED: Final = b"revoked"
TOKENS: Final = b"jti"


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
    return prefix + prefixed(*raw)


def prefixed(*parts: bytes) -> bytes:
    """Return the parts as one, each with its length before it."""
    return b"".join([len(part).to_bytes(4, "big") + part for part in parts])


def _bytes_of(part: object) -> bytes:
    # The type is part of the key: 1 and "1" are two objects.
    if isinstance(part, str):
        return b"s" + part.encode("utf-8", "surrogatepass") if part else b""
    if isinstance(part, bytes):
        return b"b" + part if part else b""
    if isinstance(part, int) and not isinstance(part, bool):
        return b"i%d" % part
    if isinstance(part, UUID):
        return b"u" + part.bytes
    raise _bad(f"it is {type(part).__name__}, not str, bytes, int or UUID")


def _bad(why: str) -> Refused:
    return Refused(UNIQUE, f"it names no usable business key: {why}", code="bad_business_key")
