"""What was tested of which declaration: written by the pytest plugin, read by the report."""

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from pratique.core.refusal import BoundaryError

VERSION: Final = 1
MAX_FILE_BYTES: Final = 16 << 20
Digests = Mapping[tuple[str, str], str]
"""(boundary, claim) -> `ClaimFacts.digest` as it is now."""


class Tried(msgspec.Struct, frozen=True, order=True):
    """One attack that was sent to one kind of claim.

    Attributes:
        boundary: Its name.
        claim: The name of the declaration.
        attack: "WH-03"; "honest" for the request that must be admitted.
        digest: `ClaimFacts.digest` of the declaration when it was tested.
        outcome: "refused" or "admitted", as it should be; "failed" otherwise.
        at: When, UTC.
    """

    boundary: str
    claim: str
    attack: str
    digest: str
    outcome: str
    at: datetime


class _File(msgspec.Struct, frozen=True):
    version: int
    tested: tuple[Tried, ...]


_decode: Final = msgspec.json.Decoder(_File).decode


def read_tested(path: Path | str) -> tuple[Tried, ...]:
    """Return what a file of results says, sorted; nothing where there is no such file.

    Raises:
        BoundaryError: it isn't one of ours.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise BoundaryError(f"{path} can't be read: {error.strerror}.") from None
    try:
        found = _decode(content) if len(content) <= MAX_FILE_BYTES else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if found is None or found.version != VERSION:
        raise BoundaryError(
            f"{path} is no file of results of version {VERSION}. Remove it, and run the tests "
            "again: pytest --pratique."
        )
    return tuple(sorted(found.tested))


def merged(before: Iterable[Tried], now: Iterable[Tried], digests: Digests) -> tuple[Tried, ...]:
    """Return both, sorted: what was tested now, and what still holds of what was tested before.

    Args:
        before: Of earlier runs.
        now: Of this run: it takes the place of the same attack before.
        digests: As they are now; what was tested of another digest is dropped. What isn't named
            here was not part of this run, and stays.
    """
    found = {(each.boundary, each.claim, each.attack): each for each in (*before, *now)}
    return tuple(
        sorted(
            each
            for key, each in found.items()
            if digests.get((key[0], key[1]), each.digest) == each.digest
        )
    )


def write_tested(path: Path | str, tested: Iterable[Tried]) -> None:
    """Write a file of results: whole or not at all, the same bytes for the same results.

    Raises:
        OSError: it can't be written.
    """
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    content = msgspec.json.encode(_File(VERSION, tuple(sorted(tested))))
    fresh = place.with_name(f"{place.name}.{os.getpid()}")
    fresh.write_bytes(msgspec.json.format(content, indent=1) + b"\n")
    fresh.replace(place)
