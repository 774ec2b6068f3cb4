"""Keys and events in the user's own database, in the transaction of the effect, by SQLAlchemy, sync and async."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, TypeVar
from uuid import uuid4

from sqlalchemy import CursorResult, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from ..core.event import Record
from ..core.refusal import BoundaryError, StoreBusy, StoreError
from ..core.roots import Root, RootKind
from ..core.store import HoldAnswer
from . import statements
from .sqlalchemy_guard import Guard, check_session, check_durable, guard_engine
from .statements import DIALECTS, PROBE, Dialect, Steps

T = TypeVar("T")
ROLLBACK_SECONDS: Final = 1.0
TROUBLE: Final = (SQLAlchemyError, OSError)  # asyncpg lets a refused or a cut connection through as it is
_BUSY: Final = ("55P03", "40001", "40P01")  # lock_not_available, serialization_failure, deadlock_detected

_text = lru_cache(maxsize=64)(text)


def run(session: Session, steps: Steps[T]) -> T:
    """Run steps on a session; StoreError for whatever the database says."""
    try:
        statement, parameters = next(steps)
        while True:
            result = session.execute(_text(statement), parameters)
            rows = [tuple(row) for row in result] if isinstance(result, CursorResult) and result.returns_rows else []
            statement, parameters = steps.send(rows)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    except TROUBLE as error:
        raise store_error(error) from error


def store_error(error: Exception) -> StoreError:
    """Return a StoreError that names the kind of error, and no value of a statement."""
    original = getattr(error, "orig", None)
    state = getattr(original, "sqlstate", None) or getattr(getattr(original, "diag", None), "sqlstate", None) or ""
    name = getattr(original, "sqlite_errorname", None) or type(original or error).__name__
    if state in _BUSY or name in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        return StoreBusy("the database is locked by another writer")
    return StoreError(f"the database says {name} {state}".rstrip())


class SqlAlchemyStore:
    """See `pratique.stores.sqlalchemy`."""

    transactional: Final = True
    has_session: Final = True

    def __init__(self, session: Callable[[], Any]) -> None:
        self._is_async = isinstance(session, async_sessionmaker)
        self.sync = None if self._is_async else _SyncFace(session)
        self.asynchronous = _AsyncFace(session) if self._is_async else None
        self.roots: tuple[Root, ...] = (Root(RootKind.STORE, "our own database"),)

    @property
    def name(self) -> str:
        """Return the dialect, once started."""
        face = self.asynchronous or self.sync
        return face.dialect.name if face is not None and face.dialect is not None else "sqlalchemy"


class _Face:
    """What both faces share."""

    def __init__(self, session: Callable[[], Any]) -> None:
        self.new_session = session
        self.dialect: Dialect | None = None

    def prepare(self, session: Session) -> None:
        """Look at the session, make the tables, watch the engine."""
        engine = check_session(session)
        dialect = DIALECTS.get(engine.dialect.name)
        if dialect is None:
            message = f"the database is {engine.dialect.name}; known are {', '.join(DIALECTS)}."
            raise BoundaryError(message)
        self.dialect = dialect
        check_durable(session, dialect.name)
        guard_engine(engine)
        session.rollback()
        run(session, statements.make_tables(dialect, uuid4().hex))
        session.commit()

    def probe(self, session: Session) -> None:
        """Write what is going to be rolled back."""
        run(session, statements.first_use(self.known(), (PROBE,), "probe"))

    def check_probe(self, session: Session) -> None:
        """Refuse a session whose rollback undid nothing."""
        if run(session, statements.is_there(PROBE)):
            run(session, statements.forget(PROBE))
            session.commit()
            message = (
                "the session commits each statement by itself (isolation_level AUTOCOMMIT?): a rollback undid nothing, so an "
                "effect and its single use would be two commits. Give pratique a sessionmaker on an engine without it."
            )
            raise BoundaryError(message)

    def known(self) -> Dialect:
        """Return the dialect; StoreError before the start."""
        if self.dialect is None:
            message = "the store hasn't started"
            raise StoreError(message)
        return self.dialect

    def first_use_steps(self, keys: Sequence[bytes], crossing_id: str) -> Steps[bytes | None]:
        """Return the steps of a first use."""
        return statements.first_use(self.known(), keys, crossing_id)

    def hold_steps(self, key: bytes, lease: timedelta, fingerprint: bytes, crossing_id: str) -> Steps[HoldAnswer]:
        """Return the steps of a hold."""
        return statements.hold(self.known(), key, lease=lease, fingerprint=fingerprint, crossing_id=crossing_id)


class _SyncFace(_Face):
    def start(self) -> None:
        for step in (self.prepare, self.probe, self.check_probe):
            session = self._open()
            try:
                step(session)
            except TROUBLE as error:
                raise store_error(error) from error
            finally:
                session.close()

    def _open(self) -> Session:
        session = self.new_session()
        if not isinstance(session, Session):
            message = f"stores.sqlalchemy() takes a sessionmaker; it makes {type(session).__name__}."
            raise BoundaryError(message)
        return session

    def close(self) -> None:
        """Keep the engine: it is the user's."""

    def begin(self) -> "SqlTransaction":
        return SqlTransaction(self._open(), self.known())

    def _once(self, steps: Steps[T], *, keep: Callable[[T], bool] = lambda _: True) -> T:
        session = self._open()
        try:
            result = run(session, steps)
            if keep(result):
                session.commit()
        except TROUBLE as error:
            raise store_error(error) from error
        finally:
            session.close()
        return result

    def first_use(self, keys: Sequence[bytes], crossing_id: str) -> bytes | None:
        return self._once(self.first_use_steps(keys, crossing_id), keep=lambda used: used is None)

    def hold(self, key: bytes, *, lease: timedelta, fingerprint: bytes = b"", crossing_id: str = "") -> HoldAnswer:
        return self._once(self.hold_steps(key, lease, fingerprint, crossing_id))

    def settle(self, key: bytes, token: int, result: bytes = b"", *, record: Record | None = None) -> bool:
        return self._once(statements.settle(key, token, result, record))

    def release(self, key: bytes, token: int) -> bool:
        return self._once(statements.release(key, token))

    def record_refusal(self, record: Record, key: bytes, content: bytes | None) -> None:
        self._once(statements.one(statements.refusal(record, key, content)))

    def find(self, crossing_id: str) -> Record | None:
        return self._once(statements.find(crossing_id))


class _AsyncFace(_Face):
    async def start(self) -> None:
        for step in (self.prepare, self.probe, self.check_probe):
            session: AsyncSession = self.new_session()
            try:
                await session.run_sync(step)
            except TROUBLE as error:
                raise store_error(error) from error
            finally:
                await session.close()

    async def close(self) -> None:
        """Keep the engine: it is the user's."""

    async def begin(self) -> "AsyncSqlTransaction":
        session = self.new_session()
        try:
            inner = await session.run_sync(SqlTransaction, self.known())
        except BaseException:
            await session.close()
            raise
        return AsyncSqlTransaction(session, inner)

    async def _once(self, steps: Steps[T], *, keep: Callable[[T], bool] = lambda _: True) -> T:
        session = self.new_session()
        try:
            result: T = await session.run_sync(run, steps)
            if keep(result):
                await session.commit()
        except TROUBLE as error:
            raise store_error(error) from error
        finally:
            await session.close()
        return result

    async def first_use(self, keys: Sequence[bytes], crossing_id: str) -> bytes | None:
        return await self._once(self.first_use_steps(keys, crossing_id), keep=lambda used: used is None)

    async def hold(
        self, key: bytes, *, lease: timedelta, fingerprint: bytes = b"", crossing_id: str = ""
    ) -> HoldAnswer:
        return await self._once(self.hold_steps(key, lease, fingerprint, crossing_id))

    async def settle(self, key: bytes, token: int, result: bytes = b"", *, record: Record | None = None) -> bool:
        return await self._once(statements.settle(key, token, result, record))

    async def release(self, key: bytes, token: int) -> bool:
        return await self._once(statements.release(key, token))

    async def record_refusal(self, record: Record, key: bytes, content: bytes | None) -> None:
        await self._once(statements.one(statements.refusal(record, key, content)))

    async def find(self, crossing_id: str) -> Record | None:
        return await self._once(statements.find(crossing_id))


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

    def first_use(self, keys: Sequence[bytes], crossing_id: str) -> bytes | None:
        """See `Transaction.first_use`."""
        return run(self.session, statements.first_use(self._dialect, keys, crossing_id))

    def lock(self, linked: object) -> None:
        """Lock the row on databases with row locks, where `link` hasn't; SQLite's write lock is held already."""
        if self._dialect.name != "postgresql" or self._guard.saw_row_lock or linked not in _known_to(self.session, linked):
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
        run(self.session, statements.one(statements.event(record)))

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
        self._guard.off()
        try:
            self.session.close()
        except Exception:  # noqa: BLE001  a connection that can't roll back is thrown away
            self.session.invalidate()

    def _check_ours(self) -> None:
        if self._guard.is_broken or self.session.get_transaction() is not self._root or not self._root.is_active:
            message = "the handler ended the transaction that its effect and its single use share"
            raise BoundaryError(message)


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
            await self.session.invalidate()


def _known_to(session: Session, linked: object) -> Sequence[object]:
    return (linked,) if hasattr(linked, "_sa_instance_state") and linked in session else ()


