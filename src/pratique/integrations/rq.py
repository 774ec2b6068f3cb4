"""RQ's workers: the perimeter starts before the first job, and closes in each process."""

from typing import Any, ClassVar

from pratique.core.perimeter import Perimeter


class Started:
    """Starts a perimeter in an RQ worker: `class Worker(Started, rq.Worker): perimeter = …`.

    The worker starts it before it takes a job. A work horse that is forked inherits the start, and
    nothing that is open; one that is spawned starts by itself. Each closes it at its end.

    Raises:
        BoundaryError: from `work()`, with every debt; no job was taken.
        StoreError: from `work()`, the store doesn't answer.
    """

    perimeter: ClassVar[Perimeter]

    def work(self, *args: Any, **kwargs: Any) -> bool:
        """Start, do the jobs, close. See `rq.Worker.work`."""
        worker: Any = super()
        with self.perimeter:
            return bool(worker.work(*args, **kwargs))

    def perform_job(self, *args: Any, **kwargs: Any) -> bool:
        """Do one job; a work horse closes, since `os._exit` ends it right after."""
        worker: Any = super()
        self.perimeter.start()
        try:
            return bool(worker.perform_job(*args, **kwargs))
        finally:
            if worker.is_horse:
                self.perimeter.close()
