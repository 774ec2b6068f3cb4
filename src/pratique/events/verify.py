"""Reads chained lines beside what the witness has seen, and tells what was changed."""

import hmac
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from pratique.core.event import decode_record

from .chain import NO_LINK
from .head import Head, is_sealed, link_of

_TAIL: Final = re.compile(
    rb'(?P<said>.*),"chain":\["(?P<writer>[0-9a-f]{16})",(?P<sequence>[1-9][0-9]{0,18}),'
    rb'"(?P<link>[0-9a-f]{32})"\]\}'
)
_decode: Final = msgspec.json.Decoder(Head).decode


class Problem(StrEnum):
    """What is wrong with a chain, the gravest first."""

    BROKEN = "broken"
    """A line was changed, put elsewhere, put in or taken out."""
    MISSING = "missing"
    """The witness knows a writer of whom no line is there."""
    TRUNCATED = "truncated"
    """The witness has seen more lines of a writer than are there."""


class Finding(NamedTuple):
    """One thing that is wrong."""

    problem: Problem
    told: str


class _Chain:
    """The chain of one writer as far as it was read."""

    def __init__(self) -> None:
        self.key = b""
        self.sequence = 0
        self.link = NO_LINK


class Verification:
    """Checks lines in the order of their files, then what the witness has seen.

    Args:
        keys: In force while the lines were written; a writer has one of them.
        heads: All that the witness has.
        since: UTC. What is older was deleted on purpose: a writer whose newest head is from before
            isn't missed, and a chain may begin in its middle. None: every chain is there from its
            first line.
    """

    def __init__(
        self, keys: Sequence[bytes], heads: Iterable[Head], *, since: datetime | None = None
    ) -> None:
        self._keys = keys
        self._since = since
        self._chains: dict[str, _Chain] = {}
        self._newest: dict[str, Head] = {}
        self._seen: dict[tuple[str, int], str] = {}
        self._forged = 0
        self.beheaded = 0
        """Chains that begin in their middle: of its first line the text can't be verified."""
        self.lines = 0
        """Lines that are as they were written."""
        self.fragments = 0
        """Lines that hold no record: a part of one that a full disk or a kill has left."""
        for head in heads:
            if not is_sealed(head, keys):
                self._forged += 1
                continue
            self._seen[head.writer, head.sequence] = head.link
            newest = self._newest.get(head.writer)
            if newest is None or newest.sequence < head.sequence:
                self._newest[head.writer] = head

    @property
    def writers(self) -> int:
        """Return how many chains were read."""
        return len(self._chains)

    @property
    def unwitnessed(self) -> int:
        """Return how many lines came after the newest head of their writer."""
        heads = {writer: head.sequence for writer, head in self._newest.items()}
        return sum(
            max(0, chain.sequence - heads.get(writer, 0)) for writer, chain in self._chains.items()
        )

    def read(self, lines: Iterable[bytes], *, name: str) -> Iterator[Finding]:
        """Read the lines of one file; yield what is wrong in it."""
        for number, line in enumerate(lines, 1):
            told = self._line(line.rstrip(b"\n"))
            if told is not None:
                yield Finding(Problem.BROKEN, f"{name}:{number}: {told}")

    def end(self) -> Iterator[Finding]:
        """Yield what the witness has seen and isn't there."""
        if self._forged:
            told = f"{self._forged} heads of the witness aren't sealed with a key of ours"
            yield Finding(Problem.BROKEN, told)
        for writer, head in sorted(self._newest.items()):
            chain = self._chains.get(writer)
            if chain is None:
                if self._since is None or head.at >= self._since:
                    told = f"writer {writer}: the witness has seen {head.sequence} lines, none is"
                    yield Finding(Problem.MISSING, f"{told} there")
            elif chain.sequence < head.sequence:
                told = f"writer {writer} ends with line {chain.sequence} of its own, and the "
                yield Finding(Problem.TRUNCATED, f"{told}witness has seen {head.sequence}")

    def _line(self, line: bytes) -> str | None:
        found = _TAIL.fullmatch(line)
        if found is None:
            return self._unlinked(line)
        writer, sequence = found["writer"].decode(), int(found["sequence"])
        link, said = found["link"].decode(), found["said"] + b"}"
        chain = self._chains.setdefault(writer, _Chain())
        if self._since is not None and not chain.sequence and sequence > 1:
            self.beheaded += 1
            chain.sequence = sequence - 1
            told = None
        else:
            told = self._judge(chain, writer, sequence, link, said)
        if told is None:
            self.lines += 1
        if sequence > chain.sequence:
            # What follows is judged by the link that stands here: one change is told once.
            chain.sequence, chain.link = sequence, link
        return told

    def _unlinked(self, line: bytes) -> str | None:
        try:
            decode_record(line)
        except ValueError:
            self.fragments += bool(line.strip())
            return None
        return "a record without a link"

    def _judge(
        self, chain: _Chain, writer: str, sequence: int, link: str, said: bytes
    ) -> str | None:
        place = f"line {sequence} of writer {writer}"
        if sequence <= chain.sequence:
            return f"{place} stands behind its line {chain.sequence}"
        expected = chain.sequence + 1
        if sequence != expected:
            return f"{place} stands where line {expected} is owed"
        if not self._is_link(chain, writer, sequence, link, said):
            return f"{place} isn't as it was written"
        if self._seen.get((writer, sequence), link) != link:
            return f"{place} isn't the one that the witness has seen"
        return None

    def _is_link(self, chain: _Chain, writer: str, sequence: int, link: str, said: bytes) -> bool:
        for key in (chain.key,) if chain.key else self._keys:
            if hmac.compare_digest(link_of(key, chain.link, writer, sequence, said), link):
                chain.key = key
                return True
        return False


def heads_in(content: bytes) -> list[Head]:
    """Return the heads in a file of a witness: JSON, a line each.

    Raises:
        ValueError: a line is no head; the last may be a part of one.
    """
    *whole, _ = content.split(b"\n")
    return [_decode(line) for line in whole if line.strip()]
