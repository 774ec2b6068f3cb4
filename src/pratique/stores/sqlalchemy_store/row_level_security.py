"""Whom a transaction serves, told to PostgreSQL, which holds back the rows of everybody else."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from sqlalchemy import event, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.orm import Session, scoped_session

from pratique.core.obligation import LINKED
from pratique.core.recorder import Recorder
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.watcher import Sample
from pratique.stores.owner_policy import SETTING, quoted_table, require_setting

from .guard import check_session, driver_is_inside
from .row_catalog import probe_debts, role_debts, setting_debts, table_debts
from .transaction import TROUBLE, store_error

MAX_PRINCIPAL: Final = 256
"""Characters of who is served: a key of ours, never a document."""
CHECK_SECONDS: Final = 30.0
_SCOPED: Final = (scoped_session, async_scoped_session)
_SERVED: Final = "pratique.served"
_WHO: Final = text("SELECT CAST(current_user AS text), CAST(current_database() AS text)")
# One round trip: is_local is true, so that it ends with the transaction; no row where the
# transaction serves another one already.
_BIND: Final = text("""
SELECT CAST(current_user AS text), CAST(current_database() AS text),
       pg_catalog.set_config(CAST(:name AS text), CAST(:value AS text), true)
FROM (SELECT pg_catalog.current_setting(CAST(:name AS text), true) AS bound) AS now
WHERE now.bound IS NULL OR now.bound IN ('', CAST(:value AS text))
""")


class RowLevelSecurity:
    """Binds each transaction to whom it serves, and checks at the start that this holds rows back.

    Attach it: `perimeter.attach(rows)`. See `pratique.stores.row_level_security` for the arguments.

    Source: PostgreSQL, "Row Security Policies"; OWASP API1:2023; CWE-639.
    """

    def __init__(
        self, session: Callable[[], Any], tables: Sequence[str], *, setting: str = SETTING
    ) -> None:
        if isinstance(tables, str) or not tables:
            raise BoundaryError(
                'row_level_security(tables=…) names each table that has owners: ["orders"].'
            )
        for table in tables:
            quoted_table(table)
        self.tables = tuple(tables)
        self.setting = require_setting(setting)
        self._new_session = session
        self._is_async = isinstance(session, async_sessionmaker)
        self._checked: tuple[URL, tuple[str, str]] | None = None

    def bind(self, session: Session, principal: str) -> None:
        """Bind the transaction that a session is in to whom it serves, until it ends.

        Args:
            session: In a transaction.
            principal: Who it is, proven, as the owner's column has it.

        Raises:
            Refused: LINKED, code "bad_principal", "bound_to_another".
            BoundaryError: the start didn't check, the session is in no transaction or of another
                database, role or driver mode than was checked.
            StoreError: the database doesn't answer.
        """
        plain = _plain(session)
        if not plain.in_transaction():
            raise BoundaryError(
                "bind(session, …) is called outside of a transaction: what is bound ends with one. "
                "Call session.begin() before, or follow(session, …)."
            )
        self._serve(plain, principal)
        self._set(plain.connection(), principal)

    async def abind(self, session: AsyncSession, principal: str) -> None:
        """Bind on the event loop. See `bind`."""
        await session.run_sync(self.bind, principal)

    def follow(self, session: Session, principal: str) -> None:
        """Bind each transaction that a session begins, and the one that it is in. See `bind`."""
        plain = _plain(session)
        self._serve(plain, principal)
        if not event.contains(plain, "after_begin", self._on_begin):
            event.listen(plain, "after_begin", self._on_begin)
        if plain.in_transaction():
            self._set(plain.connection(), principal)

    async def afollow(self, session: AsyncSession, principal: str) -> None:
        """Follow on the event loop. See `follow`."""
        await session.run_sync(self.follow, principal)

    def debts(self) -> list[str]:
        """Return what keeps PostgreSQL from holding rows back, each with the SQL that mends it."""
        if self._is_async:
            return asyncio.run(self._alook(keep=False))  # its connection belongs to that loop
        try:
            session = _plain(self._new_session())
        except Exception as error:  # noqa: BLE001  a check that can't be made is a debt
            return [_unchecked(error)]
        try:
            return self._look(session)
        except Exception as error:  # noqa: BLE001
            return [_unchecked(error)]
        finally:
            with suppress(*TROUBLE):
                session.close()

    async def adebts(self) -> list[str]:
        """Return the same on the event loop."""
        if self._is_async:
            return await self._alook(keep=True)
        return await asyncio.to_thread(self.debts)

    def started(self, recorder: Recorder) -> None:
        """Tell nothing: what there is to say are debts."""

    def closed(self, recorder: Recorder) -> None:
        """Tell nothing."""

    def samples(self) -> Iterable[Sample]:
        """Count nothing."""
        return ()

    async def _alook(self, *, keep: bool) -> list[str]:
        session: AsyncSession = self._new_session()
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                found = await session.run_sync(self._look)
                if not keep:
                    await session.connection()  # out of the pool, where it is back already
                return found
        except Exception as error:  # noqa: BLE001  a check that can't be made is a debt
            return [_unchecked(error)]
        finally:
            with suppress(*TROUBLE):
                await (session.close() if keep else session.invalidate())

    def _look(self, session: Session) -> list[str]:
        self._checked = None
        try:
            found = list(self._findings(session))
        except BoundaryError as error:
            return list(error.debts)
        if not found:
            connection = session.connection()
            role, base = connection.execute(_WHO).one()
            self._checked = connection.engine.url, (role, base)
        return found

    def _findings(self, session: Session) -> Iterator[str]:
        engine = check_session(session)
        if engine.dialect.name != "postgresql":
            yield f"Row-level security is PostgreSQL's; the database is {engine.dialect.name}."
            return
        found = [*role_debts(session), *setting_debts(session, self.setting)]
        if not driver_is_inside(session.connection()):
            found.append(_AUTOCOMMIT)
        for table in self.tables:
            found.extend(table_debts(session, table, self.setting))
        yield from found
        for table in () if found else self.tables:
            yield from probe_debts(session, table, self.setting)

    def _serve(self, session: Session, principal: str) -> None:
        if self._checked is None:
            raise BoundaryError(
                "nothing is bound before the start has checked that rows are held back: "
                "perimeter.attach(rows), and start the perimeter."
            )
        if not _is_principal(principal):
            raise Refused(
                LINKED,
                f"whom the transaction would serve is no text of 1 to {MAX_PRINCIPAL} characters",
                code="bad_principal",
            )
        # What a session has loaded it gives out again without a query: no policy is asked.
        served = session.info.setdefault((_SERVED, self.setting), principal)
        if served != principal:
            raise _bound_to_another("the session")

    def _on_begin(self, session: Session, _transaction: Any, connection: Connection) -> None:
        self._set(connection, session.info[_SERVED, self.setting])

    def _set(self, connection: Connection, principal: str) -> None:
        url, who = self._checked or (None, ())
        if connection.engine.url != url:
            raise BoundaryError(_ANOTHER)
        try:
            bound = connection.execute(_BIND, {"name": self.setting, "value": principal}).first()
        except TROUBLE as error:
            raise store_error(error) from error
        if bound is None:
            raise _bound_to_another("the transaction")
        # Attack: a SET ROLE that was committed stays on a pooled connection, with other policies.
        if tuple(bound[:2]) != who:
            raise BoundaryError(_ANOTHER)
        if not driver_is_inside(connection):
            raise BoundaryError(_AUTOCOMMIT)


_ANOTHER: Final = (
    "the session is of another database or role than the start has checked. Bind sessions of the "
    "factory that row_level_security() was given, and use SET LOCAL ROLE alone: SET ROLE stays on "
    "the connection."
)
_AUTOCOMMIT: Final = (
    "The session commits each statement by itself (isolation_level AUTOCOMMIT?): what is bound "
    "would end at once. Make the session on an engine without it."
)


def _plain(session: Any) -> Session:
    found: Any = cast("Any", session).registry() if isinstance(session, _SCOPED) else session
    found = found.sync_session if isinstance(found, AsyncSession) else found
    if not isinstance(found, Session):
        kind = cast("type[object]", type(found))
        raise BoundaryError(f"{kind.__name__} is no session of SQLAlchemy.")
    return found


def _is_principal(principal: object) -> bool:
    if not isinstance(principal, str) or not 0 < len(principal) <= MAX_PRINCIPAL:
        return False
    return "\0" not in principal and not any("\ud800" <= sign <= "\udfff" for sign in principal)


def _bound_to_another(what: str) -> Refused:
    return Refused(
        LINKED,
        f"{what} serves somebody else already",
        code="bound_to_another",
        hint="a session serves one principal; make a new one for the next",
    )


def _unchecked(error: Exception) -> str:
    said = store_error(error)
    return f"Row-level security can't be checked: {said}. Let the database answer before the start."
