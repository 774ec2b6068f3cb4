"""Steps of the SQL stores on a connection of psycopg's, sync and async."""

import re
from functools import lru_cache
from typing import Any, Final, TypeVar

import psycopg
from psycopg.rows import tuple_row
from psycopg_pool import PoolTimeout

from pratique.core.refusal import StoreBusy, StoreError
from pratique.stores.statements import Result, Steps

from .connections import NoAnswer

T = TypeVar("T")
TROUBLE: Final = (psycopg.Error, OSError)
_NAMES: Final = re.compile(r":([a-z]\w*)")
_BUSY: Final = {
    "55P03": "the database is locked by another writer",  # lock_not_available
    "40001": "the database is locked by another writer",  # serialization_failure
    "40P01": "the database is locked by another writer",  # deadlock_detected
    "57014": "a statement took longer than its timeout",  # query_canceled
    "53300": "the server has no connection left",  # too_many_connections
}


@lru_cache(maxsize=256)
def _in_psycopgs_words(statement: str) -> bytes:
    return _NAMES.sub(r"%(\1)s", statement).encode()


def run(connection: psycopg.Connection[Any], steps: Steps[T]) -> T:
    """Run steps on a connection; StoreError for whatever the database says."""
    try:
        # Not by the connection's own factory, which a guard stands on, nor by its row factory.
        with psycopg.Cursor(connection, row_factory=tuple_row) as cursor:
            statement, given = next(steps)
            while True:
                cursor.execute(_in_psycopgs_words(statement), given or None)
                statement, given = steps.send(_result(cursor, _rows_of(cursor)))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    except TROUBLE as error:
        raise store_error(error) from error


async def arun(connection: psycopg.AsyncConnection[Any], steps: Steps[T]) -> T:
    """Do the same on the event loop."""
    try:
        async with psycopg.AsyncCursor(connection, row_factory=tuple_row) as cursor:
            statement, given = next(steps)
            while True:
                await cursor.execute(_in_psycopgs_words(statement), given or None)
                rows = await cursor.fetchall() if cursor.description is not None else []
                statement, given = steps.send(_result(cursor, rows))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    except TROUBLE as error:
        raise store_error(error) from error


def _rows_of(cursor: psycopg.Cursor[Any]) -> list[Any]:
    return cursor.fetchall() if cursor.description is not None else []


def _result(cursor: Any, rows: list[Any]) -> Result:
    return Result(rows, cursor.rowcount)


def store_error(error: Exception) -> StoreError:
    """Return a StoreError that names the kind of error, and no value of a statement."""
    state = getattr(error, "sqlstate", None) or ""
    if state in _BUSY:
        return StoreBusy(_BUSY[state])
    if isinstance(error, NoAnswer):
        return StoreError("the database doesn't answer")
    if isinstance(error, PoolTimeout):
        return StoreError("no connection to the database could be had in time")
    return StoreError(f"the database says {type(error).__name__} {state}".rstrip())
