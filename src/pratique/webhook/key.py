"""The keys that are used once: of an event, from inside its signed bytes; of a business object."""

from typing import Final

from pratique.core.key import business_key, prefixed

__all__ = ["business_key", "business_prefix", "event_key", "event_prefix"]

_NO_ACCOUNT: Final = bytes(4)


def event_prefix(scheme: str, scope: str) -> bytes:
    """Return the part of an event's key that its boundary fixes."""
    return prefixed(b"event", scheme.encode(), scope.encode())


def event_key(prefix: bytes, account: str, event_id: bytes) -> bytes:
    """Return the key of one event.

    Length-prefixed, so that no two different tuples are one key; compared as bytes.
    """
    if not account:
        return prefix + _NO_ACCOUNT + len(event_id).to_bytes(4, "big") + event_id
    return prefix + prefixed(account.encode("utf-8", "surrogatepass"), event_id)


def business_prefix(scheme: str, scope: str, effect: str) -> bytes:
    """Return the part of a business key that its declaration fixes.

    Its own tag: it never equals an event's key.
    """
    return prefixed(b"business", scheme.encode(), scope.encode(), effect.encode())
