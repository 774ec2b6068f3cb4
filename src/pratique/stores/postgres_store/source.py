"""Where connections come from: a URL, the user's own pool, or the user's own callable."""

import asyncio
import inspect
import os
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final
from weakref import WeakSet

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from pratique.core.forks import renew_after_fork
from pratique.core.refusal import BoundaryError, StoreBusy, StoreError

from .connections import (
    SLACK_SECONDS,
    AsyncConnection,
    Connection,
    conninfo_of,
    is_silent,
    timeouts,
)
from .running import TROUBLE, store_error

_OF_A_PARENT: Final[list[Any]] = []
"""Kept for good: two processes on one socket read each other's answers, and to close a pool that
came over a fork would end the parent's connections."""
_FORKED: Final = (
    "the pool was open before this process was forked: two processes on one socket read each "
    "other's answers. Open it in each worker, or give stores.postgres() a URL."
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is waited, in seconds, and how many connections are made.

    Args:
        lock: For a row that somebody else has.
        statement: For one statement, by the server's clock.
        connection: For a connection, where all are in use.
        connections: At most, in one process; of a pool of ours.
    """

    lock: float
    statement: float
    connection: float
    connections: int

    @property
    def patience(self) -> float:
        """Seconds for an answer: the server's own timeout comes first."""
        return self.statement + SLACK_SECONDS


class _By:
    """What a pool asks for a connection: the user's own callable."""

    def __init__(self, connect: Any) -> None:
        self._connect = connect

    def connect(self, *_: Any, **__: Any) -> Any:
        return self._connect()


def is_asynchronous(source: Any, connection: type[Any] | None) -> bool:
    """Say on which side a source is.

    Raises:
        BoundaryError: it is no source.
    """
    if isinstance(source, AsyncConnectionPool):
        return True
    if isinstance(source, ConnectionPool):
        return False
    if isinstance(source, str):
        return connection is not None and issubclass(connection, psycopg.AsyncConnection)
    if not callable(source):
        message = (
            "stores.postgres() takes a URL, a pool of psycopg_pool's, or a callable that makes a "
            f"connection; it was given {type(source).__name__}."
        )
        raise BoundaryError(message)
    return inspect.iscoroutinefunction(source)


class _Source:
    """What both sides share."""

    def __init__(self, source: Any, limits: Limits) -> None:
        self.limits = limits
        is_pool = isinstance(source, (ConnectionPool, AsyncConnectionPool))
        self._given: Any = source if is_pool else None
        self._made_by: Any = None
        self._conninfo = ""
        if isinstance(source, str):
            self._conninfo = conninfo_of(source)
        elif self._given is None:
            self._made_by = _By(source)
        self._own: Any = None
        self._pid = os.getpid() if self._given is not None and not self._given.closed else 0
        self._set: WeakSet[Any] = WeakSet()

    def _ours(self, own: type[Any]) -> dict[str, Any]:
        """Return what a pool of ours is made with."""
        by_url = self._made_by is None
        return {
            "conninfo": self._conninfo,
            "connection_class": own if by_url else self._made_by,
            "kwargs": {"autocommit": True} if by_url else {},
            "min_size": 0,
            "max_size": self.limits.connections,
            "timeout": self.limits.connection,
            "reconnect_timeout": self.limits.connection,
            "open": False,
            "name": "pratique",
        }

    def _known_pool(self) -> Any:
        """Return the pool of this process, or None where it is to be made."""
        pid = os.getpid()
        if self._given is not None:
            if self._pid not in (0, pid):
                raise StoreError(_FORKED)
            self._pid = pid
            return self._given
        if self._own is not None and self._pid != pid:
            _OF_A_PARENT.append(self._own)
            self._own = None
        return self._own

    def _no_connection(self, pool: Any, error: Exception) -> StoreError:
        if isinstance(error, PoolTimeout):
            size = pool.get_stats().get("pool_size", 0)
            if size >= pool.max_size:
                return StoreBusy(f"all {size} connections to the database are in use")
        return store_error(error)

    def _is_new(self, connection: Any) -> bool:
        return self._given is not None and connection not in self._set


class SyncSource(_Source):
    """Connections for sync doors."""

    def __init__(self, source: Any, limits: Limits) -> None:
        super().__init__(source, limits)
        self._lock = Lock()
        renew_after_fork(self, _lock=Lock)

    def direct(self) -> Any:
        """Return a connection of its own for the start: no pool is open before a fork.

        Raises:
            StoreError: there is none.
            BoundaryError: it is none of psycopg's.
        """
        try:
            if self._given is not None:
                return self.take()
            if self._made_by is None:
                connection: Any = Connection.connect(self._conninfo, autocommit=True)
            else:
                connection = self._made_by.connect()
            made: object = connection
            if not isinstance(made, psycopg.Connection):
                message = (
                    "stores.postgres(connect) takes a callable that makes a connection of "
                    f"psycopg's; it makes {type(made).__name__}."
                )
                raise BoundaryError(message)
        except TROUBLE as error:
            raise store_error(error) from error
        try:
            self._configure(connection)
        except TROUBLE as error:
            connection.close()
            raise store_error(error) from error
        return connection

    def end(self, connection: Any) -> None:
        """Let go of a connection of the start."""
        if self._given is not None:
            self.give(connection)
        else:
            connection.close()

    def take(self) -> Any:
        """Return a connection that is free.

        Raises:
            StoreBusy: all are in use, for longer than is waited.
            StoreError: none can be had.
        """
        pool = self._known_pool() or self._new_pool()
        try:
            connection: Any = pool.getconn(self.limits.connection)
        except TROUBLE as error:
            raise self._no_connection(pool, error) from error
        if self._is_new(connection):
            try:
                self._configure(connection)
            except TROUBLE as error:
                connection.close()
                pool.putconn(connection)
                raise store_error(error) from error
            self._set.add(connection)
        return connection

    def give(self, connection: Any) -> None:
        """Give a connection back; a broken one is replaced."""
        with suppress(*TROUBLE, ValueError):
            self._known_pool().putconn(connection)

    def close(self) -> None:
        """Close a pool of ours, in the process that made it."""
        own = self._known_pool() if self._given is None else None
        if own is not None:
            self._own = None
            own.close()

    def _new_pool(self) -> Any:
        with self._lock:
            if self._own is None:
                made: ConnectionPool[Any] = ConnectionPool(
                    **self._ours(Connection), configure=self._configure, check=_must_be_silent
                )
                made.open()
                self._own, self._pid = made, os.getpid()
            return self._own

    def _configure(self, connection: Any) -> None:
        connection.patience = self.limits.patience
        connection.execute(*timeouts(self.limits.lock, self.limits.statement))
        if not connection.autocommit:
            connection.commit()


class AsyncSource(_Source):
    """Connections for asyncio doors; a pool belongs to the loop that opened it."""

    _loop: asyncio.AbstractEventLoop | None = None

    async def direct(self) -> Any:
        """See `SyncSource.direct`."""
        try:
            if self._given is not None:
                return await self.take()
            if self._made_by is None:
                connection: Any = await AsyncConnection.connect(self._conninfo, autocommit=True)
            else:
                connection = await self._made_by.connect()
            made: object = connection
            if not isinstance(made, psycopg.AsyncConnection):
                message = (
                    "stores.postgres(connect) takes a coroutine function that makes an "
                    f"AsyncConnection of psycopg's; it makes {type(made).__name__}."
                )
                raise BoundaryError(message)
        except TROUBLE as error:
            raise store_error(error) from error
        try:
            await self._configure(connection)
        except TROUBLE as error:
            await connection.close()
            raise store_error(error) from error
        return connection

    async def end(self, connection: Any) -> None:
        """See `SyncSource.end`."""
        if self._given is not None:
            await self.give(connection)
        else:
            await connection.close()

    async def take(self) -> Any:
        """See `SyncSource.take`."""
        pool = self._known_pool() or self._new_pool()
        try:
            if self._given is None:
                await pool.open()  # nothing where it is open
            connection: Any = await pool.getconn(self.limits.connection)
        except TROUBLE as error:
            raise self._no_connection(pool, error) from error
        if self._is_new(connection):
            try:
                await self._configure(connection)
            except BaseException as error:
                await connection.close()
                await pool.putconn(connection)
                if isinstance(error, TROUBLE):
                    raise store_error(error) from error
                raise
            self._set.add(connection)
        return connection

    async def give(self, connection: Any) -> None:
        """See `SyncSource.give`."""
        with suppress(*TROUBLE, ValueError):
            await self._known_pool().putconn(connection)

    async def close(self) -> None:
        """See `SyncSource.close`."""
        own = self._known_pool() if self._given is None else None
        if own is not None:
            self._own = None
            await own.close()

    def _known_pool(self) -> Any:
        known = super()._known_pool()
        is_own = known is not None and known is self._own
        if is_own and self._loop is not asyncio.get_running_loop():
            message = (
                "the store's connections belong to another event loop: close the perimeter there, "
                "or give each loop a store of its own."
            )
            raise StoreError(message)
        return known

    def _new_pool(self) -> Any:
        self._loop, self._pid = asyncio.get_running_loop(), os.getpid()
        self._own = AsyncConnectionPool(
            **self._ours(AsyncConnection),
            configure=self._configure,
            check=_amust_be_silent,
        )
        return self._own

    async def _configure(self, connection: Any) -> None:
        connection.patience = self.limits.patience
        await connection.execute(*timeouts(self.limits.lock, self.limits.statement))
        if not connection.autocommit:
            await connection.commit()


_ENDED: Final = "the server has ended it"


def _must_be_silent(connection: Any) -> None:
    if not is_silent(connection):
        connection.close()
        raise psycopg.OperationalError(_ENDED)


async def _amust_be_silent(connection: Any) -> None:
    if not is_silent(connection):
        await connection.close()
        raise psycopg.OperationalError(_ENDED)
