"""A remote decision point as a policy: AuthZEN 1.0 over a guarded fetcher, sync and async."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from pratique.core.answered import Answered
from pratique.core.decision import Decision
from pratique.core.obligation import ALLOWED
from pratique.core.proven import Proven
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.core.roots import Root, RootKind

from .evaluation import (
    JSON,
    REQUEST_ID,
    Named,
    no_decision,
    read_decision,
    read_decisions,
    written_evaluation,
    written_evaluations,
)
from .remembered import DecisionCache

DEADLINE: Final = timedelta(seconds=1)
"""A decision stands between a user and a click, and the request's transaction may be open."""
EVALUATION: Final = "/access/v1/evaluation"
EVALUATIONS: Final = "/access/v1/evaluations"
"""Source: AuthZEN 1.0, "Transport": the paths below a decision point's own URL."""

Lines = Sequence[tuple[str, str]]
Asked = tuple[Any, str, Any]
"""(user, verb, object)."""


class Post(Protocol):
    """A guarded fetcher: `pratique.fetch.Fetch`, declared."""

    def post(
        self, url: str, *, content: bytes, fields: Lines = (), seconds: float | None = None
    ) -> Proven[Answered]:
        """Send content within so many seconds, and return what was answered. It raises Refused."""
        ...


class AsyncPost(Protocol):
    """The same on an event loop."""

    async def apost(
        self, url: str, *, content: bytes, fields: Lines = (), seconds: float | None = None
    ) -> Proven[Answered]:
        """Send content within so many seconds, and return what was answered. It raises Refused."""
        ...


F = TypeVar("F")
Sent = tuple[str, bytes, str]
"""URL, content, request id."""
Asking = Generator[Sent, Answered, tuple[Decision, ...]]


class Base(Generic[F]):
    """What both clients have.

    Args:
        url: The decision point's own: "https://pdp.example", "https://fga.example/stores/01H".
        fetch: Over which it is asked; its policy names the decision point, and nothing else.
        subject: (user) -> Named.
        resource: (object) -> Named; it is given None where an action has no object.
        context: (user, verb, object) -> JSON; none by default.
        deadline: For one question, connection included; at most the fetch policy's own.
        cache: Where decisions are remembered. None: each one is asked for.

    Raises:
        BoundaryError: the URL has a query, a fragment, no host or another scheme; the deadline
            isn't above zero.

    Source: OpenID AuthZEN, Authorization API 1.0.
    """

    def __init__(
        self,
        url: str,
        fetch: F,
        *,
        subject: Callable[[Any], Named],
        resource: Callable[[Any], Named],
        context: Callable[[Any, str, Any], Mapping[str, Any]] | None = None,
        deadline: timedelta = DEADLINE,
        cache: DecisionCache | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise BoundaryError(f"AuthZEN: {url!r} is no URL of a decision point.")
        if parts.query or parts.fragment or parts.username is not None:
            raise BoundaryError("AuthZEN: the URL has a query, a fragment or a user: drop them.")
        if deadline <= timedelta(0):
            raise BoundaryError("AuthZEN: deadline is a timedelta above zero.")
        self._url, self._host = url.rstrip("/"), parts.hostname
        self._subject, self._resource, self._context = subject, resource, context
        self._fetch, self._cache = fetch, cache
        self.seconds = deadline.total_seconds()

    @property
    def words(self) -> str:
        """Return how it decides."""
        return f"the decision point {self._host} (AuthZEN 1.0) over what we tell it"

    @property
    def roots(self) -> tuple[Root, ...]:
        """Return what it rests on besides our own code and rows: whoever answers there."""
        return (Root(RootKind.PARTY, f"decision point {self._host}", controller=self._host),)

    def question(self, asked: Asked) -> bytes:
        """Write one question.

        Raises:
            Refused: ALLOWED, code "internal", retry: a fact of ours can't be written as JSON.
        """
        user, verb, thing = asked
        subject, resource = self._subject(user), self._resource(thing)
        context: Mapping[str, Any] = {}
        if self._context is not None:
            context = self._context(user, verb, thing)
        try:
            return written_evaluation(subject, verb, resource, context)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise Refused(
                ALLOWED,
                f"the question can't be written: {type(error).__name__}",
                code="internal",
                hint="subject=, resource= and context= give JSON, type and id are texts",
                answer=Answer.RETRY,
            ) from error

    def one(self, asked: Asked) -> Asking:
        """Ask about one thing, unless it is remembered."""
        question = self.question(asked)
        known = self._find(question)
        if known is not None:
            return (known,)
        asked_at, request_id = self._now(), uuid4().hex
        answer = yield from _sending(self._url + EVALUATION, question, request_id)
        decision = read_decision(answer, request_id=request_id)
        self._keep(question, decision, asked_at)
        return (decision,)

    def several(self, asked: Iterable[Asked]) -> Asking:
        """Ask about several things in one go; what is remembered isn't asked again."""
        questions = [self.question(one) for one in asked]
        decided = {question: self._find(question) for question in questions}
        open_ = [question for question, known in decided.items() if known is None]
        if open_:
            asked_at, request_id = self._now(), uuid4().hex
            content = written_evaluations(open_)
            answer = yield from _sending(self._url + EVALUATIONS, content, request_id)
            told = read_decisions(answer, request_id=request_id, count=len(open_))
            for question, decision in zip(open_, told, strict=True):
                decided[question] = decision
                self._keep(question, decision, asked_at)
        return tuple(known for question in questions if (known := decided[question]) is not None)

    def _find(self, question: bytes) -> Decision | None:
        found = None if self._cache is None else self._cache.find(self._url, question)
        return None if found is None else Decision(found.is_allowed, ("remembered", *found.reasons))

    def _keep(self, question: bytes, decision: Decision, asked_at: float) -> None:
        if self._cache is not None:
            self._cache.keep(self._url, question, decision, asked_at=asked_at)

    def _now(self) -> float:
        return monotonic() if self._cache is None else self._cache.clock()


class AuthZenPolicy(Base[Post]):
    """A policy that asks a decision point: `Client(…, policy=AuthZenPolicy(url, fetch, …))`.

    Args as `Base`.
    """

    def __call__(self, user: Any, verb: str, object: Any, /) -> Decision:
        """Decide.

        Raises:
            Refused: ALLOWED, code "no_decision", retry: whatever came but a decision.
        """
        return self._run(self.one((user, verb, object)))[0]

    def decide_all(self, asked: Iterable[Asked]) -> tuple[Decision, ...]:
        """Decide on several (user, verb, object) in one go, in their order; all of them or none.

        Raises:
            Refused: as above.
        """
        return self._run(self.several(asked))

    def _run(self, asking: Asking) -> tuple[Decision, ...]:
        try:
            url, content, request_id = next(asking)
            try:
                answer = self._fetch.post(
                    url, content=content, fields=_fields(request_id), seconds=self.seconds
                )
            except Refused as refused:
                asking.throw(refused)
            else:
                asking.send(answer.value)
        except StopIteration as end:
            return tuple(end.value)
        raise RuntimeError("one question is one request")


class AsyncAuthZenPolicy(Base[AsyncPost]):
    """The same on an event loop, without a thread. Args as `Base`."""

    async def __call__(self, user: Any, verb: str, object: Any, /) -> Decision:
        """See `AuthZenPolicy.__call__`."""
        return (await self._run(self.one((user, verb, object))))[0]

    async def decide_all(self, asked: Iterable[Asked]) -> tuple[Decision, ...]:
        """See `AuthZenPolicy.decide_all`."""
        return await self._run(self.several(asked))

    async def _run(self, asking: Asking) -> tuple[Decision, ...]:
        try:
            url, content, request_id = next(asking)
            try:
                answer = await self._fetch.apost(
                    url, content=content, fields=_fields(request_id), seconds=self.seconds
                )
            except Refused as refused:
                asking.throw(refused)
            else:
                asking.send(answer.value)
        except StopIteration as end:
            return tuple(end.value)
        raise RuntimeError("one question is one request")


def _fields(request_id: str) -> Lines:
    return (("Content-Type", JSON), ("Accept", JSON), (REQUEST_ID, request_id))


def _sending(url: str, content: bytes, request_id: str) -> Generator[Sent, Answered, Answered]:
    try:
        return (yield url, content, request_id)
    except Refused as refused:
        # To the caller it is no matter of theirs which hop failed, nor one of their own proofs.
        detail = f"the decision point can't be asked: {refused.code}"
        raise no_decision(detail, request_id) from refused
