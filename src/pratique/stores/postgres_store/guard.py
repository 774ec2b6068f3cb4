"""What keeps our transaction ours while a handler has its connection."""

import inspect
from functools import lru_cache
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from psycopg import sql

from pratique.core.refusal import BoundaryError, StoreBusy
from pratique.stores.guarding import ends_it

from .running import store_error

_guards: Final[WeakKeyDictionary[Any, "Guard"]] = WeakKeyDictionary()


class Guard:
    """Stands on a connection's cursors: a statement that ends the transaction isn't sent.

    `commit()` and `rollback()` psycopg itself forbids inside `connection.transaction()`, which our
    transaction is. What it doesn't see: a cursor that isn't made by the connection, `pgconn`.
    """

    __slots__ = ("_factories", "is_broken", "reads")

    def __init__(self) -> None:
        self._factories: tuple[Any, Any] = (None, None)
        self.is_broken = False
        self.reads: list[str] = []

    def on(self, connection: Any) -> None:
        """Stand on what the connection makes from now on."""
        self._factories = connection.cursor_factory, connection.server_cursor_factory
        connection.cursor_factory = _guarded(connection.cursor_factory)
        connection.server_cursor_factory = _guarded(connection.server_cursor_factory)
        _guards[connection] = self

    def off(self, connection: Any) -> None:
        """Take it away."""
        if _guards.pop(connection, None) is self:
            connection.cursor_factory, connection.server_cursor_factory = self._factories

    def taken(self) -> list[str]:
        """Return what was sent since it was asked last."""
        reads, self.reads = self.reads, []
        return reads

    def see(self, statement: str) -> None:
        """Refuse a statement that ends the transaction; remember any other."""
        if ends_it(statement):
            self.is_broken = True
            raise BoundaryError(
                "a handler ended its own transaction: its effect and its single use would be two "
                "commits. Leave the commit to pratique; savepoints "
                "(connection.transaction()) are fine."
            )
        self.reads.append(statement)


def _look(cursor: Any, query: Any) -> None:
    guard = _guards.get(cursor.connection)
    if guard is not None:
        guard.see(_text(cursor.connection, query))


def _text(connection: Any, query: Any) -> str:
    if isinstance(query, bytes):
        return query.decode(errors="replace")
    if isinstance(query, sql.Composable):
        return query.as_string(connection)
    if isinstance(query, str):
        return query
    return " ".join(getattr(query, "strings", (str(query),)))  # a template string


@lru_cache(maxsize=32)
def _guarded(factory: type[Any]) -> type[Any]:
    """Return a kind of cursor that looks at each statement before it is sent."""
    sent = ("execute", "executemany", "stream", "copy")
    own = {name: _looking(getattr(factory, name)) for name in sent if hasattr(factory, name)}
    return type(f"Guarded{factory.__name__}", (factory,), own)


def _looking(plain: Any) -> Any:
    def look(self: Any, query: Any, *given: Any, **named: Any) -> Any:
        _look(self, query)
        try:
            return plain(self, query, *given, **named)
        except psycopg.Error as error:
            raise _told(error) from error

    async def alook(self: Any, query: Any, *given: Any, **named: Any) -> Any:
        _look(self, query)
        try:
            return await plain(self, query, *given, **named)
        except psycopg.Error as error:
            raise _told(error) from error

    return alook if inspect.iscoroutinefunction(plain) else look


def _told(error: psycopg.Error) -> Exception:
    """Return an error that is ours and psycopg's own: who catches either goes on.

    A row that another transaction has is "busy", wherever the callable waited for it.
    """
    ours = store_error(error)
    if not isinstance(ours, StoreBusy):
        return error
    kind: Any = type(error)
    told: Exception = _busy(kind)(str(ours))
    return told


@lru_cache(maxsize=16)
def _busy(kind: type[Any]) -> type[Any]:
    return type(kind.__name__, (StoreBusy, kind), {"__module__": kind.__module__})


def is_inside(connection: Any) -> bool:
    """Say whether the connection is in a transaction that can be committed; without a round trip.

    Raises:
        BoundaryError: a statement failed in it, and the handler swallowed that.
    """
    status = connection.pgconn.transaction_status
    if status == psycopg.pq.TransactionStatus.INERROR:
        # PostgreSQL answers COMMIT with ROLLBACK here, and calls that a success.
        raise BoundaryError(
            "a statement of the handler failed, and its error was swallowed: PostgreSQL undoes "
            "the whole transaction. Let the error out, or try the statement inside a savepoint: "
            "with connection.transaction()."
        )
    return bool(status == psycopg.pq.TransactionStatus.INTRANS)
