"""One transaction of a user's SQLAlchemy session, sync and async.

Keys, effect and record in one commit.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, TypeVar

from sqlalchemy import CursorResult, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from pratique.core.event import Record
from pratique.core.refusal import BoundaryError, StoreBusy, StoreError
from pratique.stores import statements
from pratique.stores.statements import Dialect, Steps

from .guard import Guard

T = TypeVar("T")
ROLLBACK_SECONDS: Final = 1.0
TROUBLE: Final = (
    SQLAlchemyError,
    OSError,
)  # asyncpg lets a refused or a cut connection through as it is
_BUSY: Final = (
    "55P03",
    "40001",
    "40P01",
)  # lock_not_available, serialization_failure, deadlock_detected

_text = lru_cache(maxsize=64)(text)


def run(session: Session, steps: Steps[T]) -> T:
    """Run steps on a session; StoreError for whatever the database says."""
    try:
        statement, parameters = next(steps)
        while True:
            result = session.execute(_text(statement), parameters)
            rows = (
                [tuple(row) for row in result]
                if isinstance(result, CursorResult) and result.returns_rows
                else []
            )
            statement, parameters = steps.send(rows)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    except TROUBLE as error:
        raise store_error(error) from error


def store_error(error: Exception) -> StoreError:
    """Return a StoreError that names the kind of error, and no value of a statement."""
    original = getattr(error, "orig", None)
    state = (
        getattr(original, "sqlstate", None)
        or getattr(getattr(original, "diag", None), "sqlstate", None)
        or ""
    )
    name = getattr(original, "sqlite_errorname", None) or type(original or error).__name__
    if state in _BUSY or name in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        return StoreBusy("the database is locked by another writer")
    return StoreError(f"the database says {name} {state}".rstrip())


class SqlTransaction:
    """One transaction of the user's session, which callables get."""

    def __init__(self, session: Session, dialect: Dialect) -> None:
        self.session = session
        self._dialect = dialect
        self._key: bytes | None = None
        try:
            self._root = session.begin()
            self._guard = Guard.on(session)
        except TROUBLE as error:
            session.close()
            raise store_error(error) from error

    def first_use(self, keys: Sequence[bytes], crossing_id: str) -> bytes | None:
        """See `Transaction.first_use`."""
        used = run(self.session, statements.first_use(self._dialect, keys, crossing_id))
        self._key = keys[0]
        return used

    def lock(self, linked: object) -> None:
        """Lock the row on databases with row locks, where `link` hasn't.

        SQLite's write lock is held already.
        """
        if self._dialect.name != "postgresql":
            return
        state: Any = inspect(linked, raiseerr=False)
        if getattr(state, "session", None) is not self.session:
            return  # no row of the ORM in this session: `link` itself has to lock it
        if self._guard.locked(str(getattr(table, "name", table)) for table in state.mapper.tables):
            return
        try:
            self.session.refresh(linked, with_for_update=True)
        except TROUBLE as error:
            raise store_error(error) from error

    def forbid_commit(self) -> None:
        """See `Transaction.forbid_commit`."""
        self._guard.is_armed = True

    def flush(self) -> None:
        """See `Transaction.flush`."""
        if self.session.get_transaction() is self._root and self._root.is_active:
            self.session.flush()

    def record(self, record: Record) -> None:
        """See `Transaction.record`."""
        self._check_ours()
        if self._key is None:
            run(self.session, statements.one(statements.event(record)))
        elif not run(self.session, statements.event_beside(record, self._key)):
            raise BoundaryError(statements.ENDED)

    def commit(self) -> None:
        """See `Transaction.commit`."""
        self._check_ours()
        self._guard.off()
        try:
            self.session.commit()
        except TROUBLE as error:
            raise store_error(error) from error
        finally:
            self.session.close()

    def rollback(self) -> None:
        """See `Transaction.rollback`."""
        try:
            self.session.close()
            self._guard.off()
        except Exception:  # noqa: BLE001  a connection that can't roll back is thrown away
            self._guard.off()
            self.session.invalidate()

    def _check_ours(self) -> None:
        if (
            self._guard.is_broken
            or self.session.get_transaction() is not self._root
            or not self._root.is_active
            or not _driver_is_inside(self.session)
        ):
            raise BoundaryError(statements.ENDED)


class AsyncSqlTransaction:
    """The same transaction on the event loop; callables get the AsyncSession."""

    def __init__(self, session: AsyncSession, inner: SqlTransaction) -> None:
        self.session = session
        self._inner = inner

    async def first_use(self, keys: Sequence[bytes], crossing_id: str) -> bytes | None:
        """See `Transaction.first_use`."""
        return await self.session.run_sync(lambda _: self._inner.first_use(keys, crossing_id))

    async def lock(self, linked: object) -> None:
        """See `Transaction.lock`."""
        await self.session.run_sync(lambda _: self._inner.lock(linked))

    def forbid_commit(self) -> None:
        """See `Transaction.forbid_commit`."""
        self._inner.forbid_commit()

    async def flush(self) -> None:
        """See `Transaction.flush`."""
        await self.session.run_sync(lambda _: self._inner.flush())

    async def record(self, record: Record) -> None:
        """See `Transaction.record`."""
        await self.session.run_sync(lambda _: self._inner.record(record))

    async def commit(self) -> None:
        """See `Transaction.commit`."""
        await self.session.run_sync(lambda _: self._inner.commit())

    async def rollback(self) -> None:
        """Roll back; a connection whose call was cancelled, or that hangs, is thrown away."""
        try:
            async with asyncio.timeout(ROLLBACK_SECONDS):
                await self.session.run_sync(lambda _: self._inner.rollback())
        except Exception:  # noqa: BLE001
            with suppress(*TROUBLE):
                await self.session.invalidate()


def _driver_is_inside(session: Session) -> bool:
    """Ask the driver, without a round trip: a handler may have committed beneath SQLAlchemy."""
    driver: Any = session.connection().connection.driver_connection
    if hasattr(driver, "is_in_transaction"):  # asyncpg
        return bool(driver.is_in_transaction())
    if hasattr(driver, "in_transaction"):  # sqlite3, aiosqlite
        return bool(driver.in_transaction)
    if hasattr(driver, "info"):  # psycopg: 0 is idle
        return bool(driver.info.transaction_status != 0)
    return True
