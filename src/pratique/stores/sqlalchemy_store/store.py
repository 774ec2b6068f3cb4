"""Keys and events in the user's own database, by SQLAlchemy, sync and async."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from pratique.core.refusal import BoundaryError, StoreBusy, StoreError
from pratique.core.roots import Root, RootKind
from pratique.stores import schema, statements
from pratique.stores.sql_face import SqlFace, is_used
from pratique.stores.sql_inbox import AsyncSqlInbox, SqlInbox
from pratique.stores.statements import DIALECTS, PROBE, Dialect, Make
from pratique.stores.store_tables import lacks_the_right

from .guard import check_session, check_session_is_durable, guard_engine
from .transaction import TROUBLE, AsyncSqlTransaction, SqlTransaction, run, store_error

_TRIES: Final = 3
_UPGRADING: Final = "the store's tables are being made or upgraded by another process"


class SqlAlchemyStore:
    """See `pratique.stores.sqlalchemy`."""

    name: str = "sqlalchemy"
    """Before the start and after: what is declared has one digest, which results of tests name."""
    transactional: bool = True
    has_session: bool = True

    def __init__(self, session: Callable[[], Any], *, identity: str = "") -> None:
        self._is_async = isinstance(session, async_sessionmaker)
        self.sync = None if self._is_async else _SyncFace(session, identity)
        self.asynchronous = _AsyncFace(session, identity) if self._is_async else None
        self.roots: tuple[Root, ...] = (Root(RootKind.STORE, "our own database"),)


class _Face(SqlFace):
    """What both faces share."""

    def __init__(self, session: Callable[[], Any], identity: str) -> None:
        self.new_session = session
        self._identity = identity
        self.dialect: Dialect | None = None

    def prepare(self, session: Session) -> None:
        """Look at the session, make the tables, watch the engine."""
        engine = check_session(session)
        dialect = DIALECTS.get(engine.dialect.name)
        if dialect is None:
            message = f"the database is {engine.dialect.name}; known are {', '.join(DIALECTS)}."
            raise BoundaryError(message)
        self.dialect = dialect
        check_session_is_durable(session, dialect.name)
        guard_engine(engine, type(session))
        session.rollback()
        identity = self._make_tables(session, dialect)
        session.commit()
        self._identity = identity

    def _make_tables(self, session: Session, dialect: Dialect) -> str:
        for _ in range(_TRIES):
            try:
                steps = schema.make_tables(dialect, uuid4().hex, expected=self._identity)
                return run(session, steps)
            except StoreBusy:  # another process was upgrading them between our read and our lock
                session.rollback()
            except StoreError as error:
                if schema.NO_RIGHT not in str(error):
                    raise
                session.rollback()
                role = session.scalar(text("SELECT CAST(current_user AS text)"))
                raise lacks_the_right(error, str(role)) from error
        raise StoreBusy(_UPGRADING)

    def probe(self, session: Session) -> None:
        """Write what is going to be rolled back."""
        run(session, statements.first_use(self.known(), (PROBE,), "probe"))

    def check_probe(self, session: Session) -> None:
        """Refuse a session whose rollback undid nothing."""
        if run(session, statements.is_there(PROBE)):
            run(session, statements.forget(PROBE))
            session.commit()
            message = (
                "the session commits each statement by itself (isolation_level AUTOCOMMIT?): a "
                "rollback undid nothing, so an "
                "effect and its single use would be two commits. Give pratique a sessionmaker on "
                "an engine without it."
            )
            raise BoundaryError(message)

    def known(self) -> Dialect:
        if self.dialect is None:
            message = "the store hasn't started"
            raise StoreError(message)
        return self.dialect


class _SyncFace(_Face):
    def __init__(self, session: Callable[[], Any], identity: str) -> None:
        super().__init__(session, identity)
        self.inbox = SqlInbox(self.known, self._do)

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
            message = (
                f"stores.sqlalchemy() takes a sessionmaker; it makes {type(session).__name__}."
            )
            raise BoundaryError(message)
        return session

    def close(self) -> None:
        """Keep the engine: it is the user's."""

    def begin(self) -> SqlTransaction:
        return SqlTransaction(self._open(), self.known())

    look = begin

    def _do(self, make: Make, then: Callable[[Any, Session], object] | None = None) -> Any:
        session = self._open()
        try:
            result = run(session, make())
            if then is not None:
                then(result, session)
            if not is_used(result):
                session.commit()
        except TROUBLE as error:
            raise store_error(error) from error
        finally:
            session.close()
        return result


class _AsyncFace(_Face):
    def __init__(self, session: Callable[[], Any], identity: str) -> None:
        super().__init__(session, identity)
        self.inbox = AsyncSqlInbox(self.known, self._do)

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

    async def begin(self) -> AsyncSqlTransaction:
        return AsyncSqlTransaction(self.new_session(), self.known())

    look = begin

    async def _do(
        self, make: Make, then: Callable[[Any, AsyncSession], Awaitable[object]] | None = None
    ) -> Any:
        session = self.new_session()
        try:
            result: Any = await session.run_sync(run, make())
            if then is not None:
                await then(result, session)
            if not is_used(result):
                await session.commit()
        except TROUBLE as error:
            raise store_error(error) from error
        finally:
            await session.close()
        return result
