"""Rows of a SQLAlchemy model that belong to a user; those of others are for declared staff."""

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any, Final, Literal, cast
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, false, inspect, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ColumnProperty, InstrumentedAttribute, Session

from pratique.core.refusal import BoundaryError

from .page import Page
from .row_key import MAX_KEY, KeyReader, integer_of, key_of, text_of, uuid_of

MAX_INTEGER: Final = 2**63 - 1
"""The largest integer key that a row can have: what fits into 64 bits with a sign."""


class OwnedRows:
    """Looks a row up by its key among the rows of one owner, and nowhere else.

    A text is the key in the one spelling that the row has, whatever the database's collation finds.

    Args:
        owner: The column that holds the owner: `Order.owner_id`.
        by: (user) -> the value of that column for a user of ours.
        lock: Lock the row until the session's transaction ends (FOR UPDATE), and read it anew
            where the session knows it already.
        all_for: (user) -> True where the row may be anybody's: staff, as our own state has it now.
            The policy alone then decides. Exactly True; with anything else it is the user's own.

    Raises:
        BoundaryError: the owner is no column of a model, or the model has no single primary key of
            integers, texts or UUIDs.

    Source: OWASP API1:2023; CWE-639.
    """

    def __init__(
        self,
        owner: InstrumentedAttribute[Any],
        *,
        by: Callable[[Any], object],
        lock: bool = False,
        all_for: Callable[[Any], bool] | None = None,
    ) -> None:
        if not _is_column(owner):
            raise BoundaryError(
                f"owner={str(owner)[:MAX_KEY]} is no column of a model. Name the column that holds "
                "the owner: Order.owner_id, not a relationship or a table's."
            )
        self.model = cast("type[Any]", owner.class_)
        columns: Sequence[Any] = cast("Any", inspect(self.model)).primary_key
        kinds: list[type[Any]] = [column.type.python_type for column in columns]
        if len(columns) != 1 or kinds[0] not in _READERS:
            raise BoundaryError(
                f"{self.model.__name__} has no single primary key of int, str or UUID: "
                "write find=(user, key, session) yourself."
            )
        self.owner = owner
        self.name = self.model.__name__
        self._read = _READERS[kinds[0]]
        self._key: Any = columns[0]
        # A key that fits the column's own 32 bits or not is compared as 64 bits: else a driver or
        # PostgreSQL raises where there is simply no such row. A type of the user's binds by itself.
        self._is_plain_integer = isinstance(columns[0].type, Integer)
        self._by, self.locks, self._all_for = by, lock, all_for

    @property
    def words(self) -> str:
        """Return among which rows it looks, for the declaration."""
        own = "the object is looked for among the user's own"
        return own if self._all_for is None else f"{own}, for staff (all_for=) among all"

    def read_key(self, text: str) -> object:
        """Return a key as the column has it.

        Raises:
            Refused: VALID, code "bad_key" (404): no row could have it.
        """
        return key_of(text, self._read)

    def find(self, user: Any, key: object, session: Session | AsyncSession) -> Any:
        """Return the row, or None where this user has none of that key.

        With an AsyncSession it returns an awaitable of the same.
        """
        statement = self._statement(user, key)
        if statement is None:
            return None
        found: Any = session.scalar(statement)
        # A proxy, as async_scoped_session is, gives an awaitable and is no AsyncSession.
        return self._afind(found, user, key) if isawaitable(found) else self._own(found, user, key)

    def page(self, user: Any, after: object, session: Session | AsyncSession, *, most: int) -> Any:
        """Return a `Page` of the user's own rows, or None where this user can have none.

        With an AsyncSession it returns an awaitable of the same.

        Args:
            user: A user of ours.
            after: The key that the page before ended with; None for the first page.
            session: The request's own.
            most: Rows of one page.
        """
        owner = self._owner_of(user)
        if owner is None:
            return None
        statement = select(self.model).where(self.owner == owner).order_by(self._key)
        if after is not None:
            statement = statement.where(self._compared(after, ">"))
        found: Any = session.scalars(self._locked(statement.limit(most + 1)))
        if isawaitable(found):
            return self._apage(found, user, most)
        return self._paged(found.all(), user, most)

    def _owner_of(self, user: Any) -> object:
        owner = self._by(user)
        # `== None` would be IS NULL: everybody's and nobody's rows. `== True` would be the rows of
        # owner 1 in more than one database. "" is what many rows have that belong to nobody yet.
        is_nobody = isinstance(owner, bool) or (isinstance(owner, str | bytes) and not owner)
        return None if is_nobody else owner

    def _statement(self, user: Any, key: object) -> Select[Any] | None:
        named = select(self.model).where(self._compared(key, "=="))
        if self._is_for_all(user):
            return self._locked(named)
        owner = self._owner_of(user)
        return None if owner is None else self._locked(named.where(self.owner == owner))

    def _locked(self, found: Select[Any]) -> Select[Any]:
        if not self.locks:
            return found
        # Else a row that the session knows stays what it was when it was loaded (CWE-367).
        return found.with_for_update().execution_options(populate_existing=True)

    def _compared(self, key: object, how: Literal["==", ">"]) -> ColumnElement[bool]:
        """Return whether a row's key is this one, or comes after it."""
        named: Any = key
        if self._is_plain_integer and isinstance(key, int):
            if abs(key) > MAX_INTEGER:
                return false()
            named = literal(key, BigInteger())
        told = self._key == named if how == "==" else self._key > named
        return cast("ColumnElement[bool]", told)

    def _is_for_all(self, user: Any) -> bool:
        return self._all_for is not None and self._all_for(user) is True

    async def _afind(self, found: Awaitable[Any], user: Any, key: object) -> Any:
        return self._own(await found, user, key)

    async def _apage(self, found: Awaitable[Any], user: Any, most: int) -> Any:
        return self._paged((await found).all(), user, most)

    def _paged(self, found: Sequence[Any], user: Any, most: int) -> Page[Any]:
        rows = found[:most]
        last = str(inspect(rows[-1]).identity[0]) if len(found) > most else ""
        own = self._by(user)
        return Page(tuple(row for row in rows if getattr(row, self.owner.key) == own), last)

    def _own(self, row: Any, user: Any, key: object) -> Any:
        # A declared equality of our own, whatever a mapper, a view or a loader option did.
        is_theirs = row is not None and (
            self._is_for_all(user) or getattr(row, self.owner.key) == self._by(user)
        )
        if not is_theirs:
            return None
        known: object = inspect(row).identity[0]
        # A collation finds "a1" by "A1": as keys of what happens once they are two (CWE-178).
        return None if isinstance(known, str) and known != key else row


def _is_column(owner: Any) -> bool:
    is_mapped = isinstance(owner, InstrumentedAttribute)
    return is_mapped and isinstance(cast("Any", owner).property, ColumnProperty)


_READERS: Final[dict[type[Any], KeyReader]] = {int: integer_of, str: text_of, UUID: uuid_of}
