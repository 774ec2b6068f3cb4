"""The names under which stores are declared; each imports its own library when it is called."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .owner_policy import SETTING

if TYPE_CHECKING:
    from .memory_store import MemoryStore
    from .sqlalchemy_store.row_level_security import RowLevelSecurity
    from .sqlalchemy_store.store import SqlAlchemyStore
    from .sqlite3_store import Sqlite3Store
    from .sqlite_store import SqliteStore


def memory() -> "MemoryStore":
    """Keep everything in this process: for tests and demonstrations.

    A restart forgets what was handled; it says so.
    """
    from .memory_store import MemoryStore

    return MemoryStore()


def sqlite(path: str | Path, *, connect: Callable[[str], Any] | None = None) -> "SqliteStore":
    """Keep keys and events in a file of ours: WAL, FULL, a writer thread that groups commits.

    The effect is outside its transactions: keys are held for a lease around it. For an effect and
    its single use in one commit, use `sqlite3` or `sqlalchemy`.

    Args:
        path: Of the file, made where it is absent.
        connect: Opens it, where that isn't `sqlite3.connect`.
    """
    from .sqlite_store import SqliteStore

    return SqliteStore(str(path), connect)


def sqlite3(connect: Callable[[], Any]) -> "Sqlite3Store":
    """Keep keys and events in the user's own SQLite database, in the transaction of the effect.

    Args:
        connect: () -> sqlite3.Connection. Called once a thread; callables get the connection as
            their last argument.
    """
    from .sqlite3_store import Sqlite3Store

    return Sqlite3Store(connect)


def sqlalchemy(session: Callable[[], Any]) -> "SqlAlchemyStore":
    """Keep keys and events in the user's own database, in the transaction of the effect.

    Args:
        session: The sessionmaker or async_sessionmaker. Callables get a session of it as their
            last argument.
    """
    from .sqlalchemy_store.store import SqlAlchemyStore

    return SqlAlchemyStore(session)


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
