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
    BEHEADED = "beheaded"
    """A chain begins in its middle, and no witness says that what is missing is old enough."""


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
            isn't missed, and a chain may begin in its middle where the witness had seen all that is
            missing by then. None: every chain is there from its first line.
    """

    def __init__(
        self, keys: Sequence[bytes], heads: Iterable[Head], *, since: datetime | None = None
    ) -> None:
        self._keys = keys
        self._since = since
        self._chains: dict[str, _Chain] = {}
        self._newest: dict[str, Head] = {}
        self._seen: dict[tuple[str, int], str] = {}
        self._before: dict[str, int] = {}
        self._forged = 0
        self.beheaded = 0
        """Chains that begin in their middle with a line whose text can't be verified: no head is
        the line's before."""
        self.lines = 0
        """Lines that are as they were written."""
        self.fragments = 0
        """Lines that hold no record: a part of one that a full disk or a kill has left."""
        for head in heads:
            if not is_sealed(head, keys):
                self._forged += 1
                continue
            self._seen[head.writer, head.sequence] = head.link
            if since is not None and head.at <= since:
                old = max(self._before.get(head.writer, 0), head.sequence)
                self._before[head.writer] = old
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
            found = self._line(line.rstrip(b"\n"))
            if found is not None:
                yield Finding(found.problem, f"{name}:{number}: {found.told}")

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

    def _line(self, line: bytes) -> Finding | None:
        found = _TAIL.fullmatch(line)
        if found is None:
            return self._unlinked(line)
        writer, sequence = found["writer"].decode(), int(found["sequence"])
        link, said = found["link"].decode(), found["said"] + b"}"
        chain = self._chains.setdefault(writer, _Chain())
        if self._since is not None and not chain.sequence and sequence > 1:
            wrong = self._beheaded(chain, writer, sequence, link, said)
        else:
            wrong = _broken(self._judge(chain, writer, sequence, link, said))
        if wrong is None:
            self.lines += 1
        if sequence > chain.sequence:
            # What follows is judged by the link that stands here: one change is told once.
            chain.sequence, chain.link = sequence, link
        return wrong

    def _beheaded(
        self, chain: _Chain, writer: str, sequence: int, link: str, said: bytes
    ) -> Finding | None:
        """Judge the first line of a chain that begins in its middle."""
        chain.sequence = sequence - 1
        anchor = self._seen.get((writer, sequence - 1))
        if anchor is not None:
            chain.link = anchor
            told = self._judge(chain, writer, sequence, link, said)
        else:
            self.beheaded += 1
            is_seen = self._seen.get((writer, sequence), link) == link
            told = None if is_seen else _not_seen(writer, sequence)
        if told is None and self._before.get(writer, 0) < sequence - 1:
            # Attack: the lines of an intrusion stood first, and were cut off with the old ones.
            return Finding(
                Problem.BEHEADED,
                f"writer {writer} begins with line {sequence} of its own, and no head from before "
                f"--since says that line {sequence - 1} is older",
            )
        return _broken(told)

    def _unlinked(self, line: bytes) -> Finding | None:
        try:
            decode_record(line)
        except ValueError:
            self.fragments += bool(line.strip())
            return None
        return _broken("a record without a link")

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
            return _not_seen(writer, sequence)
        return None

    def _is_link(self, chain: _Chain, writer: str, sequence: int, link: str, said: bytes) -> bool:
        for key in (chain.key,) if chain.key else self._keys:
            if hmac.compare_digest(link_of(key, chain.link, writer, sequence, said), link):
                chain.key = key
                return True
        return False


def _broken(told: str | None) -> Finding | None:
    return None if told is None else Finding(Problem.BROKEN, told)


def _not_seen(writer: str, sequence: int) -> str:
    return f"line {sequence} of writer {writer} isn't the one that the witness has seen"


def heads_in(content: bytes) -> list[Head]:
    """Return the heads in a file of a witness: JSON, a line each.

    Raises:
        ValueError: a line is no head; the last may be a part of one.
    """
    *whole, _ = content.split(b"\n")
    return [_decode(line) for line in whole if line.strip()]
