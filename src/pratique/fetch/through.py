"""Fetches for another library: its request goes in, our answer comes out as a stream."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from pratique.core.adrive import adrive
from pratique.core.closing import refusal_record
from pratique.core.crossing import Crossing
from pratique.core.drive import drive
from pratique.core.event import Outcome
from pratique.core.obligation import VALID
from pratique.core.recorder import Recorder
from pratique.core.refusal import Refused

from .budget import Budget, current
from .fetcher import Base
from .flow import Arrived, Exchange, Intake, Read
from .policy import FetchPolicy
from .redirect import Lines
from .wire.line import AsyncLine, Line
from .wire.pool import AsyncPool, Pool

_CHANGED: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""What no longer holds of content that is decoded and counted."""
_COOKIES: Final = frozenset({"set-cookie", "set-cookie2"})
"""What a client keeps for the host that it asked, which isn't the one that answers."""
_READ: Final = Read(None)


class _Open:
    """An answer whose content is read piece by piece; how it ended is recorded once.

    The client that asked takes its fields for those of the host that it asked: where a redirect led
    to another one, its cookies would be that host's from then on (session fixation, CWE-384).
    """

    __slots__ = (
        "_budget",
        "_crossing",
        "_dropped",
        "_head",
        "_intake",
        "_is_told",
        "_recorder",
        "hops",
        "status",
        "url",
    )

    def __init__(self, base: Base, crossing: Crossing, arrived: Arrived, budget: Budget) -> None:
        head = arrived.head
        self.status = head.status
        self.url = arrived.url
        self.hops = arrived.hops
        self._head = head
        self._dropped = frozenset[str]()
        if arrived.hops and _host(arrived.url) != _host(arrived.hops[0]):
            self._dropped = _COOKIES
        self._budget = budget
        self._crossing = crossing
        self._intake = Intake(head, base.boundary.policy, budget)
        self._recorder = base.recorder
        self._is_told = False

    @property
    def lines(self) -> Lines:
        """Return the field lines that still hold of the content as it is handed on."""
        dropped = _CHANGED | self._dropped
        return tuple(line for line in self._head.fields if line[0].lower() not in dropped)

    @property
    def raw_lines(self) -> Sequence[tuple[bytes, bytes]]:
        """Return the same as bytes: those that came, where the content is as it came."""
        if not self._intake.is_coded and not self._dropped:
            return self._head.raw
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.lines]

    def _tell(self, refused: Refused | None = None) -> None:
        if self._is_told:
            return
        self._is_told = True
        crossing = self._crossing
        if refused is None:
            crossing.discharge(VALID)
            self._recorder.emit(crossing.record(Outcome.PROVEN), sample=False)
            return
        refused.crossing_id = crossing.id
        self._recorder.emit(refusal_record(crossing, refused)[0], sample=False)


def _host(url: str) -> str | None:
    return urlsplit(url).hostname


class Streamed(_Open):
    """An answer on this thread. Iterate over its content, decoded and under both caps."""

    __slots__ = ("_line",)

    def __init__(
        self, base: Base, crossing: Crossing, arrived: Arrived, budget: Budget, *, line: Line
    ) -> None:
        super().__init__(base, crossing, arrived, budget)
        self._line = line

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content. Raises Refused."""
        pieces = self._intake.pieces
        try:
            while raw := self._next():
                yield from pieces(raw)
            self._intake.end()
        except Refused as refused:
            self._tell(refused)
            raise
        finally:
            self.close()

    def _next(self) -> bytes:
        token = current.set(self._budget)
        try:
            return self._line.read(_READ)
        finally:
            current.reset(token)

    def close(self) -> None:
        """Let go of the connection."""
        self._line.close()
        self._tell()


class AsyncStreamed(_Open):
    """The same on the event loop."""

    __slots__ = ("_line",)

    def __init__(
        self, base: Base, crossing: Crossing, arrived: Arrived, budget: Budget, *, line: AsyncLine
    ) -> None:
        super().__init__(base, crossing, arrived, budget)
        self._line = line

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the content. Raises Refused."""
        try:
            while raw := await self._next():
                for piece in self._intake.pieces(raw):
                    yield piece
            self._intake.end()
        except Refused as refused:
            self._tell(refused)
            raise
        finally:
            await self.aclose()

    async def _next(self) -> bytes:
        token = current.set(self._budget)
        try:
            return await self._line.read(_READ)
        finally:
            current.reset(token)

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._line.aclose()
        self._tell()


class Through(Base):
    """Fetches on this thread for a library that wants its answer as a stream. Args as `Base`."""

    def __init__(
        self, policy: FetchPolicy, *, name: str = "fetch", recorder: Recorder | None = None
    ) -> None:
        super().__init__(policy, name=name, recorder=recorder)
        self._pool = Pool(policy, self.lookup)

    def send(
        self,
        method: str,
        url: str,
        lines: Iterable[tuple[str, str]],
        content: bytes,
        *,
        seconds: float | None = None,
    ) -> Streamed:
        """Go where a request leads, in at most *seconds*. Raises Refused."""
        claim = self.boundary.claim(url, method=method, lines=lines, content=content)
        crossing = Crossing(self.boundary, claim)
        budget = self.boundary.budget(seconds=seconds)
        line = Line(self._pool, budget)
        token = current.set(budget)
        try:
            world = self.world.answering({Exchange: line.exchange})
            arrived = drive(self.boundary.arrival(crossing), crossing, world)
            return Streamed(self, crossing, arrived, budget, line=line)
        except BaseException:
            line.close()
            raise
        finally:
            current.reset(token)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


class AsyncThrough(Base):
    """The same on the event loop. Args as `Base`."""

    def __init__(
        self, policy: FetchPolicy, *, name: str = "fetch", recorder: Recorder | None = None
    ) -> None:
        super().__init__(policy, name=name, recorder=recorder)
        self._pool = AsyncPool(policy, self.lookup)

    async def send(
        self,
        method: str,
        url: str,
        lines: Iterable[tuple[str, str]],
        content: bytes,
        *,
        seconds: float | None = None,
    ) -> AsyncStreamed:
        """See `Through.send`."""
        claim = self.boundary.claim(url, method=method, lines=lines, content=content)
        crossing = Crossing(self.boundary, claim)
        budget = self.boundary.budget(seconds=seconds)
        line = AsyncLine(self._pool, budget, asyncio.get_running_loop())
        token = current.set(budget)
        try:
            world = self.world.answering({Exchange: line.exchange})
            arrived = await adrive(self.boundary.arrival(crossing), crossing, world)
            return AsyncStreamed(self, crossing, arrived, budget, line=line)
        except BaseException:
            await line.aclose()
            raise
        finally:
            current.reset(token)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.close()
