"""The inbox of the Redis store, for both of its faces."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pratique.core.inbox import Delivery, State
from pratique.stores.sql_inbox import no_session

from . import inbox_steps as steps
from .steps import Steps


class RedisInbox:
    """See `SyncInbox` and `AsyncInbox`: what *do* gives is there, or is awaited.

    Args:
        do: Carries steps out, as the face does that the inbox belongs to.
    """

    def __init__(self, do: Callable[[Steps[Any]], Any]) -> None:
        self._do = do

    def put(self, delivery: Delivery, within: object = None) -> Any:
        """See `SyncInbox.put`."""
        no_session(within)
        return self._do(steps.put(delivery))

    def take(self, boundary: str, *, lease: timedelta, id: str = "") -> Any:
        """See `SyncInbox.take`."""
        return self._do(steps.take(boundary, lease, id))

    def done(self, id: str, token: int) -> Any:
        """See `SyncInbox.done`."""
        return self._do(steps.ended(id, token, State.DONE, timedelta(0), "", ""))

    def later(
        self, id: str, token: int, *, pause: timedelta, code: str, crossing_id: str = ""
    ) -> Any:
        """See `SyncInbox.later`."""
        return self._do(steps.ended(id, token, State.WAITING, pause, code, crossing_id))

    def dead(self, id: str, token: int, *, code: str, crossing_id: str = "") -> Any:
        """See `SyncInbox.dead`."""
        return self._do(steps.ended(id, token, State.DEAD, timedelta(0), code, crossing_id))

    def move(self, id: str, to: State) -> Any:
        """See `SyncInbox.move`."""
        return self._do(steps.move(id, to))

    def listed(
        self, boundary: str = "", *, state: State | None = None, after: str = "", most: int = 100
    ) -> Any:
        """See `SyncInbox.listed`."""
        return self._do(steps.listed(boundary, state, after, most))

    def show(self, id: str) -> Any:
        """See `SyncInbox.show`."""
        return self._do(steps.show(id))

    def status(self, boundary: str) -> Any:
        """See `SyncInbox.status`."""
        return self._do(steps.status(boundary))

    def forgotten(
        self, boundary: str, *, since: timedelta, most: int, within: object = None
    ) -> Any:
        """See `SyncInbox.forgotten`."""
        no_session(within)
        return self._do(steps.forgotten(boundary, since, most))

    def forget(self, boundary: str, *, kept: timedelta, most: int) -> Any:
        """See `SyncInbox.forget`."""
        return self._do(steps.forget(boundary, kept, most))
