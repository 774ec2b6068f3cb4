"""How a crossing fails closed: what goes wrong in a proof becomes a refusal, with its record."""

from typing import Protocol

from .callback import Callback
from .crossing import Crossing
from .event import Outcome, Record
from .obligation import AUTHENTIC, UNIQUE, VALID, Obligation
from .question import Act, Question, Settle
from .recorder import DURABLE, Recorder, outcome_of
from .refusal import Answer, BoundaryError, Refused, StoreBusy, StoreError, StoreUnknown
from .world import World


class Running(Protocol):
    """What a driver knows of the crossing that it drives."""

    crossing: Crossing
    world: World
    question: Question | None
    record: Record | None
    """Of what will be proven once the open transaction is committed; None from then on."""
    acted: bool


def closed(error: BaseException, question: Question | None, run: Running) -> BaseException:
    """Fail closed: turn whatever went wrong in a proof into a refusal.

    The effect's own exceptions stay what they are.
    """
    crossing, acted = run.crossing, run.acted
    if isinstance(error, StoreError) and not isinstance(error, StoreBusy):
        run.world.store_failed(question)
    if isinstance(error, Refused):
        return crossing.owns(error)
    if isinstance(error, StoreError) and isinstance(question, Settle):
        refused = _unknown()
    elif isinstance(error, StoreError):
        refused = store_refusal(error)
    elif (
        not isinstance(error, Exception)
        or (acted and isinstance(question, Act))
        or (acted and isinstance(error, BoundaryError))
    ):
        return error
    else:
        obligation = question.obligation if question is not None else _first_missing(crossing)
        call = getattr(question, "call", None)
        where = call.where if isinstance(call, Callback) else "a proof"
        crossing.error = f"{type(error).__name__} in {where}"
        refused = Refused(
            obligation,
            f"{where} raised {type(error).__name__}",
            code="internal",
            hint="the proof could not be run, so nothing was believed",
            answer=Answer.RETRY,
        )
        refused.__cause__ = error
    return crossing.owns(refused)


def effect_is_out(question: Question | None, *, acted: bool, failed: BaseException) -> bool:
    """Say whether an effect may have been done that its keys don't say yet.

    A handler that raised has told that it failed; one that was cancelled, or whose `Settle` failed,
    may have done it.
    """
    return acted and not (isinstance(question, Act) and isinstance(failed, Exception))


def _first_missing(crossing: Crossing) -> Obligation:
    return VALID if crossing.is_authentic else AUTHENTIC


def store_refusal(error: StoreError) -> Refused:
    """Return the refusal of what can't be decided while a store doesn't answer."""
    if isinstance(error, StoreBusy):
        return Refused(
            UNIQUE, str(error), code="busy", answer=Answer.RETRY, retry_after=error.retry_after
        )
    if isinstance(error, StoreUnknown):
        return Refused(
            UNIQUE,
            str(error),
            code="commit_unknown",
            hint="the next delivery tells: it has its effect, or finds that it was had",
            answer=Answer.RETRY,
        )
    return Refused(
        UNIQUE,
        f"the store can't answer: {error}",
        code="store_unavailable",
        hint="nothing was written; the sender is asked to retry",
        answer=Answer.RETRY,
    )


def _unknown() -> Refused:
    return Refused(
        UNIQUE,
        "the effect was done, and that it was done could not be written",
        code="unknown",
        hint="its key stays held until the lease ends; look whether the effect may be done twice",
        answer=Answer.RETRY,
    )


def too_late(question: Question | None) -> Refused:
    """Return the refusal of a crossing whose proofs took longer than the perimeter's deadline."""
    obligation = question.obligation if question is not None else UNIQUE
    return Refused(
        obligation,
        "the proofs were not done within the perimeter's deadline",
        code="deadline",
        hint="look which question takes long",
        answer=Answer.RETRY,
    )


def no_thread(crossing: Crossing, question: Question | None) -> Refused:
    """Return the refusal of a crossing for which there is no thread: earlier ones hang on all."""
    return crossing.owns(
        Refused(
            question.obligation if question is not None else _first_missing(crossing),
            "every thread of the boundary is kept by a callable that hasn't returned in time",
            code="no_thread",
            hint="look what a callable of ours waits for, and give it a time-out of its own",
            answer=Answer.RETRY,
        )
    )


def refusal_record(crossing: Crossing, refused: Refused) -> tuple[Record, bool]:
    """Return the record of a refusal, and whether the store keeps it too."""
    record = crossing.record(outcome_of(refused, observing=crossing.observing), refused)
    return record, crossing.is_authentic and record.outcome in DURABLE


def recorded(crossing: Crossing, refused: Refused, recorder: Recorder) -> tuple[Record, bool]:
    """Let the recorder have a refusal; return its record, and whether the store keeps it too.

    A dead letter's content is always kept: its sender has heard that it was taken.
    """
    record, keep = refusal_record(crossing, refused)
    is_told = recorder.emit(record, sample=not crossing.is_authentic, principal=crossing.principal)
    return record, keep and (is_told or record.outcome is not Outcome.REFUSED)


def effect_record(run: Running, error: BaseException) -> Record | None:
    """Return the record of an effect that ended early; None where none had begun.

    One that raised is rolled back, and its exception goes on to the framework. One that was
    cancelled is rolled back as well; outside a transaction, or while the commit was under way,
    nobody knows whether it was done, and the outcome says so.
    """
    crossing, has_raised = run.crossing, isinstance(error, Exception)
    if not run.acted:
        crossing.outcome = None  # that it would be proven was written down before its transaction
        return None
    if not has_raised and not isinstance(run.question, (Act, Settle)):
        return None
    crossing.error = f"{type(error).__name__} in the effect"
    is_undone = has_raised or run.record is not None
    return crossing.record(Outcome.EFFECT_FAILED if is_undone else Outcome.UNKNOWN)
