"""Carries questions to one partner and its answers back: attempts, breaker, connections."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextvars import copy_context
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pratique.core.claim import Claim, Fields, Via
from pratique.core.closing import no_thread
from pratique.core.crossing import Crossing
from pratique.core.forks import renew_after_fork
from pratique.core.obligation import ALLOWED
from pratique.core.proven import Proven
from pratique.core.question import Flow
from pratique.core.refusal import Answer, Refused
from pratique.core.secret import LiveSecret
from pratique.core.threads import NoThread, Pool, carried
from pratique.fetch.budget import Budget, too_slow
from pratique.fetch.fetcher import AsyncFetcher, Fetcher

from .asked import Asked, Lines, Question, question
from .echo import secrets_in
from .flow import Second, answered
from .signed import digest_of_question

if TYPE_CHECKING:
    from .boundary import Partner
    from .breaker import Breaker
    from .call import Call
    from .retry import Retry

T = TypeVar("T")
BAD_GATEWAY: Final = 502
"""Our own caller did nothing wrong: what failed lies behind us. Source: RFC 9110 §15.6.3."""


class Errand:
    """What a partner boundary goes out with.

    Args:
        partner: The boundary.
        retry: How often a question is asked again.
        breaker: When to leave the partner alone.
    """

    def __init__(
        self, partner: "Partner", retry: "Retry | None", breaker: "Breaker | None"
    ) -> None:
        self._credential: Lines = ()
        self._ours: frozenset[bytes] = frozenset()
        self._partner = partner
        self._retry = retry
        self._circuit = breaker.of(partner.name) if breaker is not None else None
        self._sync: Fetcher | None = None
        self._asynchronous: AsyncFetcher | None = None
        self._threads = Pool()
        self._lock = Lock()
        renew_after_fork(self, _lock=Lock)

    def carry(self, bearer: LiveSecret | None) -> None:
        """Take the secrets along that go out, and look out for them in what comes back.

        Args:
            bearer: The partner's own; those of the policy are sent by the fetch.
        """
        self._credential = (("Authorization", f"Bearer {bearer.value}"),) if bearer else ()
        sent = (*self._credential, *self._partner.policy.credentials_of.lines())
        self._ours = secrets_in(value for _, value in sent)

    def run(
        self, call: "Call[T]", asked: Asked, *, words: Mapping[str, object] | None = None
    ) -> Proven[T]:
        """Ask, as often as the question may be asked, within one deadline.

        Args:
            call: Which question.
            asked: Its values.
            words: What the answer must be about, where that isn't the values themselves.
        """
        going = self._question(call, asked, words)
        seconds = self._partner.policy.deadline.total_seconds()

        def attempt(left: float) -> Proven[T]:
            if self._circuit is None:
                return self._once(call, going, left)
            return self._circuit.run(lambda: self._once(call, going, left))

        try:
            if self._retry is None or not going.is_repeatable:
                return attempt(seconds)
            return self._retry.run(attempt, seconds=seconds)
        except Refused as refused:
            self._told(refused)
            raise

    async def arun(
        self, call: "Call[T]", asked: Asked, *, words: Mapping[str, object] | None = None
    ) -> Proven[T]:
        """Do the same on the event loop."""
        going = self._question(call, asked, words)
        seconds = self._partner.policy.deadline.total_seconds()

        async def attempt(left: float) -> Proven[T]:
            if self._circuit is None:
                return await self._aonce(call, going, left)
            return await self._circuit.arun(lambda: self._aonce(call, going, left))

        try:
            if self._retry is None or not going.is_repeatable:
                return await attempt(seconds)
            return await self._retry.arun(attempt, seconds=seconds)
        except Refused as refused:
            self._told(refused)
            raise

    def close(self) -> None:
        """Close the connections of the sync fetcher, and the threads."""
        if self._sync is not None:
            self._sync.close()
            self._sync = None
        self._threads.close()

    async def aclose(self) -> None:
        """Close every connection."""
        self.close()
        if self._asynchronous is not None:
            await self._asynchronous.aclose()
            self._asynchronous = None

    def _question(
        self, call: "Call[Any]", asked: Asked, words: Mapping[str, object] | None
    ) -> Question:
        partner = self._partner
        perimeter = partner.started()
        if partner.is_disabled:
            off = Refused(
                ALLOWED,
                "the boundary is off: its optional credential is unset",
                code="partner_off",
                hint="set the variable, and start again",
                answer=Answer.RETRY,
            )
            raise perimeter.refuse(partner, off)
        try:
            return question(partner.base, call.method, call.path, asked, words)
        except Refused as refused:
            raise perimeter.refuse(partner, refused)  # noqa: B904  the same refusal, recorded

    def _once(self, call: "Call[T]", going: Question, seconds: float) -> Proven[T]:
        fetcher = self._fetcher()
        crossing, flow, budget = self._begin(call, going, seconds)

        def second(asked: Second) -> Any:
            # A second source may hang: it runs on a thread, for what is left of the deadline.
            submitted = self._submit(crossing, asked)
            try:
                value, error = submitted.result(budget.left())
            except FutureTimeoutError:
                self._threads.give_up(submitted)
                raise too_slow(budget.seconds) from None
            if error is not None:
                raise error
            return value

        return fetcher.run(flow, crossing, budget, answers={Second: second})

    async def _aonce(self, call: "Call[T]", going: Question, seconds: float) -> Proven[T]:
        fetcher = self._async_fetcher()
        crossing, flow, budget = self._begin(call, going, seconds)

        async def second(asked: Second) -> Any:
            try:
                async with asyncio.timeout(budget.left()):
                    if asked.call.is_async:
                        return await asked.call.call(*asked.args)
                    submitted = self._submit(crossing, asked)
                    try:
                        value, error = await asyncio.wrap_future(submitted)
                    except asyncio.CancelledError:
                        self._threads.give_up(submitted)
                        raise
            except TimeoutError:
                if budget.is_over:
                    raise too_slow(budget.seconds) from None
                raise
            if error is not None:
                raise error
            return value

        return await fetcher.run(flow, crossing, budget, answers={Second: second})

    def _submit(
        self, crossing: Crossing, asked: Second
    ) -> "Future[tuple[object, Exception | None]]":
        """Ask a callable on a thread, in the context of whoever asks the partner."""
        try:
            return self._threads.submit(copy_context().run, carried, asked.call, *asked.args)
        except NoThread:
            raise no_thread(crossing, asked) from None

    def _begin(
        self, call: "Call[T]", going: Question, seconds: float
    ) -> tuple[Crossing, Flow[Proven[T]], Budget]:
        partner = self._partner
        digest = digest_of_question(partner.signature, going.content)
        lines: Lines = (*going.lines, *digest, *self._credential)
        at = partner.started().clock()
        via = Via(scheme="", method=going.method, target=going.url)
        claim = Claim(going.content, Fields(lines), at, via)
        crossing = Crossing(partner, claim, principal=going.principal)
        crossing.declaration = call.declaration
        budget = Budget(seconds, partner.policy.max_wire_bytes, going.principal)
        flow = answered(
            crossing,
            call.contract,
            going,
            policy=partner.policy,
            budget=budget,
            ours=self._ours,
            signature=partner.signature,
        )
        return crossing, flow, budget

    def _told(self, refused: Refused) -> None:
        """Give a refusal the status of what lies behind us; record one that never went out."""
        if refused.answer is Answer.REJECT:
            refused.status = BAD_GATEWAY
        if not refused.crossing_id:
            self._partner.started().refuse(self._partner, refused)

    def _fetcher(self) -> Fetcher:
        with self._lock:
            if self._sync is None:
                partner = self._partner
                self._sync = Fetcher.of(partner.going_out, partner.started().recorder)
            return self._sync

    def _async_fetcher(self) -> AsyncFetcher:
        if self._asynchronous is None:
            partner = self._partner
            self._asynchronous = AsyncFetcher.of(partner.going_out, partner.started().recorder)
        return self._asynchronous
