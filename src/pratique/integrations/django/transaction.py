"""One transaction of a Django connection: keys, effect and record in one commit."""

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, TypeVar

from django.core.exceptions import ObjectDoesNotExist, SynchronousOnlyOperation
from django.db import Error, IntegrityError, models, transaction

from pratique.core.event import Record
from pratique.core.refusal import BoundaryError, StoreBusy, StoreError
from pratique.core.store import Kept
from pratique.stores import inbox_statements, statements
from pratique.stores.statements import Dialect, Result, Steps

from .guard import Guard

T = TypeVar("T")
TROUBLE: Final = (Error, OSError, SynchronousOnlyOperation)
_BUSY: Final = (
    "55P03",
    "40001",
    "40P01",
)  # lock_not_available, serialization_failure, deadlock_detected
_NAME: Final = re.compile(r":(\w+)")
_MARKED: Final = (
    "the handler marked its transaction to be rolled back, by set_rollback or by an error that "
    "left a block of atomic(savepoint=False): Django would undo the effect without a word"
)
# Who committed on the driver's own connection has begun another transaction with the next
# statement: the key was written in this one, or in none.
_IS_OURS: Final = (
    "SELECT 1 FROM pratique_key WHERE key = :key AND xmin = CAST(pg_current_xact_id() AS xid)"
)


def _is_ours(key: bytes) -> Steps[bool]:
    return bool((yield _IS_OURS, {"key": key}).rows)


@lru_cache(maxsize=64)
def _as_django_binds(statement: str) -> str:
    return _NAME.sub(r"%(\1)s", statement)


def run(connection: Any, steps: Steps[T]) -> T:
    """Run steps on a connection of Django's; StoreError for whatever the database says."""
    try:
        with connection.cursor() as cursor:
            statement, parameters = next(steps)
            while True:
                cursor.execute(_as_django_binds(statement), parameters)
                rows: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
                statement, parameters = steps.send(Result(rows, cursor.rowcount))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    except TROUBLE as error:
        raise store_error(error) from error


def store_error(error: Exception) -> StoreError:
    """Return a StoreError that names the kind of error, and no value of a statement."""
    original = error.__cause__
    state = (
        getattr(original, "sqlstate", None)  # psycopg
        or getattr(original, "pgcode", None)  # psycopg2
        or ""
    )
    name = getattr(original, "sqlite_errorname", None) or type(original or error).__name__
    if state in _BUSY or name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreBusy("the database is locked by another writer")
    return StoreError(f"the database says {name} {state}".rstrip())


class _Undone(Exception):
    """Ends a block of `atomic` without its commit."""


class DjangoTransaction:
    """One block of `transaction.atomic`, which callables get the alias of.

    Args:
        connection: `connections[alias]` of this thread.
        dialect: Of the database.
        is_durable: It is a transaction of its own, never a savepoint of somebody else's.
    """

    def __init__(self, connection: Any, dialect: Dialect, *, is_durable: bool = True) -> None:
        self.session: str = connection.alias
        self._connection = connection
        self._dialect = dialect
        self._guard = Guard(connection)
        self._key = b""
        self._is_savepoint = bool(connection.in_atomic_block)
        self._atomic: Any = transaction.atomic(using=connection.alias, durable=is_durable)
        try:
            self._atomic.__enter__()
        except TROUBLE as error:
            raise store_error(error) from error

    def first_use(self, keys: Sequence[bytes], record: Record) -> bytes | None:
        """See `Transaction.first_use`."""
        steps = statements.first_use(self._dialect, keys, record.crossing_id, record)
        used = run(self._connection, steps)
        self._key = keys[0]
        self._guard.arm()
        return used

    def finish(self, id: str, token: int) -> bool:
        """See `Finishing.finish`."""
        return run(self._connection, inbox_statements.done(self._dialect, id, token))

    def keep(self, key: bytes, kept: Kept) -> None:
        """See `Transaction.keep`."""
        run(self._connection, statements.keep(key, kept))

    def kept(self, key: bytes) -> Kept | None:
        """See `Transaction.kept`."""
        return run(self._connection, statements.kept(key))

    def lock(self, linked: object) -> None:
        """Lock a model's row on databases with row locks, where `link` hasn't, and read it again.

        Raises:
            StoreError: it was read from another database, or is gone by now.
        """
        if not isinstance(linked, models.Model):
            return
        read_from = linked._state.db  # noqa: SLF001  Django names it so in its documentation
        if read_from not in (None, self.session):
            message = (
                f"link read its row from the database {read_from}, and the effect's transaction is "
                f"in {self.session}. Let link read .using({self.session!r})."
            )
            raise StoreError(message)
        if self._dialect.name != "postgresql" or linked._state.adding:  # noqa: SLF001
            return  # SQLite's write lock is held already; a row that isn't there has no lock
        kind = type(linked)
        meta = kind._meta  # noqa: SLF001  documented
        tables = {meta.db_table, *(parent._meta.db_table for parent in meta.get_parent_list())}  # noqa: SLF001
        if self._guard.locked(tables):
            return
        locking = kind._base_manager.using(self.session).select_for_update()  # noqa: SLF001  documented
        try:
            linked.refresh_from_db(using=self.session, from_queryset=locking)
        except TROUBLE as error:
            raise store_error(error) from error
        except ObjectDoesNotExist as error:
            raise StoreError("the linked row is gone") from error

    def commit(self) -> None:
        """See `Transaction.commit`."""
        if self._connection.needs_rollback and not self._connection.closed_in_transaction:
            raise BoundaryError(_MARKED)
        if not self._is_ours():
            raise BoundaryError(statements.ENDED)
        self.end()

    def end(self) -> None:
        """Commit what is written, whoever wrote it.

        Raises:
            StoreError: the database didn't commit.
            IntegrityError: a deferred constraint doesn't hold.
        """
        self._guard.off()
        connection, atomic, self._atomic = self._connection, self._atomic, None
        if not self._is_savepoint:
            # A hook runs when all is committed: that it fails must not look as if nothing had been.
            hooks = connection.run_on_commit
            connection.run_on_commit = [(sids, hook, True) for sids, hook, _ in hooks]
        try:
            atomic.__exit__(None, None, None)
        except IntegrityError:  # a deferred constraint: what the handler changed can't be written
            raise
        except TROUBLE as error:
            raise store_error(error) from error

    def _is_ours(self) -> bool:
        connection = self._connection
        if (
            self._atomic is None
            or self._guard.is_broken
            or not connection.in_atomic_block
            or connection.atomic_blocks[-1] is not self._atomic
            or connection.closed_in_transaction
        ):
            return False
        if self._dialect.name == "postgresql" and not self._is_savepoint:
            steps = _is_ours(self._key)
        else:
            # SQLite ends one by itself on INSERT OR ROLLBACK: what comes after has no key.
            steps = statements.is_there(self._key)
        return run(connection, steps)

    def rollback(self) -> None:
        """See `Transaction.rollback`."""
        self._guard.off()
        connection, atomic, self._atomic = self._connection, self._atomic, None
        if atomic is None:
            return
        undone = _Undone()
        for _ in tuple(connection.atomic_blocks):  # a handler may have left some of its own open
            if atomic not in connection.atomic_blocks:
                break
            try:
                connection.atomic_blocks[-1].__exit__(_Undone, undone, None)
            except Exception:  # noqa: BLE001  a connection that can't roll back is thrown away
                with suppress(*TROUBLE):
                    connection.close()
