"""Celery's workers: the perimeter starts before the first task, and its inboxes are worked."""

from datetime import timedelta
from typing import Any, Final

from celery import signals as _untyped  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError, StoreError
from pratique.webhook import Webhook

_signals: Any = _untyped
_STORE_PAUSE: Final = 5
"""Seconds, while the store doesn't answer."""
_LONGEST_COUNTDOWN: Final = timedelta(minutes=5)
_SWEEP_SECONDS: Final = 60.0


def start_in_workers(perimeter: Perimeter) -> None:
    """Start a perimeter in each worker of this code base, and close it where a process ends.

    A worker starts it before its pool: with a debt, or a store that doesn't answer, it takes no
    task and ends with status 1. Its forked processes inherit the start, and make connections and
    threads anew. A process that merely sends tasks starts nothing.

    Args:
        perimeter: Every boundary is declared where the tasks' modules are imported.
    """

    def start(**_: Any) -> None:
        try:
            perimeter.start()
        except (BoundaryError, StoreError) as error:
            # Celery logs an Exception of a receiver and goes on to take tasks.
            message = f"the worker doesn't start: {error}"
            raise SystemExit(message) from error

    def close(**_: Any) -> None:
        if perimeter.is_started:
            perimeter.close()

    # The second: where a pool's processes are spawned instead of forked.
    for signal in (_signals.worker_init, _signals.worker_process_init):
        signal.connect(start, weak=False)
    for signal in (_signals.worker_process_shutdown, _signals.worker_shutdown):
        signal.connect(close, weak=False)


def inbox_task(app: Any, boundary: Webhook) -> Any:
    """Return the task that works what a boundary keeps, and let Celery be told of each delivery.

        payments = perimeter.declare(Webhook("payments", …, inbox=Inbox()))
        start_in_workers(perimeter)
        inbox_task(app, payments)

    A task that is lost (the broker was emptied or down, a worker was killed) is sent again by
    `pratique.<boundary>.sweep`, which `celery beat` runs each minute, or whoever calls
    `boundary.sweep()`: without it such a delivery waits for ever.

    Args:
        app: Of Celery.
        boundary: Declared with an inbox, on a store with a sync face; before the start.

    Raises:
        BoundaryError: it keeps no deliveries, or tells somebody else.
    """
    name = f"pratique.{boundary.name}"

    def work(task: Any, id: str) -> None:
        try:
            worked = boundary.work(id)
        except StoreError as error:
            raise task.retry(exc=error, countdown=_STORE_PAUSE, max_retries=None) from None
        # A task that waits for its time stays with a worker, and is lost or comes twice with it:
        # for long the row waits by itself, and the sweep tells of it again.
        if worked.again_in is not None and worked.again_in <= _LONGEST_COUNTDOWN:
            raise task.retry(countdown=worked.again_in.total_seconds(), max_retries=None)

    def swept() -> None:
        boundary.sweep()

    made = app.task(work, name=name, bind=True, ignore_result=True, shared=False)
    app.task(swept, name=f"{name}.sweep", ignore_result=True, shared=False)
    app.conf.beat_schedule = {
        **(app.conf.beat_schedule or {}),
        f"{name}.sweep": {"task": f"{name}.sweep", "schedule": _SWEEP_SECONDS},
    }

    def tell(id: str) -> None:
        made.apply_async((id,), retry=False)  # the row is there: who waits for a broker is a sender

    boundary.tell(tell)
    return made
