"""The sync driver: asks the store and the user's callables; bounds, rolls back, records.

`adrive.py` answers the same questions on an event loop.
"""

from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextvars import copy_context
from functools import lru_cache
from time import perf_counter
from typing import Any, Final, TypeVar, cast

from .closing import (
    closed,
    effect_is_out,
    effect_record,
    no_thread,
    recorded,
    too_late,
)
from .crossing import Crossing
from .event import Outcome, Record
from .inbox import Finishing
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
from .refusal import BoundaryError, Refused, StoreError
from .store import Counted, Held, Kept, SyncStore, Transaction
from .threads import Gate, NoThread
from .within import current, go_to
from .world import World

T = TypeVar("T")


class Run:
    """The state of one crossing on one thread: its transaction, its holds, the open question."""

    __slots__ = (
        "acted",
        "crossing",
        "gate",
        "holds",
        "question",
        "record",
        "session",
        "store",
        "transaction",
        "waits",
        "world",
    )

    def __init__(self, crossing: Crossing, world: World, gate: Gate | None = None) -> None:
        self.crossing = crossing
        self.world = world
        self.gate = gate
        self.store: SyncStore | None = world.store.sync if world.store is not None else None
        self.transaction: Transaction | None = None
        self.session: object = None
        self.record: Record | None = None
        self.holds: dict[bytes, int] = {}
        self.question: Question | None = None
        self.acted = False
        self.waits: list[Wait] = []

    def ask(self, question: Ask) -> Any:
        """Let one of our user's callables answer."""
        callback = question.call
        value: object = (
            callback.call(*question.args, self.session)
            if callback.wants_session
            else callback.call(*question.args)
        )
        if is_awaitable(type(value)):
            # A coroutine is truthy: never take it for an answer.
            if isinstance(value, Coroutine):
                value.close()  # never awaited, and nobody should be warned of that too
            message = f"{callback.where} returned an awaitable to a sync door"
            raise BoundaryError(message)
        return value

    def other(self, question: Question) -> Any:
        """Answer a question that a room adds: by what was handed in, else by its own callable."""
        kind = type(question)
        if kind not in self.world.answers and isinstance(question, Ask):
            return self.ask(question)
        return self.world.answers[kind](question)

    def begin(self, question: Begin) -> bytes | None:
        """Open the effect's transaction with its keys."""
        self.transaction = transaction = needed(self.store).begin()
        self.session = transaction.session
        self.record = question.record
        return transaction.first_use(question.keys, question.record)

    def look(self, question: Ask) -> Any:
        """Let a callable read, with a session of its own where it takes one and none is open."""
        if self.transaction is not None or not question.call.wants_session:
            return self.ask(question)
        reading = needed(self.store).look()
        try:
            self.session = reading.session
            return self.ask(question)
        finally:
            self.session = None
            reading.rollback()

    def lookup(self, question: Lookup) -> object:
        """Find our own row, and lock it."""
        linked = self.look(question)
        if self.transaction is not None and linked is not None:
            self.transaction.lock(linked)
        return linked

    def recall(self, question: Recall) -> Kept | None:
        """Look at an answer that is kept."""
        return needed(self.transaction).kept(question.key)

    def finish(self, question: Finish) -> bool:
        """End a kept delivery together with its effect."""
        transaction = cast("Finishing", needed(self.transaction))
        return transaction.finish(question.id, question.token)

    def undo(self, question: Undo) -> None:
        """Roll back what has nothing to do again."""
        needed(self.transaction).rollback()
        self.transaction = None
        self.world.recorder.emit(question.record, sample=False)

    def count(self, question: Count) -> Counted:
        """Count an attempt."""
        if self.crossing.observing:  # it uses nothing up
            return Counted(0, question.window)
        return needed(self.store).count(question.key, question.window)

    def uncount(self, question: Uncount) -> None:
        """Take counts back."""
        if self.crossing.observing:  # it uses nothing up
            return
        quietly(needed(self.store).uncount, question.key, question.times)

    def act(self, question: Act) -> Kept | None:
        """Do the effect, unless the deadline was first; commit it where a transaction is open."""
        if self.gate is not None and not self.gate.enter():
            raise too_late(question)
        self.acted = True
        done: object = self.ask(question)
        kept = question.answer(done) if question.answer is not None else None
        if self.transaction is not None:
            if kept is not None and question.key:
                self.transaction.keep(question.key, kept)
            record, self.record = needed(self.record), None  # now nobody knows until it answers
            self.transaction.commit()
            self.transaction = None
            self.world.recorder.emit(record, sample=False)
        return kept

    def refresh(self, question: Refresh) -> None:
        """Let a remote source look for something newer."""
        question.source.refresh(question.name)

    def hold(self, question: Hold) -> Any:
        """Take a key for a lease."""
        held = needed(self.store).hold(
            question.key,
            lease=self.world.lease,
            fingerprint=question.fingerprint,
            crossing_id=self.crossing.id,
        )
        if isinstance(held, Held):
            self.holds[question.key] = held.token
        return held

    def settle(self, question: Settle) -> bool:
        """Make a hold final; the last one with the record of the crossing."""
        record = self.crossing.record(Outcome.PROVEN) if question.is_last else None
        done = needed(self.store).settle(
            question.key, question.token, question.result, record=record
        )
        self.holds.pop(question.key, None)
        if done and record is not None:
            self.world.recorder.emit(record, sample=False)
        return done

    def abandon(self, failed: BaseException) -> None:
        """Undo what is open: roll back, or give the holds back. Never raises.

        After an effect outside a transaction the holds stay until their lease ends: giving them
        back would let the next delivery do it again at once.
        """
        if self.transaction is not None:
            self.transaction.rollback()
            self.transaction = None
        if not effect_is_out(self.question, acted=self.acted, failed=failed):
            for key, token in self.holds.items():
                quietly(needed(self.store).release, key, token)
        self.holds.clear()

    def refuse(self, refused: Refused) -> None:
        """Record a refusal; durably where the sender is known."""
        record, keep = recorded(self.crossing, refused, self.world.recorder)
        if keep and self.store is not None:
            content = self.crossing.claim.content if record.outcome is Outcome.MISMATCH else None
            quietly(self.store.record_refusal, record, self.crossing.key, content)


_ANSWERS: Final[dict[type[Question], Callable[[Run, Any], Any]]] = {
    Confirm: Run.ask,
    Name: Run.look,
    Begin: Run.begin,
    Lookup: Run.lookup,
    Decide: Run.ask,
    Act: Run.act,
    Hold: Run.hold,
    Settle: Run.settle,
    Refresh: Run.refresh,
    Recall: Run.recall,
    Undo: Run.undo,
    Count: Run.count,
    Uncount: Run.uncount,
    Hand: Run.ask,
    Finish: Run.finish,
}


def drive(flow: Flow[T], crossing: Crossing, world: World) -> T:
    """Drive a flow to its end on this thread; with a deadline on a thread of the pool.

    Raises:
        Refused: the only thing that leaves, save what the user's own effect raises.
    """
    outer, began = current(), perf_counter()
    go_to(crossing.id)
    try:
        if world.deadline is None:
            return finish(flow, Run(crossing, world))
        return _drive_in_time(flow, crossing, world, world.deadline)
    finally:
        go_to(outer)
        world.crossed(crossing, perf_counter() - began)


def _drive_in_time(flow: Flow[T], crossing: Crossing, world: World, deadline: float) -> T:
    gate = Gate()
    run = Run(crossing, world, gate)
    # With the caller's context: Flask's g, Django's language, what a log line is bound to.
    pool = world.pools.of(crossing.boundary.name)
    try:
        future = pool.submit(copy_context().run, finish, flow, run)
    except NoThread:
        refused = no_thread(crossing, None)
        run.refuse(refused)
        raise refused from None
    try:
        return cast("T", future.result(deadline))
    except FutureTimeoutError:
        if future.done() or not gate.revoke():
            return cast("T", future.result())
        pool.give_up(future)
        refused = too_late(run.question)
        revoke(run, refused)
        raise refused from None


def revoke(run: Run, refused: Refused) -> None:
    """Give back the holds of a run that hangs on another thread; record that it was too late."""
    for key, token in tuple(run.holds.items()):
        quietly(run.world.pools.of().submit, needed(run.store).release, key, token)
    recorded(run.crossing, refused, run.world.recorder)
    refused.crossing_id = run.crossing.id


def finish(flow: Flow[T], run: Run, question: Question | None = None) -> T:
    """Drive a flow to its end; roll back and record what ends it early."""
    try:
        return _loop(flow, run, question)
    except BaseException as error:
        run.abandon(error)
        refused = closed(error, run.question, run)
        if isinstance(refused, Refused):
            if not (run.gate is not None and run.gate.is_revoked):
                run.refuse(refused)
        elif (record := effect_record(run, error)) is not None:
            if isinstance(error, Exception) and run.store is not None:
                quietly(run.store.record_refusal, record, run.crossing.key, None)
            run.world.recorder.emit(record, sample=False)
        if refused is error:
            raise
        raise refused from error
    finally:
        run.world.asked(run.crossing, run.waits)


def _loop(flow: Flow[T], run: Run, question: Question | None) -> T:
    gate = run.gate
    try:
        if question is None:
            question = next(flow)
        while True:
            run.question, began = question, perf_counter()
            try:
                if gate is not None and gate.is_revoked:
                    raise too_late(question)  # noqa: TRY301  the flow is told, like of any other failure
                answer_of = _ANSWERS.get(type(question))
                answer = answer_of(run, question) if answer_of is not None else run.other(question)
            except BaseException as error:  # noqa: BLE001  the flow decides what becomes of it
                run.waits.append((type(question), perf_counter() - began))
                question = flow.throw(closed(error, question, run))
            else:
                run.waits.append((type(question), perf_counter() - began))
                question = flow.send(answer)
    except StopIteration as end:
        told: T = end.value
        return told


def _has_await(kind: type) -> bool:
    return hasattr(kind, "__await__")


is_awaitable: Final[Callable[[type], bool]] = lru_cache(maxsize=512)(_has_await)
"""(type of what a callable returned) -> whether it is to be awaited.

By its type, since an object may answer to any name.
"""


def needed(thing: T | None) -> T:
    """Return what start-up made sure is there."""
    if thing is None:
        message = "no store is declared: Perimeter(store=stores.…)"
        raise StoreError(message)
    return thing


def quietly(call: Callable[..., object], /, *args: object) -> None:
    """Call what tidies up after a failure; a second failure must not hide the first."""
    try:
        call(*args)
    except (StoreError, RuntimeError):
        return
