"""Fetches, sync and async: what comes out is proven, or it is refused."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from pratique.core.adrive import adrive
from pratique.core.claim import Claim
from pratique.core.crossing import Crossing
from pratique.core.drive import drive
from pratique.core.event import Outcome
from pratique.core.proven import Proven
from pratique.core.question import Flow, Question
from pratique.core.recorder import LoggerSink, Recorder
from pratique.core.refusal import BoundaryError
from pratique.core.threads import Tally
from pratique.core.world import World

from .boundary import Fetch, Lines
from .budget import Budget, current
from .flow import Exchange, Read, Response
from .lookup import Lookup
from .policy import FetchPolicy

T = TypeVar("T")
Answers = dict[type[Question], Callable[[Any], Any]]


class Base:
    """What everything has that fetches.

    Args:
        policy: What may be fetched.
        name: Its name in events.
        recorder: Where records go: `perimeter.recorder`; by default one of its own, which writes
            to the logger "pratique".
    """

    def __init__(
        self, policy: FetchPolicy, *, name: str = "fetch", recorder: Recorder | None = None
    ) -> None:
        self.boundary = Fetch(name, policy)
        self.recorder = recorder or Recorder((LoggerSink(),), count=Tally().add)
        self.lookup = Lookup()
        self.world = World(None, self.recorder)

    @classmethod
    def of(cls, boundary: Fetch, recorder: Recorder) -> Self:
        """Return what goes out for a declared boundary."""
        made = cls(boundary.policy, name=boundary.name, recorder=recorder)
        made.boundary = boundary
        return made


def _require_enforced(policy: FetchPolicy) -> None:
    if policy.observe is not None:
        raise BoundaryError(
            "A fetcher proves what it returns, and an observed policy proves nothing. "
            "Observe with an adapter (httpx, requests, aiohttp), or leave observe= out."
        )


class Fetcher(Base):
    """Fetches on this thread; may be shared between threads.

    Args as `Base`.

    Raises:
        BoundaryError: the policy only observes, or neither httpcore nor httpcore2 is installed.
    """

    def __init__(
        self,
        policy: FetchPolicy,
        *,
        name: str = "fetch",
        recorder: Recorder | None = None,
    ) -> None:
        _require_enforced(policy)
        super().__init__(policy, name=name, recorder=recorder)
        from .wire.line import Line
        from .wire.pool import Pool

        self._new_line = Line
        self._pool = Pool(policy, self.lookup)

    def get(self, url: str, *, fields: Lines = (), principal: str = "") -> Proven[Response]:
        """Return what the URL leads to.

        Args:
            url: Of any origin: nothing in it is believed.
            fields: Header fields for this origin; another one that a redirect leads to gets
                none but Accept, Accept-Language and User-Agent.
            principal: Who asked, so that names which don't resolve are counted as theirs.

        Raises:
            Refused: AUTHENTIC, ALLOWED or VALID.
        """
        return self._fetch(self.boundary.claim(url, lines=fields), principal)

    def post(
        self,
        url: str,
        *,
        content: bytes,
        fields: Lines = (),
        principal: str = "",
        seconds: float | None = None,
    ) -> Proven[Response]:
        """Send content, and return what was answered.

        See `get`; *seconds*: less than the policy's deadline, for this one.
        """
        claim = self.boundary.claim(url, method="POST", lines=fields, content=content)
        return self._fetch(claim, principal, seconds)

    def _fetch(
        self, claim: Claim, principal: str, seconds: float | None = None
    ) -> Proven[Response]:
        crossing = Crossing(self.boundary, claim, principal=principal)
        budget = self.boundary.budget(principal=principal, seconds=seconds)
        return self.run(self.boundary.flow(crossing), crossing, budget)

    def run(
        self,
        flow: Flow[T],
        crossing: Crossing,
        budget: Budget,
        *,
        answers: Answers | None = None,
    ) -> T:
        """Drive a flow whose exchanges go over these connections; record how it ends.

        Args:
            flow: It asks `Exchange`, `Read` and what *answers* has.
            crossing: Its crossing.
            budget: What it may spend.
            answers: Answers for questions that another room adds.
        """
        line = self._new_line(self._pool, budget)
        token = current.set(budget)
        try:
            known: Answers = {Exchange: line.exchange, Read: line.read, **(answers or {})}
            result = drive(flow, crossing, self.world.answering(known))
        finally:
            line.close()
            current.reset(token)
        self.recorder.emit(crossing.record(Outcome.PROVEN), sample=False)
        return result

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


class AsyncFetcher(Base):
    """Fetches on the event loop. Args as `Fetcher`."""

    def __init__(
        self,
        policy: FetchPolicy,
        *,
        name: str = "fetch",
        recorder: Recorder | None = None,
    ) -> None:
        _require_enforced(policy)
        super().__init__(policy, name=name, recorder=recorder)
        from .wire.line import AsyncLine
        from .wire.pool import AsyncPool

        self._new_line = AsyncLine
        self._pool = AsyncPool(policy, self.lookup)

    async def get(self, url: str, *, fields: Lines = (), principal: str = "") -> Proven[Response]:
        """See `Fetcher.get`."""
        return await self._fetch(self.boundary.claim(url, lines=fields), principal)

    async def post(
        self,
        url: str,
        *,
        content: bytes,
        fields: Lines = (),
        principal: str = "",
        seconds: float | None = None,
    ) -> Proven[Response]:
        """See `Fetcher.post`."""
        claim = self.boundary.claim(url, method="POST", lines=fields, content=content)
        return await self._fetch(claim, principal, seconds)

    async def _fetch(
        self, claim: Claim, principal: str, seconds: float | None = None
    ) -> Proven[Response]:
        crossing = Crossing(self.boundary, claim, principal=principal)
        budget = self.boundary.budget(principal=principal, seconds=seconds)
        return await self.run(self.boundary.flow(crossing), crossing, budget)

    async def run(
        self,
        flow: Flow[T],
        crossing: Crossing,
        budget: Budget,
        *,
        answers: Answers | None = None,
    ) -> T:
        """See `Fetcher.run`."""
        line = self._new_line(self._pool, budget, asyncio.get_running_loop())
        token = current.set(budget)
        try:
            known: Answers = {Exchange: line.exchange, Read: line.read, **(answers or {})}
            result = await adrive(flow, crossing, self.world.answering(known))
        finally:
            await line.aclose()
            current.reset(token)
        self.recorder.emit(crossing.record(Outcome.PROVEN), sample=False)
        return result

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        await self.aclose()
