"""The thread that writes to a file of ours, and commits what several callers wait for at once."""

from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final

from pratique.core.refusal import BoundaryError, StoreError

from .sqlite3_store import begin_immediate, commit, roll_back, run, store_error
from .statements import Steps

MAX_WAITING: Final = 10_000
"""Operations.

More are refused at once, so that a stuck disk is noticed and memory stays bounded.
"""
MAX_BATCH: Final = 512


class Operation:
    """One thing that a caller waits for: its steps, and its end."""

    __slots__ = ("error", "is_withdrawn", "result", "steps", "tell")

    def __init__(self, steps: Callable[[], Steps[Any]], tell: Callable[[], object]) -> None:
        self.steps = steps
        self.tell = tell
        self.result: Any = None
        self.error: Exception | None = None
        self.is_withdrawn = False

    def answer(self) -> Any:
        """Return what came of it, or raise."""
        if self.error is not None:
            raise self.error
        return self.result


class Writer:
    """The thread that owns the connection.

    Answers come after COMMIT: what was acknowledged survives a power cut.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._waiting: SimpleQueue[Operation | None] = SimpleQueue()
        self._is_ended = False
        self._thread = Thread(target=self._work, name="pratique-writer", daemon=True)
        self._thread.start()

    def put(self, operation: Operation) -> None:
        """Let an operation wait for the disk. Raises StoreError where too many do."""
        if self._waiting.qsize() >= MAX_WAITING:
            message = f"{MAX_WAITING} operations wait for the disk"
            raise StoreError(message)
        self._waiting.put(operation)
        if self._is_ended:
            self._turn_away()

    def stop(self) -> None:
        """Finish what waits, close the connection, end."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        connection: Any = None
        while True:
            first = self._waiting.get()
            if first is None:
                break
            batch = [first, *self._more()]
            try:
                connection = connection if connection is not None else self._connect()
                _commit_together(connection, batch)
            except Exception as error:  # noqa: BLE001  every caller is told, the thread goes on
                for operation in batch:
                    operation.error = _told(error)
            for operation in batch:
                operation.tell()
        self._is_ended = True
        self._turn_away()
        if connection is not None:
            connection.close()

    def _turn_away(self) -> None:
        """Tell whoever came after the end.

        Both this thread and the late caller look, so nobody waits for ever.
        """
        for operation in self._more():
            operation.error = StoreError("the store is closed")
            operation.tell()

    def _more(self) -> list[Operation]:
        batch: list[Operation] = []
        try:
            while len(batch) < MAX_BATCH:
                operation = self._waiting.get_nowait()
                if operation is None:
                    self._waiting.put(None)
                    break
                batch.append(operation)
        except Empty:
            return batch
        return batch


def _commit_together(connection: Any, batch: Sequence[Operation]) -> None:
    """Do all in one transaction.

    Where one of them fails, undo it and do each in its own, so that none leaves half.
    """
    begin_immediate(connection)
    try:
        for operation in batch:
            if not operation.is_withdrawn:
                operation.result = run(connection, operation.steps())
    except BaseException:
        roll_back(connection)
        if len(batch) == 1:
            raise
        for operation in batch:
            _commit_alone(connection, operation)
        return
    commit(connection)


def _commit_alone(connection: Any, operation: Operation) -> None:
    try:
        _commit_together(connection, (operation,))
    except Exception as error:  # noqa: BLE001  its caller is told
        operation.error = _told(error)


def _told(error: Exception) -> Exception:
    return error if isinstance(error, (StoreError, BoundaryError)) else store_error(error)
