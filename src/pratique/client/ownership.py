"""Rows of a SQLAlchemy model that belong to a user; those of others are for declared staff."""

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Select, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ColumnProperty, InstrumentedAttribute, Session

from pratique.core.access import NOT_FOUND
from pratique.core.obligation import VALID
from pratique.core.refusal import BoundaryError, Refused

MAX_KEY: Final = 256
"""Characters of a key as it stands in a path."""
MAX_DIGITS: Final = 18
"""Digits of an integer key: what fits into 64 bits."""


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
        self._by, self._lock, self._all_for = by, lock, all_for

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
        key = self._read(text) if 0 < len(text) <= MAX_KEY and text.isprintable() else None
        if key is None:
            raise Refused(
                VALID,
                "the key in the path isn't one of this kind",
                code="bad_key",
                status=NOT_FOUND,
            )
        return key

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

    def _statement(self, user: Any, key: object) -> Select[Any] | None:
        if self._is_for_all(user):
            return self._locked(select(self.model).where(self._key == key))
        owner = self._by(user)
        # `== None` would be IS NULL: everybody's and nobody's rows. `== True` would be the rows of
        # owner 1 in more than one database. "" is what many rows have that belong to nobody yet.
        if (
            owner is None
            or isinstance(owner, bool)
            or (isinstance(owner, str | bytes) and not owner)
        ):
            return None
        return self._locked(select(self.model).where(self._key == key, self.owner == owner))

    def _locked(self, found: Select[Any]) -> Select[Any]:
        if not self._lock:
            return found
        # Else a row that the session knows stays what it was when it was loaded (CWE-367).
        return found.with_for_update().execution_options(populate_existing=True)

    def _is_for_all(self, user: Any) -> bool:
        return self._all_for is not None and self._all_for(user) is True

    async def _afind(self, found: Awaitable[Any], user: Any, key: object) -> Any:
        return self._own(await found, user, key)

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


def _integer(text: str) -> int | None:
    is_plain = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    return int(text) if is_plain and (text == "0" or text[0] != "0") else None


def _text(text: str) -> str | None:
    return text


def _uuid(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


_READERS: Final[dict[type[Any], Callable[[str], object]]] = {
    int: _integer,
    str: _text,
    UUID: _uuid,
}
