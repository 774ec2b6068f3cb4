"""Stands on a connection while a handler runs: nobody else ends its transaction."""

import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from pratique.core.refusal import BoundaryError
from pratique.stores.guarding import QUOTED, ends_it, locks_all

_WRITES: Final = re.compile(
    r"\s*(?:(?:insert|update|delete|merge|replace|truncate|copy)\b"
    r"|with\b.*\b(?:insert|update|delete|merge)\b)",
    re.IGNORECASE | re.DOTALL,
)


class Guard:
    """Reads each statement of a thread, from the first use to the commit.

    Django itself refuses `commit`, `rollback` and `set_autocommit` inside a block of `atomic`. What
    goes past it is refused here: SQL that ends the transaction, and a write to another database,
    which would stay when the effect is rolled back.

    Args:
        connection: Of Django's, of this thread.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._driver: Any = None
        self._others: tuple[Any, ...] = ()
        self._is_armed = False
        self.is_broken = False
        self.reads: list[str] = []

    def arm(self) -> None:
        """Begin to watch."""
        self._is_armed = True
        self._connection.execute_wrappers.append(self._watch)
        self._others = _others(self._connection)
        for other in self._others:
            other.execute_wrappers.append(self._elsewhere)
        driver = self._connection.connection
        if isinstance(driver, sqlite3.Connection):
            # The database itself refuses COMMIT, ROLLBACK and BEGIN; savepoints stay allowed.
            driver.set_authorizer(_deny_transaction)
            self._driver = driver

    def off(self) -> None:
        """Take it away."""
        if not self._is_armed:
            return
        self._is_armed = False
        _take(self._connection.execute_wrappers, self._watch)
        for other in self._others:
            _take(other.execute_wrappers, self._elsewhere)
        driver, self._driver = self._driver, None
        if driver is not None:
            with suppress(sqlite3.ProgrammingError):  # a handler closed it
                driver.set_authorizer(None)

    def locked(self, tables: Iterable[str]) -> bool:
        """Say whether each statement that read one of the tables locked what it read."""
        return locks_all(self.reads, tables)

    def _watch(
        self, execute: Callable[..., Any], sql: object, params: Any, many: Any, context: Any
    ) -> Any:
        statement = str(sql)
        if ends_it(statement):
            self.is_broken = True
            raise BoundaryError(
                "a handler ended its own transaction: its effect and its single use would be two "
                "commits. Leave the commit to pratique; blocks of atomic are fine."
            )
        self.reads.append(statement)
        return execute(sql, params, many, context)

    def _elsewhere(
        self, execute: Callable[..., Any], sql: object, params: Any, many: Any, context: Any
    ) -> Any:
        if _WRITES.match(QUOTED.sub(" ", str(sql))):
            self.is_broken = True
            raise BoundaryError(
                f"a handler writes to the database {context['connection'].alias}: its write would "
                f"be another commit than the effect's, in {self._connection.alias}. Write it in "
                f"transaction.on_commit(..., using={self._connection.alias!r})."
            )
        return execute(sql, params, many, context)


def _others(connection: Any) -> tuple[Any, ...]:
    found: list[Any] = []
    for alias in connections:
        with suppress(ImproperlyConfigured):  # without its driver nobody can write to it
            other: Any = connections[alias]
            if other is not connection:
                found.append(other)
    return tuple(found)


def _deny_transaction(action: int, *_: object) -> int:
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION else sqlite3.SQLITE_OK


def _take(wrappers: list[Any], wrapper: Callable[..., Any]) -> None:
    if wrapper in wrappers:
        wrappers.remove(wrapper)
