"""Stops asking a partner that doesn't answer, for a while: purgatory's circuit breaker."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Final, TypeVar

from purgatory import AsyncCircuitBreakerFactory, SyncCircuitBreakerFactory
from purgatory.domain.model import CLOSED, Context, OpenedState

from pratique.core.forks import renew_after_fork
from pratique.core.obligation import VALID
from pratique.core.refusal import Answer, BoundaryError, Refused

T = TypeVar("T")
_OURS: Final = frozenset({"internal", "later"})
"""Refusals for now that our own callables make: the partner answered."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """When to leave a partner alone.

    Args:
        failures: So many in a row that another try might have mended: it can't be reached, answers
            5xx, is too slow. A wrong answer is none: asking less doesn't mend it. Nor is what a
            callable of ours fails at.
        pause: For which nothing is sent; then one question tries.
    """

    failures: int = 5
    pause: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        """Refuse what never opens or never stays open.

        Raises:
            BoundaryError: no failures, or no pause.
        """
        if self.failures < 1 or self.pause <= timedelta(0):
            raise BoundaryError("Breaker(failures=…, pause=…) are both above zero.")

    def of(self, name: str) -> "Circuit":
        """Return the circuit of one partner."""
        return Circuit(self, name)


class Circuit:
    """The breaker of one partner. What is asked sync and async is counted apart."""

    def __init__(self, breaker: Breaker, name: str) -> None:
        seconds = breaker.pause.total_seconds()
        self._name = name
        self._sync = SyncCircuitBreakerFactory(breaker.failures, seconds, _NOT_COUNTED)
        self._asynchronous = AsyncCircuitBreakerFactory(breaker.failures, seconds, _NOT_COUNTED)
        self._trying, self._atrying = Lock(), Lock()
        renew_after_fork(self, _trying=Lock, _atrying=Lock)

    def run(self, ask: Callable[[], T]) -> T:
        """Ask, unless it is open.

        Raises:
            Refused: VALID, code "breaker_open".
        """
        breaker = self._sync.get_breaker(self._name)
        try:
            with _one_at_a_time(breaker.context, self._trying), breaker:
                return ask()
        except OpenedState:
            raise _open() from None

    async def arun(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Do the same on the event loop."""
        breaker = await self._asynchronous.get_breaker(self._name)
        try:
            with _one_at_a_time(breaker.context, self._atrying):
                async with breaker:
                    return await ask()
        except OpenedState:
            raise _open() from None


@contextmanager
def _one_at_a_time(context: Context, trying: Lock) -> Generator[None]:
    """Let everybody through where it is closed, else one: purgatory's half-open state lets all."""
    if context.state == CLOSED:
        yield
        return
    if not trying.acquire(blocking=False):
        raise _open()
    try:
        yield
    finally:
        trying.release()


def _is_no_outage(error: BaseException) -> bool:
    if not isinstance(error, Refused) or error.answer is not Answer.RETRY:
        return True
    return error.code in _OURS


_NOT_COUNTED: Final[list[type[BaseException] | tuple[type[BaseException], Callable[..., bool]]]] = [
    (BaseException, _is_no_outage)
]


def _open() -> Refused:
    return Refused(
        VALID,
        "the partner failed again and again, and isn't asked for now",
        code="breaker_open",
        hint="look at the refusals before this one",
        answer=Answer.RETRY,
    )
