"""What an outside witness is told of a chain: how long it is, and its last link."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from pratique.core.proofs.authentic.hmac import HmacKey, compare_digest
from pratique.core.refusal import BoundaryError

LINK_DIGITS: Final = 32
"""Hexadecimal: 128 bits of an HMAC-SHA256 (RFC 2104 §5 asks for half of it at the least)."""
_encode: Final = msgspec.json.Encoder().encode


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signed checkpoint of one writer's chain.

    Attributes:
        writer: 16 hexadecimal digits, others for each process.
        sequence: How many lines it has written.
        link: The link of the last one.
        at: UTC, when it was made.
        seal: HMAC-SHA256 of the four, 32 hexadecimal digits.
    """

    writer: str
    sequence: int
    link: str
    at: datetime
    seal: str = ""


Witness = Callable[[Head], object]
"""Is told of a head, and keeps it where who can write the events can't. Raises where it can't."""


class FileWitness:
    """A witness that appends heads to a file, each synced: on another machine's disk, or read-only.

    Args:
        path: Made with mode 0600 where it is absent.
    """

    def __init__(self, path: str | Path) -> None:
        if not str(path):
            raise BoundaryError("FileWitness('') names no file.")
        self._path = Path(path)

    def __call__(self, head: Head) -> None:
        """Append one head. OSError where the disk refuses: the head is told again."""
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, encode_head(head) + b"\n")
            os.fsync(file)
        finally:
            os.close(file)


def encode_head(head: Head) -> bytes:
    """Return a head as one JSON object."""
    return _encode(head)


def sealed(head: Head, key: bytes) -> Head:
    """Return the head with its seal."""
    return msgspec.structs.replace(head, seal=_seal_of(head, key))


def is_sealed(head: Head, keys: Sequence[bytes]) -> bool:
    """Say whether one of the keys has sealed it."""
    return any(compare_digest(_seal_of(head, key), head.seal) for key in keys)


def link_of(key: bytes, before: str, writer: str, sequence: int, line: bytes) -> str:
    """Return the link of a line: it binds the line to its place and to all lines before it."""
    # The parts before the line have one length each but the number, which ends with a dot.
    said = f"{before}{writer}{sequence}.".encode() + line
    return _key(key, b"link").digest(said).hex()[:LINK_DIGITS]


def _seal_of(head: Head, key: bytes) -> str:
    said = f"{head.writer}{head.sequence}.{head.link}{head.at.isoformat()}".encode()
    return _key(key, b"head").digest(said).hex()[:LINK_DIGITS]


@lru_cache(maxsize=16)
def _key(key: bytes, purpose: bytes) -> HmacKey:
    """Return the key for one purpose: a link is never a seal."""
    return HmacKey(HmacKey(key).digest(b"pratique events ", purpose))
