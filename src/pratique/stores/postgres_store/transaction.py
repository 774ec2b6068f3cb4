"""One transaction on a connection of psycopg's, sync and async: keys, effect, record, a commit."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

import psycopg

from pratique.core.event import Record
from pratique.core.refusal import BoundaryError, StoreError, StoreUnknown
from pratique.core.store import Kept
from pratique.stores import inbox_statements, statements
from pratique.stores.statements import POSTGRESQL

from .guard import Guard, is_inside
from .locking import require_lock
from .running import TROUBLE, arun, run, store_error
from .source import AsyncSource, SyncSource

_log: Final = logging.getLogger("pratique")
ROLLBACK_SECONDS: Final = 1.0
_UNKNOWN: Final = "whether the commit was made is not known"


class PostgresTransaction:
    """One transaction on a connection, which callables get as `session`."""

    def __init__(self, source: SyncSource) -> None:
        self._source = source
        self._guard = Guard()
        self._is_over = False
        self.session = source.take()
        self._block = self.session.transaction()
        try:
            self._block.__enter__()
        except TROUBLE as error:
            self._let_go()
            raise store_error(error) from error

    def first_use(self, keys: Sequence[bytes], record: Record) -> bytes | None:
        """See `Transaction.first_use`."""
        used = run(self.session, statements.first_use(POSTGRESQL, keys, record.crossing_id, record))
        self._guard.on(self.session)
        return used

    def keep(self, key: bytes, kept: Kept) -> None:
        """See `Transaction.keep`."""
        run(self.session, statements.keep(key, kept))

    def kept(self, key: bytes) -> Kept | None:
        """See `Transaction.kept`."""
        return run(self.session, statements.kept(key))

    def finish(self, id: str, token: int) -> bool:
        """See `Finishing.finish`."""
        return run(self.session, inbox_statements.done(POSTGRESQL, id, token))

    def lock(self, linked: object) -> None:  # noqa: ARG002  a row of psycopg's doesn't say whose it is
        """See `Transaction.lock`: `link` has to lock what it reads."""
        require_lock(self._guard.taken(), self.session)

    def commit(self) -> None:
        """See `Transaction.commit`."""
        _must_be_whole(self._guard, self.session)
        self._guard.off(self.session)
        try:
            self._block.__exit__(None, None, None)
        except psycopg.IntegrityError:  # a deferred constraint
            raise
        except psycopg.ProgrammingError as error:  # a block of the handler's is still open
            self.session.close()
            raise BoundaryError(statements.ENDED) from error
        except TROUBLE as error:
            raise _unknown(error) from error
        finally:
            self._let_go()

    def rollback(self) -> None:
        """See `Transaction.rollback`."""
        if self._is_over:
            return
        self._guard.off(self.session)
        try:
            self._block.__exit__(psycopg.Rollback, psycopg.Rollback(), None)
        except Exception as error:  # noqa: BLE001  a connection that can't roll back is thrown away
            _log.debug("a transaction was not rolled back: %s", type(error).__name__)
        self._let_go()

    def _let_go(self) -> None:
        self._is_over = True
        if not _is_idle(self.session):
            self.session.close()  # PostgreSQL undoes what an ended connection left open
        self._source.give(self.session)


class AsyncPostgresTransaction:
    """The same on the event loop; callables get the AsyncConnection."""

    def __init__(self, source: AsyncSource, connection: psycopg.AsyncConnection[Any]) -> None:
        self._source = source
        self._guard = Guard()
        self._is_over = False
        self.session = connection
        self._block = connection.transaction()

    async def enter(self) -> None:
        """Begin; a connection that can't is given back."""
        try:
            await self._block.__aenter__()
        except BaseException as error:
            await self._let_go()
            if isinstance(error, TROUBLE):
                raise store_error(error) from error
            raise

    async def first_use(self, keys: Sequence[bytes], record: Record) -> bytes | None:
        """See `Transaction.first_use`."""
        used = await arun(
            self.session, statements.first_use(POSTGRESQL, keys, record.crossing_id, record)
        )
        self._guard.on(self.session)
        return used

    async def keep(self, key: bytes, kept: Kept) -> None:
        """See `Transaction.keep`."""
        await arun(self.session, statements.keep(key, kept))

    async def kept(self, key: bytes) -> Kept | None:
        """See `Transaction.kept`."""
        return await arun(self.session, statements.kept(key))

    async def finish(self, id: str, token: int) -> bool:
        """See `Finishing.finish`."""
        return await arun(self.session, inbox_statements.done(POSTGRESQL, id, token))

    async def lock(self, linked: object) -> None:  # noqa: ARG002  a row of psycopg's doesn't say whose it is
        """See `Transaction.lock`."""
        require_lock(self._guard.taken(), self.session)

    async def commit(self) -> None:
        """See `Transaction.commit`."""
        _must_be_whole(self._guard, self.session)
        self._guard.off(self.session)
        try:
            await self._block.__aexit__(None, None, None)
        except psycopg.IntegrityError:
            raise
        except psycopg.ProgrammingError as error:
            await self.session.close()
            raise BoundaryError(statements.ENDED) from error
        except TROUBLE as error:
            raise _unknown(error) from error
        finally:
            await self._let_go()

    async def rollback(self) -> None:
        """See `Transaction.rollback`; a connection that hangs is thrown away."""
        if self._is_over:
            return
        self._guard.off(self.session)
        try:
            async with asyncio.timeout(ROLLBACK_SECONDS):
                await self._block.__aexit__(psycopg.Rollback, psycopg.Rollback(), None)
        except Exception as error:  # noqa: BLE001
            _log.debug("a transaction was not rolled back: %s", type(error).__name__)
        await self._let_go()

    async def _let_go(self) -> None:
        self._is_over = True
        if not _is_idle(self.session):
            await self.session.close()
        await self._source.give(self.session)


def _is_idle(connection: Any) -> bool:
    return bool(connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE)


def _must_be_whole(guard: Guard, connection: Any) -> None:
    if guard.is_broken or connection.closed or not is_inside(connection):
        raise BoundaryError(statements.ENDED)


def _unknown(error: Exception) -> StoreError:
    told = store_error(error)
    # An answer of the server's own to COMMIT is a no; silence is neither.
    return told if getattr(error, "sqlstate", None) else StoreUnknown(f"{told}; {_UNKNOWN}")
