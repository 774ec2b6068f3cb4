"""Keys and events in the user's own PostgreSQL, by psycopg 3, sync and async."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import psycopg

from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.roots import Root, RootKind
from pratique.stores import schema, statements
from pratique.stores.durable import check_durable
from pratique.stores.sql_face import SqlFace, is_used
from pratique.stores.sql_inbox import AsyncSqlInbox, SqlInbox
from pratique.stores.statements import POSTGRESQL, PROBE, Dialect, Make, Steps
from pratique.stores.store_tables import lacks_the_right

from .running import TROUBLE, arun, run, store_error
from .source import AsyncSource, Limits, SyncSource, is_asynchronous
from .transaction import AsyncPostgresTransaction, PostgresTransaction

_CHECKS = ("SHOW synchronous_commit", "SELECT pg_is_in_recovery()", "SHOW transaction_read_only")


class PostgresStore:
    """See `pratique.stores.postgres`."""

    name: str = "postgresql"
    transactional: bool = True
    has_session: bool = True

    def __init__(
        self, source: Any, connection: type[Any] | None, limits: Limits, *, identity: str = ""
    ) -> None:
        is_async = is_asynchronous(source, connection)
        self.sync = None if is_async else _SyncFace(SyncSource(source, limits), identity)
        self.asynchronous = _AsyncFace(AsyncSource(source, limits), identity) if is_async else None
        self.roots: tuple[Root, ...] = (Root(RootKind.STORE, "our own database"),)


class _Face(SqlFace):
    """What both faces share."""

    def __init__(self, identity: str) -> None:
        self._identity = identity

    def known(self) -> Dialect:
        return POSTGRESQL


class _SyncFace(_Face):
    def __init__(self, source: SyncSource, identity: str) -> None:
        super().__init__(identity)
        self._source = source
        self.inbox = SqlInbox(lambda: POSTGRESQL, self._do)

    def start(self) -> None:
        connection = self._source.direct()
        try:
            told = {statement: run(connection, _rows(statement)) for statement in _CHECKS}
            check_durable("postgresql", told.__getitem__)
            self._identity = self._make_tables(connection)
            with connection.transaction(force_rollback=True):
                run(connection, statements.first_use(POSTGRESQL, (PROBE,), "probe"))
            if run(connection, statements.is_there(PROBE)):
                run(connection, statements.forget(PROBE))
                _end(connection)
                raise BoundaryError(_NOT_UNDONE)
            _end(connection)
        except TROUBLE as error:
            raise store_error(error) from error
        finally:
            self._source.end(connection)

    def _make_tables(self, connection: Any) -> str:
        _end(connection)
        try:
            with connection.transaction():
                return run(
                    connection,
                    schema.make_tables(POSTGRESQL, uuid4().hex, expected=self._identity),
                )
        except StoreError as error:
            if schema.NO_RIGHT not in str(error):
                raise
            rows = run(connection, _rows(_ROLE))
            raise lacks_the_right(error, str(rows[0][0])) from error

    def close(self) -> None:
        self._source.close()

    def begin(self) -> PostgresTransaction:
        return PostgresTransaction(self._source)

    look = begin

    def _do(self, make: Make, then: Callable[[Any, Any], object] | None = None) -> Any:
        connection = self._source.take()
        try:
            with connection.transaction() as block:
                found = run(connection, make())
                if then is not None:
                    then(found, connection)
                if is_used(found):
                    raise psycopg.Rollback(block)
        except TROUBLE as error:
            raise store_error(error) from error
        finally:
            self._source.give(connection)
        return found

    def _write(self, make: Make) -> Any:
        connection = self._source.take()
        try:
            found = run(connection, make())
            _end(connection)
        except TROUBLE as error:
            raise store_error(error) from error
        finally:
            self._source.give(connection)
        return found


class _AsyncFace(_Face):
    def __init__(self, source: AsyncSource, identity: str) -> None:
        super().__init__(identity)
        self._source = source
        self.inbox = AsyncSqlInbox(lambda: POSTGRESQL, self._do)

    async def start(self) -> None:
        connection = await self._source.direct()
        try:
            told = {statement: await arun(connection, _rows(statement)) for statement in _CHECKS}
            check_durable("postgresql", told.__getitem__)
            self._identity = await self._make_tables(connection)
            async with connection.transaction(force_rollback=True):
                await arun(connection, statements.first_use(POSTGRESQL, (PROBE,), "probe"))
            if await arun(connection, statements.is_there(PROBE)):
                await arun(connection, statements.forget(PROBE))
                await _aend(connection)
                raise BoundaryError(_NOT_UNDONE)
            await _aend(connection)
        except TROUBLE as error:
            raise store_error(error) from error
        finally:
            await self._source.end(connection)

    async def _make_tables(self, connection: Any) -> str:
        await _aend(connection)
        try:
            async with connection.transaction():
                return await arun(
                    connection,
                    schema.make_tables(POSTGRESQL, uuid4().hex, expected=self._identity),
                )
        except StoreError as error:
            if schema.NO_RIGHT not in str(error):
                raise
            rows = await arun(connection, _rows(_ROLE))
            raise lacks_the_right(error, str(rows[0][0])) from error

    async def close(self) -> None:
        await self._source.close()

    async def begin(self) -> AsyncPostgresTransaction:
        transaction = AsyncPostgresTransaction(self._source, await self._source.take())
        await transaction.enter()
        return transaction

    look = begin

    async def _do(
        self, make: Make, then: Callable[[Any, Any], Awaitable[object]] | None = None
    ) -> Any:
        connection = await self._source.take()
        try:
            async with connection.transaction() as block:
                found = await arun(connection, make())
                if then is not None:
                    await then(found, connection)
                if is_used(found):
                    raise psycopg.Rollback(block)
        except TROUBLE as error:
            raise store_error(error) from error
        finally:
            await self._source.give(connection)
        return found

    async def _write(self, make: Make) -> Any:
        connection = await self._source.take()
        try:
            found = await arun(connection, make())
            await _aend(connection)
        except TROUBLE as error:
            raise store_error(error) from error
        finally:
            await self._source.give(connection)
        return found


_ROLE = "SELECT CAST(current_user AS text)"
_NOT_UNDONE = (
    "the connection of stores.postgres() keeps what was rolled back (a proxy that gives each "
    "statement another connection?): an effect and its single use would be two commits."
)


def _rows(statement: str) -> Steps[Sequence[Sequence[Any]]]:
    return (yield statement, {}).rows


def _end(connection: Any) -> None:
    """Commit what a connection without autocommit has begun by itself."""
    if connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.INTRANS:
        connection.commit()


async def _aend(connection: Any) -> None:
    if connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.INTRANS:
        await connection.commit()
