"""Every question to a SQL store as its statements, once, whoever runs them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pratique.core.event import Record
from pratique.core.store import Stale

from . import ageing, statements
from .statements import Dialect, Make


class SqlFace(ABC):
    """What both faces promise, in the words of either: what `_do` gives is awaited or is there."""

    @abstractmethod
    def known(self) -> Dialect:
        """Return the dialect.

        Raises:
            StoreError: before the start, where it isn't known yet.
        """

    @abstractmethod
    def _do(self, make: Make, then: Callable[[Any, Any], Any] | None = None) -> Any:
        """Run steps in a transaction; undo it where `is_used` says so of what came of them.

        Args:
            make: () -> the steps.
            then: (what came of them, session) -> what is done in the same transaction.
        """

    def _write(self, make: Make) -> Any:
        """Run steps of which each may be a commit of its own."""
        return self._do(make)

    def _read(self, make: Make) -> Any:
        """Run steps that only read."""
        return self._write(make)

    def count(self, key: bytes, window: timedelta) -> Any:
        """See `SyncStore.count`."""
        return self._write(partial(statements.count, self.known(), key, window))

    def uncount(self, key: bytes, times: int) -> Any:
        """See `SyncStore.uncount`."""
        return self._write(partial(statements.uncount, key, times))

    def first_use(self, keys: Sequence[bytes], crossing_id: str) -> Any:
        """See `SyncStore.first_use`: all of the keys or none."""
        # One key is one statement, and where it was used before nothing is there to undo.
        use = self._write if len(keys) == 1 else self._do
        return use(partial(statements.first_use, self.known(), keys, crossing_id))

    def hold(
        self, key: bytes, *, lease: timedelta, fingerprint: bytes = b"", crossing_id: str = ""
    ) -> Any:
        """See `SyncStore.hold`."""
        return self._write(
            partial(
                statements.hold,
                self.known(),
                key,
                lease=lease,
                fingerprint=fingerprint,
                crossing_id=crossing_id,
            )
        )

    def settle(
        self, key: bytes, token: int, result: bytes = b"", *, record: Record | None = None
    ) -> Any:
        """See `SyncStore.settle`."""
        return self._write(partial(statements.settle, key, token, result, record))

    def release(self, key: bytes, token: int) -> Any:
        """See `SyncStore.release`."""
        return self._write(partial(statements.release, key, token))

    def record_refusal(self, record: Record, key: bytes, content: bytes | None) -> Any:
        """See `SyncStore.record_refusal`."""
        return self._write(lambda: statements.one(statements.refusal(record, key, content)))

    def find(self, crossing_id: str) -> Any:
        """See `SyncStore.find`."""
        return self._read(partial(statements.find, crossing_id))

    def revoke(self, key: bytes, *, until: datetime, kept: timedelta) -> Any:
        """See `SyncStore.revoke`."""
        return self._write(partial(ageing.revoke, self.known(), key, until, kept))

    def revoked(self, keys: Sequence[bytes]) -> Any:
        """See `SyncStore.revoked`."""
        return self._read(partial(ageing.revoked, keys))

    def sweep(self, what: Stale, *, after: bytes, most: int) -> Any:
        """See `SyncStore.sweep`."""
        return self._do(partial(ageing.sweep, self.known(), what, after, most))

    def forget_contents(self, *, kept: timedelta, after: bytes, most: int) -> Any:
        """See `Forgetting.forget_contents`. What is left is where the next slice begins."""
        _ = after
        return self._write(partial(ageing.forget_contents, self.known(), kept, most))


def is_used(found: object) -> bool:
    """Say whether a first use found a key that was used before: then none is used."""
    return isinstance(found, bytes)
