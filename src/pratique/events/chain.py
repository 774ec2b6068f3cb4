"""Chains the lines of one writer, so that who changes the file later is found out."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Self

import msgspec

from pratique.core.forks import generation
from pratique.core.refusal import BoundaryError
from pratique.core.secret import Secret, read_all

from .head import LINK_DIGITS, Head, Witness, encode_head, link_of, sealed
from .writer import Writer

EVERY: Final = 1_000
"""Lines after which a head goes to the witness at once."""
WITHIN: Final = timedelta(minutes=1)
"""Longest time between two heads while lines come: what came since can be cut off unseen."""
MEMBER: Final = b',"chain":["'
"""Begins the last member of a line. No text looks so: JSON escapes its quotation marks."""
NO_LINK: Final = "0" * LINK_DIGITS
_HEADS: Final = 1_000
_decode: Final = msgspec.json.Decoder(Head).decode


class Chain:
    """Adds to each line its writer, its number and an HMAC over it and the one before.

    A writer is one process: a forked child begins a chain of its own. The newest head goes to the
    witness with the first line, then every thousand lines, every minute while lines come, and at
    the end; a witness that fails is told again, and holds no line up. Who knows the key can write
    a new chain, and not one that ends as the witness has seen it.

    Args:
        key: Its own, for nothing else.
        witness: `FileWitness(path)`, or any callable that takes a `Head` out of reach of who can
            write the file.
        every: Lines.
        within: Time.
        clock: Tells the time in UTC; tests hand in their own.

    Raises:
        BoundaryError: `every` or `within` isn't above zero.
    """

    def __init__(
        self,
        key: Secret | str,
        witness: Witness,
        *,
        every: int = EVERY,
        within: timedelta = WITHIN,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        if every < 1 or within <= timedelta(0):
            message = f"Chain(every={every}, within={within}): both are above zero."
            raise BoundaryError(message)
        self._source = key
        self._witness = witness
        self._every = every
        self._clock = clock or _now
        self._heads = Writer(self._tell, name="witness", most=_HEADS, delay=within)
        self._is_taken = False
        self._process = -1
        self._key = b""
        self._told = 0
        self._sequence = 0
        self._links: list[str] = []
        self._link = NO_LINK
        self._writer = ""

    def take(self) -> Self:
        """Return itself to the one sink whose lines it links.

        Raises:
            BoundaryError: it has one.
        """
        if self._is_taken:
            raise BoundaryError("One Chain has two sinks: each line has one place. Make two.")
        self._is_taken = True
        return self

    def debts(self) -> list[str]:
        """Return what the key lacks, with its mend."""
        try:
            read_all(self._source)
        except BoundaryError as error:
            return [f"The chain of events has no key: {error}"]
        return []

    def bind(self, lines: list[bytes]) -> list[bytes]:
        """Return the lines with their links; `kept` says later which of them were written.

        Raises:
            BoundaryError: the key can't be read.
        """
        if self._process != generation():
            self._begin()
        bound: list[bytes] = []
        self._links = []
        link, writer = self._link, self._writer
        for sequence, line in enumerate(lines, self._sequence + 1):
            said = line.rstrip(b"\n")
            link = link_of(self._key, link, writer, sequence, said)
            self._links.append(link)
            bound.append(said[:-1] + MEMBER + f'{writer}",{sequence},"{link}"]}}\n'.encode())
        return bound

    def kept(self, count: int) -> None:
        """Go on from the last of so many lines, and let the witness know in its time."""
        if not count:
            return
        self._sequence += count
        self._link = self._links[count - 1]
        head = Head(self._writer, self._sequence, self._link, self._clock())
        self._heads.put(encode_head(sealed(head, self._key)))
        if self._sequence - self._told >= self._every:
            self._told = self._sequence
            self._heads.hurry()

    def close(self) -> None:
        """Tell the witness of the last head."""
        self._heads.close()

    def _begin(self) -> None:
        self._key = read_all(self._source)[0].value.encode()
        self._process = generation()
        self._writer = os.urandom(8).hex()
        self._sequence = self._told = 0
        self._link = NO_LINK

    def _tell(self, heads: list[bytes]) -> int:
        """Tell the newest one, which says what all before it say."""
        try:
            self._witness(_decode(heads[-1]))
        except Exception:
            if len(heads) == 1:
                raise
            return len(heads) - 1  # the newest is told again
        return len(heads)


def _now() -> datetime:
    return datetime.now(UTC)
