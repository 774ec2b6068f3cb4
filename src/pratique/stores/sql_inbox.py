"""The inbox of every SQL store: its statements, run as the store runs its own."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from pratique.core.inbox import (
    AsyncWithin,
    Delivery,
    InboxStatus,
    Listed,
    State,
    Taken,
    Within,
)
from pratique.core.refusal import StoreError

from . import inbox_statements as statements
from .statements import Dialect, Make, Steps


class Do(Protocol):
    """How a store runs steps in one transaction of its own."""

    def __call__(self, make: Make, then: Callable[[Any, Any], object] | None = None) -> Any:
        """Run the steps, then (answer, session) before the commit; return the answer."""
        ...


class AsyncDo(Protocol):
    """`Do` on the event loop."""

    def __call__(
        self, make: Make, then: Callable[[Any, Any], Awaitable[object]] | None = None
    ) -> Awaitable[Any]:
        """Do the same."""
        ...


class SqlInbox:
    """See `SyncInbox`.

    Args:
        dialect: () -> the dialect; StoreError before the start.
        do: Runs steps.
    """

    def __init__(self, dialect: Callable[[], Dialect], do: Do) -> None:
        self._dialect, self._do = dialect, do

    def _run(self, steps: Callable[..., Steps[Any]], *args: object) -> Any:
        return self._do(partial(steps, self._dialect(), *args))

    def put(self, delivery: Delivery, within: Within | None = None) -> bool:
        """See `SyncInbox.put`."""

        def then(is_new: object, session: object) -> None:
            if is_new and within is not None:
                within(delivery.id, session)

        make = partial(statements.put, self._dialect(), delivery)
        return bool(self._do(make, then if within is not None else None))

    def take(self, boundary: str, *, lease: timedelta, id: str = "") -> Taken | None:
        """See `SyncInbox.take`."""
        return self._run(statements.take, boundary, lease, id)  # type: ignore[no-any-return]

    def done(self, id: str, token: int) -> bool:
        """See `SyncInbox.done`."""
        return bool(self._run(statements.done, id, token))

    def later(
        self, id: str, token: int, *, pause: timedelta, code: str, crossing_id: str = ""
    ) -> bool:
        """See `SyncInbox.later`."""
        return bool(self._run(statements.later, id, token, pause, code, crossing_id))

    def dead(self, id: str, token: int, *, code: str, crossing_id: str = "") -> bool:
        """See `SyncInbox.dead`."""
        return bool(self._run(statements.dead, id, token, code, crossing_id))

    def move(self, id: str, to: State) -> bool:
        """See `SyncInbox.move`."""
        return bool(self._run(statements.move, id, to))

    def listed(
        self, boundary: str = "", *, state: State | None = None, after: str = "", most: int = 100
    ) -> Sequence[Listed]:
        """See `SyncInbox.listed`."""
        return self._run(statements.listed, boundary, state, after, most)  # type: ignore[no-any-return]

    def show(self, id: str) -> tuple[Listed, Delivery | None] | None:
        """See `SyncInbox.show`."""
        return self._run(statements.show, id)  # type: ignore[no-any-return]

    def status(self, boundary: str) -> InboxStatus:
        """See `SyncInbox.status`."""
        return self._run(statements.status, boundary)  # type: ignore[no-any-return]

    def forgotten(
        self, boundary: str, *, since: timedelta, most: int, within: Within | None = None
    ) -> Sequence[str]:
        """See `SyncInbox.forgotten`."""

        def then(ids: Sequence[str], session: object) -> None:
            for each in ids:
                if within is not None:
                    within(each, session)

        make = partial(statements.forgotten, self._dialect(), boundary, since, most)
        return self._do(make, then if within is not None else None)  # type: ignore[no-any-return]

    def forget(self, boundary: str, *, kept: timedelta, most: int) -> int:
        """See `SyncInbox.forget`."""
        return int(self._run(statements.forget, boundary, kept, most))


class AsyncSqlInbox:
    """See `AsyncInbox`. Args as `SqlInbox`."""

    def __init__(self, dialect: Callable[[], Dialect], do: AsyncDo) -> None:
        self._dialect, self._do = dialect, do

    async def _run(self, steps: Callable[..., Steps[Any]], *args: object) -> Any:
        return await self._do(partial(steps, self._dialect(), *args))

    async def put(self, delivery: Delivery, within: AsyncWithin | None = None) -> bool:
        """See `SyncInbox.put`."""

        async def then(is_new: object, session: object) -> None:
            if is_new and within is not None:
                await within(delivery.id, session)

        make = partial(statements.put, self._dialect(), delivery)
        return bool(await self._do(make, then if within is not None else None))

    async def take(self, boundary: str, *, lease: timedelta, id: str = "") -> Taken | None:
        """See `SyncInbox.take`."""
        return await self._run(statements.take, boundary, lease, id)  # type: ignore[no-any-return]

    async def done(self, id: str, token: int) -> bool:
        """See `SyncInbox.done`."""
        return bool(await self._run(statements.done, id, token))

    async def later(
        self, id: str, token: int, *, pause: timedelta, code: str, crossing_id: str = ""
    ) -> bool:
        """See `SyncInbox.later`."""
        return bool(await self._run(statements.later, id, token, pause, code, crossing_id))

    async def dead(self, id: str, token: int, *, code: str, crossing_id: str = "") -> bool:
        """See `SyncInbox.dead`."""
        return bool(await self._run(statements.dead, id, token, code, crossing_id))

    async def move(self, id: str, to: State) -> bool:
        """See `SyncInbox.move`."""
        return bool(await self._run(statements.move, id, to))

    async def listed(
        self, boundary: str = "", *, state: State | None = None, after: str = "", most: int = 100
    ) -> Sequence[Listed]:
        """See `SyncInbox.listed`."""
        return await self._run(statements.listed, boundary, state, after, most)  # type: ignore[no-any-return]

    async def show(self, id: str) -> tuple[Listed, Delivery | None] | None:
        """See `SyncInbox.show`."""
        return await self._run(statements.show, id)  # type: ignore[no-any-return]

    async def status(self, boundary: str) -> InboxStatus:
        """See `SyncInbox.status`."""
        return await self._run(statements.status, boundary)  # type: ignore[no-any-return]

    async def forgotten(
        self, boundary: str, *, since: timedelta, most: int, within: AsyncWithin | None = None
    ) -> Sequence[str]:
        """See `SyncInbox.forgotten`."""

        async def then(ids: Sequence[str], session: object) -> None:
            for each in ids:
                if within is not None:
                    await within(each, session)

        make = partial(statements.forgotten, self._dialect(), boundary, since, most)
        return await self._do(make, then if within is not None else None)  # type: ignore[no-any-return]

    async def forget(self, boundary: str, *, kept: timedelta, most: int) -> int:
        """See `SyncInbox.forget`."""
        return int(await self._run(statements.forget, boundary, kept, most))


def no_session(then: object) -> None:
    """Refuse to do something more in a transaction whose store has no session.

    Raises:
        StoreError: *then* is given.
    """
    if then is not None:
        raise StoreError("the store has no session for what is done with a delivery")
