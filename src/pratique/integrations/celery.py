"""Celery's workers: the perimeter starts before the first task, and closes in each process."""

from typing import Any

from celery import signals as _untyped  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError, StoreError

_signals: Any = _untyped


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
