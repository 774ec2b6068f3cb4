"""The names under which stores are declared; each imports its own library when it is called."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pratique.core.refusal import BoundaryError

from .owner_policy import SETTING

if TYPE_CHECKING:
    from pratique.core.waiver import Waiver

    from .memory_store import MemoryStore
    from .postgres_store.store import PostgresStore
    from .redis_store.store import RedisStore
    from .sqlalchemy_store.row_level_security import RowLevelSecurity
    from .sqlalchemy_store.store import SqlAlchemyStore
    from .sqlite3_store import Sqlite3Store
    from .sqlite_store import SqliteStore

LOCK_TIMEOUT: Final = timedelta(seconds=5)
STATEMENT_TIMEOUT: Final = timedelta(seconds=10)
CONNECTION_TIMEOUT: Final = timedelta(seconds=5)
CONNECTIONS: Final = 10
LEAST: Final = timedelta(milliseconds=1)
"""PostgreSQL counts timeouts in milliseconds, and 0 is none."""


def memory() -> "MemoryStore":
    """Keep everything in this process: for tests and demonstrations.

    A restart forgets what was handled; it says so.
    """
    from .memory_store import MemoryStore

    return MemoryStore()


def sqlite(
    path: str | Path, *, connect: Callable[[str], Any] | None = None, identity: str = ""
) -> "SqliteStore":
    """Keep keys and events in a file of ours: WAL, FULL, a writer thread that groups commits.

    The effect is outside its transactions: keys are held for a lease around it. For an effect and
    its single use in one commit, use `sqlite3` or `sqlalchemy`.

    Args:
        path: Of the file, made where it is absent.
        connect: Opens it, where that isn't `sqlite3.connect`.
        identity: See `postgres`.
    """
    from .sqlite_store import SqliteStore

    return SqliteStore(str(path), connect, identity=identity)


def sqlite3(connect: Callable[[], Any], *, identity: str = "") -> "Sqlite3Store":
    """Keep keys and events in the user's own SQLite database, in the transaction of the effect.

    Args:
        connect: () -> sqlite3.Connection. Called once a thread; callables get the connection as
            their last argument.
        identity: See `postgres`.
    """
    from .sqlite3_store import Sqlite3Store

    return Sqlite3Store(connect, identity=identity)


def sqlalchemy(session: Callable[[], Any], *, identity: str = "") -> "SqlAlchemyStore":
    """Keep keys and events in the user's own database, in the transaction of the effect.

    Args:
        session: The sessionmaker or async_sessionmaker. Callables get a session of it as their
            last argument.
        identity: See `postgres`.
    """
    from .sqlalchemy_store.store import SqlAlchemyStore

    return SqlAlchemyStore(session, identity=identity)


def redis(
    url: str,
    *,
    identity: str = "",
    timeout: timedelta = timedelta(seconds=2),
    declared: Mapping[str, str] | None = None,
    waived: "Waiver | None" = None,
) -> "RedisStore":
    """Keep keys and events in a Redis, by redis-py.

    The effect is outside its transactions: keys are held for a lease around it, by the server's own
    clock. What Redis can't promise stands in docs/how-to/keep-keys-in-redis.md.

    Args:
        url: "redis://…", "rediss://…", "unix://…"; of any node of a Redis Cluster
            "redis+cluster://…", "rediss+cluster://…".
        identity: Which store it must be; the first start on an empty one logs it. Where it is
            given, a Redis that is empty or another one refuses the start.
        timeout: For one answer. Above zero, well below the perimeter's deadline.
        declared: For a server that doesn't tell its settings: what its provider promises of
            "maxmemory", "maxmemory-policy", "appendonly", "appendfsync".
        waived: `unsafe.waive(UNIQUE, …)`, where it is known that the server may forget keys.

    Raises:
        BoundaryError: the timeout is zero or less.
    """
    from .redis_store.store import RedisStore

    return RedisStore(url, identity=identity, timeout=timeout, declared=declared, waived=waived)


def postgres(
    source: Any,
    *,
    connection: type[Any] | None = None,
    lock_timeout: timedelta = LOCK_TIMEOUT,
    statement_timeout: timedelta = STATEMENT_TIMEOUT,
    connection_timeout: timedelta = CONNECTION_TIMEOUT,
    connections: int = CONNECTIONS,
    identity: str = "",
) -> "PostgresStore":
    """Keep keys and events in the user's own PostgreSQL, in the transaction of the effect.

    Callables get the psycopg 3 connection of the transaction as their last argument. They leave its
    commit to us, use `connection.transaction()` for savepoints, and `link` and `user` lock the row
    that they read: SELECT … FOR UPDATE, or FOR SHARE.

    Args:
        source: A URL; a ConnectionPool or AsyncConnectionPool of psycopg_pool's; or a callable,
            plain or async, that makes a connection.
        connection: psycopg.AsyncConnection, where a URL serves asyncio doors.
        lock_timeout: For a row that another transaction has, then 503 with Retry-After. Set where
            the connection has none.
        statement_timeout: For one statement, by the server. Set where the connection has none. A
            server that is silent a second longer is given up, on a connection of ours.
        connection_timeout: For a free connection, then 503.
        connections: At most, in one process; a pool of your own has its own bound.
        identity: The one that must be there, as `SELECT identity FROM pratique_store` says it and
            the first start logs it: an empty database, or another one, refuses the start. Without:
            any, and from then on that one while the process lives.

    Raises:
        BoundaryError: a source that is none, a bound that isn't above zero.
    """
    from .postgres_store.source import Limits
    from .postgres_store.store import PostgresStore

    spans = (lock_timeout, statement_timeout, connection_timeout)
    if min(spans) < LEAST or connections < 1:
        message = "stores.postgres() takes timeouts of a millisecond and more, and a connection."
        raise BoundaryError(message)
    lock, statement, wait = (span.total_seconds() for span in spans)
    limits = Limits(lock, statement, wait, connections)
    return PostgresStore(source, connection, limits, identity=identity)


def from_url(url: str) -> "PostgresStore | RedisStore | SqliteStore":
    """Return the store that a URL names, as an environment variable holds it.

    "sqlite:///keys.db" (an absolute path has four slashes) is a file of ours, see `sqlite`;
    "postgresql://…" see `postgres`; "redis://…", "rediss://…", "redis+cluster://…" see `redis`.
    Each with its defaults. Only with a PostgreSQL are the effect and its single use one commit.

    Raises:
        BoundaryError: another scheme, or no path. The URL, which may hold a password, isn't told.
    """
    scheme, mark, rest = url.partition("://")
    bare = scheme.partition("+")[0]
    if mark and bare in ("postgresql", "postgres"):
        return postgres(url)
    if mark and bare in ("redis", "rediss"):
        return redis(url)
    if mark and scheme == "sqlite" and len(rest) > 1 and rest.startswith("/"):
        return sqlite(rest[1:])
    raise BoundaryError(
        "stores.from_url() takes sqlite:///path, postgresql://…, redis://… or rediss://…."
    )


def row_level_security(
    session: Callable[[], Any], tables: Sequence[str], *, setting: str = SETTING
) -> "RowLevelSecurity":
    """Let PostgreSQL hold back the rows of others; checked at the start, bound a transaction.

    Args:
        session: The sessionmaker or async_sessionmaker whose sessions serve requests.
        tables: Each table whose rows belong to somebody: "orders", or "shop.orders" with its
            schema.
        setting: Holds whom a transaction serves. See `owner_policy`.

    Raises:
        BoundaryError: no table, a name that is none.
    """
    from .sqlalchemy_store.row_level_security import RowLevelSecurity

    return RowLevelSecurity(session, tables, setting=setting)
