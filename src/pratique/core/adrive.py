"""The asyncio driver: the same flows and questions; it hops to a thread only where it must."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from time import monotonic, perf_counter
from typing import Any, Final, TypeVar, cast

import msgspec

from .closing import closed, effect_is_out, effect_record, no_thread, recorded, too_late
from .crossing import Crossing
from .deadlines import Limit, watched
from .drive import Run, finish, is_awaitable, needed, revoke
from .event import Outcome, Record
from .inbox import AsyncFinishing
from .measures import Wait
from .question import (
    Act,
    Ask,
    Begin,
    Confirm,
    Count,
    Decide,
    Finish,
    Flow,
    Hand,
    Hold,
    Lookup,
    Name,
    Question,
    Recall,
    Refresh,
    Settle,
    Uncount,
    Undo,
)
from .refusal import Refused, StoreError
from .store import AsyncStore, AsyncTransaction, Counted, Held, Kept
from .threads import Gate, NoThread, carried
from .within import current, go_to
from .world import World

T = TypeVar("T")
TIDY_SECONDS: Final = 1.0
"""How long giving back holds and writing down a refusal may take, once a crossing has failed."""
_NEEDS_STORE: Final = (Begin, Hold, Count)


class _AsyncRun(msgspec.Struct, eq=False):
    """The state of one crossing on the event loop."""

    crossing: Crossing
    world: World
    store: AsyncStore | None
    transaction: AsyncTransaction | None = None
    session: object = None
    record: Record | None = None
    holds: dict[bytes, int] = {}
    question: Question | None = None
    limit: Limit | None = None
    began_at: float = msgspec.field(default_factory=monotonic)
    acted: bool = False
    waits: list[Wait] = []
    thread: Run | None = None
    """The sync part, where the store has no async face."""

    def begin_limit(self) -> None:
        """Begin the deadline, once the crossing has something to wait for."""
        if self.limit is None and not self.acted and self.world.deadlines is not None:
            self.limit = self.world.deadlines.begin(self.began_at)

    async def ask(self, question: Ask) -> Any:
        """Call a user's callable inline: in our transaction the session belongs to this loop."""
        callback = question.call
        value: object = (
            callback.call(*question.args, self.session)
            if callback.wants_session
            else callback.call(*question.args)
        )
        if is_awaitable(type(value)):
            return await cast("Awaitable[Any]", value)
        return value

    def ask_outside(self, question: Ask) -> Awaitable[Any]:
        """Call a user's callable outside a transaction: a sync one on a thread of the pool."""
        callback = question.call
        if not callback.is_async:
            return self.ask_on_a_thread(question)
        own: Awaitable[Any] = callback.call(*question.args)  # no other coroutine around it
        return own

    async def ask_on_a_thread(self, question: Ask) -> Any:
        """Call a user's sync callable on a thread of the pool: it may wait."""
        callback = question.call
        call = partial(copy_context().run, carried, callback)
        pool = self.world.pools.of(self.crossing.boundary.name)
        try:
            future = pool.submit(call, *question.args)
        except NoThread:
            raise no_thread(self.crossing, question) from None
        try:
            value, error = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            pool.give_up(future)
            raise
        if error is not None:
            raise error
        if is_awaitable(type(value)):
            return await cast("Awaitable[Any]", value)
        return value

    def decide(self, question: Decide) -> Awaitable[Any]:
        """Call a policy: a sync one may ask somebody, and the loop would wait with it."""
        if self.transaction is not None or question.call.wants_session:
            return self.ask(question)
        return self.ask_outside(question)

    def other(self, question: Question) -> Awaitable[Any]:
        """Answer a question that a room adds. See `Run.other`."""
        kind = type(question)
        if kind not in self.world.answers and isinstance(question, Ask):
            return self.ask(question)
        return cast("Awaitable[Any]", self.world.answers[kind](question))

    async def begin(self, question: Begin) -> bytes | None:
        self.transaction = transaction = await needed(self.store).begin()
        self.session = transaction.session
        self.record = question.record
        return await transaction.first_use(question.keys, question.record)

    async def look(self, question: Ask) -> Any:
        """Let a callable read, with a session of its own where it takes one. See `Run.look`."""
        reading = await needed(self.store).look()
        try:
            self.session = reading.session
            return await self.ask(question)
        finally:
            self.session = None
            await reading.rollback()

    def name(self, question: Name) -> Awaitable[Any]:
        is_reading = self.transaction is None and question.call.wants_session
        return self.look(question) if is_reading else self.ask(question)

    def lookup(self, question: Lookup) -> Awaitable[Any]:
        if self.transaction is not None:
            return self.lock(question, self.transaction)
        return self.look(question) if question.call.wants_session else self.ask_outside(question)

    async def lock(self, question: Lookup, transaction: AsyncTransaction) -> Any:
        """Find our own row in the open transaction, and lock it."""
        linked = await self.ask(question)
        if linked is not None:
            await transaction.lock(linked)
        return linked

    async def recall(self, question: Recall) -> Kept | None:
        return await needed(self.transaction).kept(question.key)

    async def finish(self, question: Finish) -> bool:
        transaction = cast("AsyncFinishing", needed(self.transaction))
        return await transaction.finish(question.id, question.token)

    async def undo(self, question: Undo) -> None:
        await needed(self.transaction).rollback()
        self.transaction = None
        self.world.recorder.emit(question.record, sample=False)

    async def count(self, question: Count) -> Counted:
        if self.crossing.observing:  # it uses nothing up
            return Counted(0, question.window)
        return await needed(self.store).count(question.key, question.window)

    async def uncount(self, question: Uncount) -> None:
        if self.crossing.observing:  # it uses nothing up
            return
        await _quietly(needed(self.store).uncount(question.key, question.times))

    async def act(self, question: Act) -> Kept | None:
        if self.limit is not None:
            self.limit.lift()  # the deadline bounds the proofs; an effect is never abandoned
        self.acted, is_inside = True, self.transaction is not None
        done: object = await (self.ask(question) if is_inside else self.ask_outside(question))
        kept = question.answer(done) if question.answer is not None else None
        if self.transaction is not None:
            if kept is not None and question.key:
                await self.transaction.keep(question.key, kept)
            record, self.record = needed(self.record), None  # now nobody knows until it answers
            await self.transaction.commit()
            self.transaction = None
            self.world.recorder.emit(record, sample=False)
        return kept

    async def refresh(self, question: Refresh) -> None:
        await question.source.arefresh(question.name)

    async def hold(self, question: Hold) -> Any:
        held = await needed(self.store).hold(
            question.key,
            lease=self.world.lease,
            fingerprint=question.fingerprint,
            crossing_id=self.crossing.id,
        )
        if isinstance(held, Held):
            self.holds[question.key] = held.token
        return held

    async def settle(self, question: Settle) -> bool:
        record = self.crossing.record(Outcome.PROVEN) if question.is_last else None
        done = await needed(self.store).settle(
            question.key, question.token, question.result, record=record
        )
        self.holds.pop(question.key, None)
        if done and record is not None:
            self.world.recorder.emit(record, sample=False)
        return done

    async def abandon(self, failed: BaseException) -> None:
        """Undo what is open; never raises, never takes long. See `Run.abandon`."""
        if self.transaction is not None:
            await self.transaction.rollback()
            self.transaction = None
        if not effect_is_out(self.question, acted=self.acted, failed=failed):
            for key, token in self.holds.items():
                await _quietly(needed(self.store).release(key, token))
        self.holds.clear()

    async def refuse(self, refused: Refused) -> None:
        """Record a refusal; durably where the sender is known."""
        record, keep = recorded(self.crossing, refused, self.world.recorder)
        if keep:
            content = self.crossing.claim.content if record.outcome is Outcome.MISMATCH else None
            await self.keep(record, content)

    async def keep(self, record: Any, content: bytes | None) -> None:
        """Write a record to the store, whichever face it has."""
        if self.store is not None:
            await _quietly(self.store.record_refusal(record, self.crossing.key, content))
        elif self.world.store is not None and self.world.store.sync is not None:
            write = self.world.store.sync.record_refusal
            written: asyncio.Future[None] = asyncio.wrap_future(
                self.world.pools.of().submit(write, record, self.crossing.key, content)
            )
            await _quietly(written)


_AnswerOf = Callable[[_AsyncRun, Any], Awaitable[Any]]
_ANSWERS: Final[dict[type[Question], _AnswerOf]] = {
    Confirm: _AsyncRun.ask_outside,
    Name: _AsyncRun.name,
    Begin: _AsyncRun.begin,
    Lookup: _AsyncRun.lookup,
    Decide: _AsyncRun.decide,
    Act: _AsyncRun.act,
    Hold: _AsyncRun.hold,
    Settle: _AsyncRun.settle,
    Refresh: _AsyncRun.refresh,
    Recall: _AsyncRun.recall,
    Undo: _AsyncRun.undo,
    Count: _AsyncRun.count,
    Uncount: _AsyncRun.uncount,
    Hand: _AsyncRun.ask_outside,
    Finish: _AsyncRun.finish,
}


async def adrive(flow: Flow[T], crossing: Crossing, world: World, *, records: bool = False) -> T:
    """Drive a flow to its end on the event loop, all its proofs within the perimeter's deadline.

    With *records* it is recorded that it is proven: of a flow without an effect that does.

    Raises:
        Refused: the only thing that leaves, save what the user's own effect raises.
    """
    store = None if world.store is None else world.store.asynchronous
    run, outer = _AsyncRun(crossing, world, store), current()
    go_to(crossing.id)
    try:
        found = await _finish(flow, run)
    except asyncio.CancelledError as error:
        if run.limit is None or not run.limit.leave():
            raise
        refused = too_late(run.question)
        refused.crossing_id = crossing.id
        if run.thread is not None:
            revoke(run.thread, refused)
        else:
            await run.refuse(refused)
        raise refused from error
    finally:
        if run.limit is not None:
            run.limit.leave()
        go_to(outer)
        world.crossed(crossing, monotonic() - run.began_at, run.waits)
    if records:
        world.recorder.emit(crossing.record(Outcome.PROVEN), sample=False)
    return found


async def _finish(flow: Flow[T], run: _AsyncRun) -> T:
    try:
        question = next(flow)
        while True:
            run.question, began = question, perf_counter()
            if run.limit is not None and run.limit.is_over:
                raise too_late(question)  # noqa: TRY301  a callable swallowed the cancellation
            if run.store is None and _needs_store(question):
                return await _on_a_thread(flow, run, question)
            answer_of: _AnswerOf = _ANSWERS.get(type(question), _AsyncRun.other)
            try:
                answer = await watched(answer_of(run, question), run.begin_limit)
            except BaseException as error:  # noqa: BLE001  the flow decides what becomes of it
                run.waits.append((type(question), perf_counter() - began))
                question = flow.throw(closed(error, question, run))
            else:
                run.waits.append((type(question), perf_counter() - began))
                question = flow.send(answer)
    except StopIteration as end:
        told: T = end.value
        return told
    except BaseException as error:
        if run.thread is not None:  # rolled back, recorded and closed on its own thread
            raise
        refused = await _failed(run, error)
        if refused is error:
            raise
        raise refused from error


async def _failed(run: _AsyncRun, error: BaseException) -> BaseException:
    """Roll back and record what ended a flow early; return what leaves in its place."""
    await run.abandon(error)
    refused = closed(error, run.question, run)
    if isinstance(refused, Refused):
        await run.refuse(refused)
    elif (record := effect_record(run, error)) is not None:
        if isinstance(error, Exception):  # who is cancelled awaits nothing more
            await run.keep(record, None)
        run.world.recorder.emit(record, sample=False)
    return refused


def _needs_store(question: Question) -> bool:
    takes_session = isinstance(question, Ask) and question.call.wants_session
    return takes_session or type(question) in _NEEDS_STORE


async def _on_a_thread(flow: Flow[T], run: _AsyncRun, question: Question) -> T:
    """Drive the rest of a flow on one thread of the pool: one hop for the whole transaction."""
    gate = Gate()
    thread = Run(run.crossing, run.world, gate)
    thread.question = question
    run.begin_limit()
    pool = run.world.pools.of(run.crossing.boundary.name)
    try:
        future = pool.submit(copy_context().run, finish, flow, thread, question)
    except NoThread:
        raise no_thread(run.crossing, question) from None
    run.thread = thread
    waiting = asyncio.wrap_future(future)
    try:
        return cast("T", await asyncio.shield(waiting))
    except asyncio.CancelledError:
        if gate.revoke():
            if run.limit is None or not run.limit.is_over:
                revoke(run.thread, too_late(run.thread.question))
            pool.give_up(future)
            waiting.add_done_callback(_forget)
            raise
        # The effect has begun: its outcome is the answer, however late.
        return cast("T", await waiting)


def _forget(future: "asyncio.Future[Any]") -> None:
    """Look at the outcome of a revoked run, so that nothing complains that nobody did."""
    if not future.cancelled():
        future.exception()


async def _quietly(awaitable: Awaitable[object]) -> None:
    """Await what tidies up after a failure; a second one must not hide the first, nor take long."""
    try:
        async with asyncio.timeout(TIDY_SECONDS):
            await awaitable
    except (StoreError, TimeoutError):
        return
