"""Keys and events in the database of Django's ORM, in the transaction of the effect."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.utils.connection import ConnectionDoesNotExist

from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.roots import Root, RootKind
from pratique.core.store import AsyncStore
from pratique.stores import schema, statements
from pratique.stores.durable import check_durable
from pratique.stores.sql_face import SqlFace, is_used
from pratique.stores.sql_inbox import SqlInbox
from pratique.stores.statements import DIALECTS, PROBE, Dialect, Make

from .test_case import is_of_a_test_case, lent
from .threads import open_where_it_was_asked, watch_threads
from .transaction import TROUBLE, DjangoTransaction, run, store_error


def store(using: str = "default") -> "DjangoStore":
    """Keep keys and events in a database of Django's, in the transaction of the effect.

    The effect is in a block of `transaction.atomic` that the store opens. Callables that take one
    argument more get the alias, for `.using(alias)`; the others use the ORM as ever. They are plain
    functions: an async one is refused at the start, and an async view crosses on a thread of the
    perimeter's pool.

    Args:
        using: The alias in DATABASES. Connected to at the start, never before.
    """
    return DjangoStore(using)


class DjangoStore(SqlFace):
    """See `pratique.integrations.django.store`.

    Its own sync face; an async door runs the whole transaction on one thread.
    """

    transactional: bool = True
    has_session: bool = True
    name: str = "django"
    """Before the start and after; see `SqlAlchemyStore`."""
    asynchronous: AsyncStore | None = None

    def __init__(self, using: str) -> None:
        self.using = using
        self.dialect: Dialect | None = None
        self.inbox = SqlInbox(self.known, self._do)
        self.sync = self
        self.roots: tuple[Root, ...] = (Root(RootKind.STORE, "our own database"),)
        watch_threads(using)

    def start(self) -> None:
        """See `SyncStore.start`; its tables are made by `manage.py migrate` alone."""
        connection = self._known_connection()
        was_closed = connection.connection is None
        try:
            self._check(connection)
            self._probe(connection)
        except TROUBLE as error:
            raise store_error(error) from error
        finally:
            if was_closed:  # a server that forks after the start hands on no open connection
                with suppress(*TROUBLE):
                    connection.close()

    def _known_connection(self) -> Any:
        try:
            return connections[self.using]
        except (ConnectionDoesNotExist, ImproperlyConfigured) as error:
            message = f"Django has no database {self.using}: {type(error).__name__}. See DATABASES."
            raise BoundaryError(message) from error

    def _check(self, connection: Any) -> None:
        dialect = DIALECTS.get(connection.vendor)
        if dialect is None:
            message = f"the database is {connection.vendor}; known are {', '.join(DIALECTS)}."
            raise BoundaryError(message)
        refuse_routers(self.using)
        trouble = self._open_already(connection)
        if trouble:
            raise BoundaryError(trouble)

        def rows(statement: str) -> Any:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()

        check_durable(dialect.name, rows)
        known = run(connection, schema.found(dialect))
        if known.version < schema.SCHEMA_VERSION:
            what = f"have version {known.version}" if known.version else "are not there"
            message = (
                f"the store's tables in the database {self.using} {what}. Add "
                '"pratique.integrations.django" to INSTALLED_APPS and run '
                f"manage.py migrate pratique --database={self.using}"
            )
            raise BoundaryError(message)
        self.dialect = dialect
        self._do(lambda: schema.make_tables(dialect, uuid4().hex))

    def _probe(self, connection: Any) -> None:
        probing = self.begin()
        run(connection, statements.first_use(self.known(), (PROBE,), "probe"))
        probing.rollback()
        if run(connection, statements.is_there(PROBE)):
            self._do(lambda: statements.forget(PROBE))
            message = (
                f"the database {self.using} keeps what was rolled back: an effect and its single "
                "use would be two commits."
            )
            raise BoundaryError(message)

    def _open_already(self, connection: Any) -> str:
        """Return why this thread's connection can't begin a transaction of ours, or nothing."""
        is_lent = lent.get(self.using) is connection and is_of_a_test_case(connection)
        if self.using in open_where_it_was_asked() or (connection.in_atomic_block and not is_lent):
            return (
                f"a transaction is open on the database {self.using}: the effect's commit would be "
                "in somebody else's hands. Decorate the view with transaction.non_atomic_requests, "
                "or cross outside the block of atomic. In a TestCase: savepoints_in_test_case()."
            )
        if not connection.in_atomic_block and not connection.get_autocommit():
            return (
                f"autocommit is off on the database {self.using}: whoever switched it off ends its "
                "transactions. Leave AUTOCOMMIT out of DATABASES, call no set_autocommit(False)."
            )
        return ""

    def close(self) -> None:
        """Keep the connections: they are Django's."""

    def known(self) -> Dialect:
        """See `SqlFace.known`."""
        if self.dialect is None:
            raise StoreError("the store hasn't started")
        return self.dialect

    def _connection(self) -> Any:
        connection: Any = connections[self.using]
        try:
            if connection.errors_occurred:
                connection.close_if_unusable_or_obsolete()
            trouble = self._open_already(connection)
        except TROUBLE as error:
            raise store_error(error) from error
        if trouble:
            raise StoreError(trouble)
        return connection

    def begin(self) -> DjangoTransaction:
        """See `SyncStore.begin`: the alias is its session."""
        dialect = self.known()
        return DjangoTransaction(self._connection(), dialect)

    def look(self) -> DjangoTransaction:
        """See `SyncStore.look`; inside a transaction of the view's it reads what the view reads."""
        dialect = self.known()
        connection: Any = connections[self.using]
        # OPTIONS may say that each transaction begins with SQLite's write lock: a stranger who is
        # read about must not take it.
        mode = getattr(connection, "transaction_mode", None)
        if mode is not None:
            connection.transaction_mode = None
        try:
            return DjangoTransaction(connection, dialect, is_durable=False)
        finally:
            if mode is not None:
                connection.transaction_mode = mode

    def _do(self, make: Make, then: Callable[[Any, str], object] | None = None) -> Any:
        transaction = self.begin()
        try:
            result = run(connections[self.using], make())
            if then is not None:
                then(result, self.using)
        except BaseException:
            transaction.rollback()
            raise
        if is_used(result):
            transaction.rollback()
        else:
            transaction.end()
        return result

    def _read(self, make: Make) -> Any:
        # A row may be locked around the proof that reads here.
        reading = self.look()
        try:
            return run(connections[self.using], make())
        finally:
            reading.rollback()


def refuse_routers(using: str) -> None:
    """Refuse routers that read one of the models from elsewhere than where it is written.

    Raises:
        BoundaryError: with the model.
    """
    for model in apps.get_models():
        reads, writes = router.db_for_read(model), router.db_for_write(model)
        if using in (reads, writes) and reads != writes:
            message = (
                f"a router reads {model.__name__} from {reads} and writes it to {writes} "
                "(a replica?): link and allow could judge another row than the effect changes. "
                f"Let it answer {writes!r} for both inside a crossing, or for good."
            )
            raise BoundaryError(message)
