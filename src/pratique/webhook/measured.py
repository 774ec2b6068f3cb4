"""What a webhook boundary tells of itself for metrics: its secrets, and what its inbox keeps."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from pratique.core.inbox import InboxStatus, inbox_of
from pratique.core.secret import LiveSecret
from pratique.core.store import Store
from pratique.core.watcher import Sample

from .inbox import Inbox

if TYPE_CHECKING:
    from .kept import Kept


class Measured:
    """Gives a boundary its own figures."""

    name: str
    inbox: Inbox | None
    _live: tuple[LiveSecret, ...]
    _store: Store | None

    def samples(self) -> Sequence[Sample]:
        """Return its secrets' figures, and its inbox's where the store can be asked on a thread.

        Raises:
            StoreError: the store doesn't answer.
        """
        found = list(self._of_secrets())
        inbox = None
        if self.inbox is not None and self._store is not None:
            inbox = inbox_of(self._store.sync)
        if inbox is not None:
            found += _of_inbox(self.name, inbox.status(self.name))
        return found

    async def asamples(self) -> Sequence[Sample]:
        """Return the same on the event loop, whichever face the store has."""
        found = list(self._of_secrets())
        if self.inbox is not None and self._store is not None:
            found += _of_inbox(self.name, await cast("Kept", self).ainbox_status())
        return found

    def _of_secrets(self) -> Iterator[Sample]:
        for secret in self._live:
            labels = {"boundary": self.name, "secret": secret.name}
            yield Sample(
                "pratique_secret_used_total", labels, 0
            )  # also one that opened nothing yet
            if secret.not_after is not None:
                end = secret.not_after.timestamp()
                yield Sample("pratique_secret_not_after_timestamp_seconds", labels, end)


def _of_inbox(name: str, status: InboxStatus) -> Iterator[Sample]:
    labels = {"boundary": name}
    yield Sample("pratique_inbox_pending", labels, status.pending)
    yield Sample("pratique_inbox_oldest_seconds", labels, status.oldest.total_seconds())
    yield Sample("pratique_dead_letters", labels, status.dead)
