"""Working one kept delivery: it crosses, and what came of it is written down."""

import asyncio
import logging
import random
from collections.abc import Callable, Generator
from contextvars import copy_context
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final

import msgspec

from pratique.core.boundary import Declaration
from pratique.core.claim import Claim
from pratique.core.crossing import Crossing
from pratique.core.event import Outcome
from pratique.core.inbox import AsyncInbox, SyncInbox, Taken
from pratique.core.obligation import UNIQUE, named
from pratique.core.perimeter import Perimeter
from pratique.core.question import Finish, Flow
from pratique.core.recorder import outcome_of
from pratique.core.refusal import Answer, Refused, StoreError
from pratique.core.settling import Rule
from pratique.core.threads import Pool
from pratique.core.within import current, go_to

from .inbox import Inbox, claim_of

_log: Final = logging.getLogger("pratique")
NOTHING_LEFT: Final = frozenset({Outcome.DUPLICATE, Outcome.IGNORED})


class End(StrEnum):
    """What came of working a delivery."""

    DONE = "done"
    AGAIN = "again"
    """It waits for its next attempt."""
    DEAD = "dead"
    NOT_TAKEN = "not_taken"
    """It isn't there, is done, laid aside or dead, or another worker has it."""


class Worked(msgspec.Struct, frozen=True):
    """What came of working a delivery.

    Attributes:
        again_in: The pause before the next attempt, with `End.AGAIN`; where another worker may
            have it, its whole lease.
        code: Why it didn't end, a refusal's code.
        crossing_id: Of the attempt, "" where there was none.
    """

    id: str
    end: End
    again_in: timedelta | None = None
    code: str = ""
    crossing_id: str = ""


class Cross(msgspec.Struct, frozen=True):
    """Let the claim cross; the answer is what the crossing gives or raises."""

    claim: Claim
    flow_of: Callable[[Crossing], Flow[Any]]
    within: str
    """The crossing of its receipt."""


class Write(msgspec.Struct, frozen=True):
    """Write to the inbox; the answer is what its method gives or raises."""

    method: str
    args: tuple[object, ...]
    named: dict[str, object]


Step = Cross | Write
Working = Generator[Step, Any, Worked]


def working(
    taken: Taken,
    inbox: Inbox,
    flow_of: Callable[[Crossing, Taken], Flow[Any]],
    *,
    is_transactional: bool,
) -> Working:
    """Work a delivery that is ours for a lease. The steps are for `run` and `arun`.

    Args:
        taken: From the store.
        inbox: As declared.
        flow_of: (crossing, taken) -> the flow of the whole crossing.
        is_transactional: The crossing writes by itself that nothing is left to do.
    """
    delivery, name = taken.delivery, taken.delivery.id
    write = partial(_write, name, taken.token)
    if taken.attempts > inbox.attempts:
        # Whoever took it never came back to say why: killed, out of memory, hung in an effect.
        return (yield from _dead(name, write, "no_end", ""))
    try:
        crossed = yield Cross(
            claim_of(delivery), lambda crossing: flow_of(crossing, taken), delivery.crossing_id
        )
    except Refused as refused:
        return (yield from _refused(name, write, refused, taken.attempts, inbox))
    except StoreError:
        return Worked(name, End.AGAIN, inbox.lease, "store_unavailable")
    except Exception:  # noqa: BLE001  what the effect raised: logged whole, and tried again
        _log.exception("the effect of the kept delivery %s raised", name)
        return (yield from _again(name, write, taken.attempts, inbox, code="effect_failed"))
    if not is_transactional:
        yield from _quietly(write("done"))
    return Worked(name, End.DONE, crossing_id=str(crossed.crossing_id))


def _refused(
    id: str, write: "partial[Write]", refused: Refused, attempts: int, inbox: Inbox
) -> Working:
    code, crossing_id = refused.code, refused.crossing_id
    if code == "taken_over":
        return Worked(id, End.AGAIN, inbox.lease, code, crossing_id)
    if refused.answer is Answer.RETRY:
        return (
            yield from _again(
                id,
                write,
                attempts,
                inbox,
                code=code,
                crossing_id=crossing_id,
                least=refused.retry_after,
            )
        )
    if outcome_of(refused, observing=False) in NOTHING_LEFT:
        yield from _quietly(write("done"))
        return Worked(id, End.DONE, code=code, crossing_id=crossing_id)
    return (yield from _dead(id, write, code, crossing_id))


def _again(
    id: str,
    write: "partial[Write]",
    attempts: int,
    inbox: Inbox,
    *,
    code: str,
    crossing_id: str = "",
    least: timedelta | None = None,
) -> Working:
    if attempts >= inbox.attempts:
        return (yield from _dead(id, write, code, crossing_id))
    pause = inbox.pause(attempts, random.random())  # noqa: S311  it spreads load, it hides nothing
    # What is asked for by somebody else lengthens a pause up to the longest, never beyond it.
    pause = max(pause, min(least or pause, inbox.longest_pause))
    yield from _quietly(write("later", pause=pause, code=code, crossing_id=crossing_id))
    return Worked(id, End.AGAIN, pause, code, crossing_id)


def _dead(id: str, write: "partial[Write]", code: str, crossing_id: str) -> Working:
    yield from _quietly(write("dead", code=code, crossing_id=crossing_id))
    _log.error("the kept delivery %s is a dead letter: %s", id, code)
    return Worked(id, End.DEAD, code=code, crossing_id=crossing_id)


def _write(id: str, token: int, method: str, **named: object) -> Write:
    return Write(method, (id, token), named)


def _quietly(step: Write) -> Generator[Step, Any, None]:
    """Write what came of it; where the store can't, the lease ends and it is worked again."""
    try:
        yield step
    except StoreError as error:
        _log.warning("%s of a kept delivery was not written: %s", step.method, error)


def run(steps: Working, perimeter: Perimeter, boundary: Any, inbox: SyncInbox) -> Worked:
    """Work on this thread.

    Raises:
        BoundaryError: the perimeter hasn't started.
    """

    def answer(step: Step) -> Any:
        if isinstance(step, Write):
            return getattr(inbox, step.method)(*step.args, **step.named)
        outer = current()
        go_to(step.within)
        try:
            return perimeter.perform(boundary, step.claim, step.flow_of)
        finally:
            go_to(outer)

    try:
        step = next(steps)
        while True:
            try:
                told = answer(step)
            except Exception as error:  # noqa: BLE001  the steps decide what becomes of it
                step = steps.throw(error)
            else:
                step = steps.send(told)
    except StopIteration as end:
        worked: Worked = end.value
        return worked


async def arun(
    steps: Working, perimeter: Perimeter, boundary: Any, inbox: "OnLoop | AsyncInbox"
) -> Worked:
    """Work on the event loop."""

    async def answer(step: Step) -> Any:
        if isinstance(step, Write):
            return await getattr(inbox, step.method)(*step.args, **step.named)
        outer = current()
        go_to(step.within)
        try:
            return await perimeter.aperform(boundary, step.claim, step.flow_of)
        finally:
            go_to(outer)

    try:
        step = next(steps)
        while True:
            try:
                told = await answer(step)
            except Exception as error:  # noqa: BLE001  the steps decide what becomes of it
                step = steps.throw(error)
            else:
                step = steps.send(told)
    except StopIteration as end:
        worked: Worked = end.value
        return worked


class OnLoop:
    """A sync inbox on the event loop: each method runs on a thread of a pool.

    Args:
        inbox: Of the store's sync face.
        pool: Its threads are tidied up like those of a crossing.
    """

    def __init__(self, inbox: SyncInbox, pool: Pool) -> None:
        self._inbox, self._pool = inbox, pool

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inbox, name)

        async def call(*args: object, **named: object) -> Any:
            return await on_a_thread(self._pool, partial(method, *args, **named))

        return call


async def on_a_thread(pool: Pool, call: Callable[[], Any]) -> Any:
    """Call on a thread of a pool, in the caller's context, and wait for it."""
    return await asyncio.wrap_future(pool.submit(copy_context().run, call))


@dataclass(frozen=True, slots=True)
class KeptRule(Rule):
    """A rule whose effect ends a kept delivery, in the same transaction. Made by `kept_rule`."""

    id: str = ""
    token: int = 0

    def judge(self, crossing: Crossing, subject: object) -> Flow[Any]:
        """End the delivery first: from here to the commit no other worker can take it over.

        Raises:
            Refused: UNIQUE, code "taken_over": the lease had ended, and another one has it.
        """
        if not (yield Finish(self.id, self.token)):
            raise Refused(
                UNIQUE,
                "the lease had ended, and another worker has taken the delivery over",
                code="taken_over",
                hint="lengthen Inbox(lease=…), or shorten what confirm waits for",
                answer=Answer.RETRY,
            )
        return (yield from Rule.judge(self, crossing, subject))


_OF_A_RULE: Final = tuple(each.name for each in fields(Rule) if each.init)


def kept_rule(rule: Rule, taken: Taken) -> KeptRule:
    """Return a rule for one kept delivery."""
    same = {name: getattr(rule, name) for name in _OF_A_RULE}
    return KeptRule(**same, id=taken.delivery.id, token=taken.token)


def excused_now(crossing: Crossing, at: datetime) -> None:
    """Owe again what an incident excused when the delivery came, where the incident has ended."""
    glass = crossing.boundary.glass
    if crossing.excused and not (glass is not None and glass.holds(at)):
        crossing.excused, crossing.incident = 0, ""


def require_still_waived(declaration: Declaration, owes: int, claim: Claim, at: datetime) -> None:
    """Refuse what came under a waiver and is worked after its end.

    Raises:
        Refused: the obligation, code "owed_again".
    """
    again = declaration.owed(owes, at) & ~declaration.owed(owes, claim.received_at)
    for obligation in named(again):
        raise Refused(
            obligation,
            "its proof was waived when the delivery came, and is owed by now",
            code="owed_again",
            hint="declare a proof, and replay it",
        )
