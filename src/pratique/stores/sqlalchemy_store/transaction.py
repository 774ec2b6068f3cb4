"""One transaction of a user's SQLAlchemy session, sync and async.

Keys, effect and record in one commit.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, TypeVar, cast

from sqlalchemy import CursorResult, TextClause, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from pratique.core.event import Record
from pratique.core.marking import mark_proven
from pratique.core.refusal import BoundaryError, StoreBusy, StoreError
from pratique.core.store import Kept
from pratique.stores import inbox_statements, statements
from pratique.stores.statements import Dialect, Result, Steps

from .guard import Guard, driver_is_inside
from .proven_session import OURS

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


@lru_cache(maxsize=64)
def _text(statement: str) -> TextClause:
    return text(statement).execution_options(**{OURS: True})


def run(session: Session, steps: Steps[T]) -> T:
    """Run steps on a session; StoreError for whatever the database says."""
    try:
        statement, parameters = next(steps)
        while True:
            result = cast("CursorResult[Any]", session.execute(_text(statement), parameters))
            rows = [tuple(row) for row in result] if result.returns_rows else []
            statement, parameters = steps.send(Result(rows, result.rowcount))
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
        try:
            self._root = session.begin()
            self._guard = Guard.on(session)
        except TROUBLE as error:
            session.close()
            raise store_error(error) from error

    def first_use(self, keys: Sequence[bytes], record: Record) -> bytes | None:
        """See `Transaction.first_use`."""
        used = run(
            self.session, statements.first_use(self._dialect, keys, record.crossing_id, record)
        )
        self._guard.is_armed = True
        mark_proven(self.session, record.declaration or record.boundary)
        return used

    def keep(self, key: bytes, kept: Kept) -> None:
        """See `Transaction.keep`."""
        run(self.session, statements.keep(key, kept))

    def kept(self, key: bytes) -> Kept | None:
        """See `Transaction.kept`."""
        return run(self.session, statements.kept(key))

    def finish(self, id: str, token: int) -> bool:
        """See `Finishing.finish`."""
        return run(self.session, inbox_statements.done(self._dialect, id, token))

    def lock(self, linked: object) -> None:
        """Lock the row on databases with row locks, where `link` hasn't."""
        if self.lacks_lock(linked):
            try:
                self.session.refresh(linked, with_for_update=True)
            except TROUBLE as error:
                raise store_error(error) from error

    def lacks_lock(self, linked: object) -> bool:
        """Say whether another transaction could change the row. Without a round trip."""
        if self._dialect.name != "postgresql":
            return False  # SQLite's write lock is held already
        state: Any = inspect(linked, raiseerr=False)
        if getattr(state, "session", None) is not self.session:
            return False  # no row of the ORM in this session: `link` itself has to lock it
        tables = (str(getattr(table, "name", table)) for table in state.mapper.tables)
        return not self._guard.locked(tables)

    def commit(self) -> None:
        """See `Transaction.commit`."""
        if self.session.get_transaction() is self._root and self._root.is_active:
            self.session.flush()
        if (
            self._guard.is_broken
            or self.session.get_transaction() is not self._root
            or not self._root.is_active
            or not driver_is_inside(self.session.connection())
        ):
            raise BoundaryError(statements.ENDED)
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


class AsyncSqlTransaction:
    """The same transaction on the event loop; callables get the AsyncSession."""

    def __init__(self, session: AsyncSession, dialect: Dialect) -> None:
        self.session = session
        self._dialect = dialect
        self._inner: SqlTransaction | None = None

    async def first_use(self, keys: Sequence[bytes], record: Record) -> bytes | None:
        """See `Transaction.first_use`."""

        def begin(session: Session) -> bytes | None:
            self._inner = SqlTransaction(session, self._dialect)
            return self._inner.first_use(keys, record)

        return await self.session.run_sync(begin)

    async def keep(self, key: bytes, kept: Kept) -> None:
        """See `Transaction.keep`."""
        inner = self._begun()
        await self.session.run_sync(lambda _: inner.keep(key, kept))

    async def kept(self, key: bytes) -> Kept | None:
        """See `Transaction.kept`."""
        inner = self._begun()
        return await self.session.run_sync(lambda _: inner.kept(key))

    async def finish(self, id: str, token: int) -> bool:
        """See `Finishing.finish`."""
        inner = self._begun()
        return await self.session.run_sync(lambda _: inner.finish(id, token))

    async def lock(self, linked: object) -> None:
        """See `Transaction.lock`."""
        inner = self._begun()
        if inner.lacks_lock(linked):
            await self.session.run_sync(lambda _: inner.lock(linked))

    async def commit(self) -> None:
        """See `Transaction.commit`."""
        inner = self._begun()
        await self.session.run_sync(lambda _: inner.commit())

    def _begun(self) -> SqlTransaction:
        if self._inner is None:
            message = "the transaction has no first use"
            raise StoreError(message)
        return self._inner

    async def rollback(self) -> None:
        """Roll back; a connection whose call was cancelled, or that hangs, is thrown away."""
        try:
            async with asyncio.timeout(ROLLBACK_SECONDS):
                if self._inner is None:
                    await self.session.close()
                else:
                    inner = self._inner
                    await self.session.run_sync(lambda _: inner.rollback())
        except Exception:  # noqa: BLE001
            with suppress(*TROUBLE):
                await self.session.invalidate()
