"""Connections that wait for an answer only so long, and what is set on each."""

import asyncio
import select
from collections.abc import Generator
from time import monotonic
from typing import Any, Final

import psycopg
from psycopg import waiting
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pratique.core.refusal import BoundaryError

INTERVAL: Final = 0.1
"""Seconds after which a wait looks at the clock again, where nothing came."""
SLACK_SECONDS: Final = 1.0
"""The server ends a statement by its own timeout first; whoever is silent for longer is gone."""
_DEFAULTS: Final[dict[str, Any]] = {
    "connect_timeout": 5,  # seconds; libpq waits for ever
    "tcp_user_timeout": 10_000,  # milliseconds until what the peer doesn't acknowledge ends it
    "application_name": "pratique",
}
_SCHEMES: Final = ("postgresql", "postgres")
_TIMEOUTS: Final = """
SELECT set_config(name, wanted, false)
FROM (VALUES ('lock_timeout', %s), ('statement_timeout', %s)) AS ours (name, wanted)
WHERE current_setting(name) = '0'
"""


class NoAnswer(psycopg.OperationalError):
    """The server took the question and said nothing."""


class Connection(psycopg.Connection[Any]):
    """A connection that is closed where no answer comes in time."""

    patience: float = 60.0
    """Seconds for one answer."""

    def wait(self, gen: Any, *given: Any, **named: Any) -> Any:
        """Wait for the server, not for ever."""
        try:
            return super().wait(_in_time(gen, self.patience), *given, **named)
        except NoAnswer:
            self.pgconn.finish()
            raise


class AsyncConnection(psycopg.AsyncConnection[Any]):
    """The same on the event loop. One whose call was cancelled is closed at once.

    psycopg would ask the server to cancel, for up to ten seconds: longer than a deadline that has
    passed already. What was open is undone where a connection ends.
    """

    patience: float = 60.0

    async def wait(self, gen: Any, interval: float = INTERVAL, timeout: Any = None) -> Any:  # noqa: ARG002, ASYNC109  psycopg's own name
        """Wait for the server, not for ever."""
        try:
            return await waiting.wait_async(
                _in_time(gen, self.patience), self.pgconn.socket, interval=interval
            )
        except (asyncio.CancelledError, NoAnswer):
            self.pgconn.finish()
            raise


def _in_time(gen: Any, seconds: float) -> Generator[Any, Any, Any]:
    end = monotonic() + seconds
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and monotonic() >= end:
                raise NoAnswer
            wanted = gen.send(ready)
    except StopIteration as done:
        return done.value


def conninfo_of(url: str) -> str:
    """Return libpq's connection string of a URL, with bounds where it names none.

    Raises:
        BoundaryError: it is none; its text, which may hold a password, isn't told.
    """
    scheme, mark, rest = url.partition("://")
    if mark:
        scheme = scheme.partition("+")[0]  # SQLAlchemy writes postgresql+psycopg://
        if scheme not in _SCHEMES:
            message = "stores.postgres(url) takes a postgresql:// URL."
            raise BoundaryError(message)
        url = f"{scheme}://{rest}"
    try:
        given: dict[str, Any] = dict(conninfo_to_dict(url))
    except psycopg.Error:
        message = "stores.postgres(url) takes a URL or a connection string of libpq's."
        raise BoundaryError(message) from None
    return make_conninfo("", **{**_DEFAULTS, **given})


def is_silent(connection: Any) -> bool:
    """Say whether an idle connection is as it was left; without a round trip.

    What can be read from it is the server's farewell, or its end.
    """
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return not poll.poll(0)


def timeouts(lock_seconds: float, statement_seconds: float) -> tuple[str, tuple[str, str]]:
    """Return the statement that sets both timeouts where a connection has none."""
    return _TIMEOUTS, (f"{int(lock_seconds * 1000)}ms", f"{int(statement_seconds * 1000)}ms")
