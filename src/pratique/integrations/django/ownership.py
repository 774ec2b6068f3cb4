"""The rows of a Django model that belong to a user: another one's are not found."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Any, Final, cast

from django.db import models, router, transaction
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor
from django.db.models.query_utils import DeferredAttribute

from pratique.client import Page
from pratique.client.row_key import MAX_KEY, KeyReader, integer_of, key_of, text_of, uuid_of
from pratique.core.acting import Acting
from pratique.core.refusal import BoundaryError
from pratique.integrations import proving
from pratique.integrations.proving import Open, id_of, owed_page, owed_row


class OwnedRows:
    """Looks a row up by its key among the rows of one owner, and nowhere else.

    Args:
        owner: The field that holds the owner: `Order.owner`, `Order.owner_id`.
        by: (user) -> the value of that field for a user of ours.
        lock: Lock the row until the transaction ends (SELECT … FOR UPDATE).
        all_for: (user) -> True where the row may be anybody's: staff, as our own state has it now.
            The policy alone then decides. Exactly True; with anything else it is the user's own.

    Raises:
        BoundaryError: the owner is no field of a model that is in a table, or the model's primary
            key is neither an integer nor a text nor a UUID.

    Source: OWASP API1:2023; CWE-639.
    """

    def __init__(
        self,
        owner: Any,
        *,
        by: Callable[[Any], object],
        lock: bool = False,
        all_for: Callable[[Any], bool] | None = None,
    ) -> None:
        field = field_of(owner)
        if field is None:
            raise BoundaryError(
                f"owner={str(owner)[:MAX_KEY]} is no field of a model. Name the field that holds "
                "the owner: Order.owner, not a field of many or of another model."
            )
        self.model = cast("type[models.Model]", field.model)
        self.owner: str = field.attname
        self.name = self.model.__name__
        key = cast("Any", self.model)._meta.pk  # noqa: SLF001  documented
        self.key: str = key.name
        read = _reader_of(key)
        if read is None:
            raise BoundaryError(
                f"{self.name} has no single primary key of int, str or UUID: "
                "write find=(user, key) yourself."
            )
        self._read = read
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

    def find(self, user: Any, key: object, among: Any = None) -> Any:
        """Return the row, or None where this user has none of that key.

        Args:
            user: Of ours.
            key: See `read_key`.
            among: See `all_of`.
        """
        rows = self.all_of(user, among)
        if rows is None:
            return None
        if self.locks:
            # Without the tables beside it: PostgreSQL locks no row of an outer join.
            rows = rows.using(self.alias).select_related(None).select_for_update()
        row = rows.filter(pk=key).first()
        # A declared equality of our own, whatever a manager or a custom lookup did.
        is_theirs = row is not None and row.pk == key and self.is_of(row, user)
        return row if is_theirs else None

    def all_of(self, user: Any, among: Any = None) -> Any:
        """Return the rows of a user as a query set, None where the user owns nothing.

        Args:
            user: Of ours.
            among: The query set to look in; all that the model's default manager gives by default.
        """
        rows = cast("Any", self.model)._default_manager.all() if among is None else among  # noqa: SLF001
        if self._is_for_all(user):
            return rows
        owner = self.owner_of(user)
        return None if _is_nobody(owner) else rows.filter(**{self.owner: owner})

    def page(self, user: Any, after: object, *, most: int) -> Any:
        """Return a `Page` of the user's own rows, or None where this user can have none.

        Args:
            user: Of ours.
            after: The key that the page before ended with; None for the first page.
            most: Rows of one page.
        """
        rows = self.all_of(user)
        if rows is None:
            return None
        rows = rows.order_by("pk") if after is None else rows.filter(pk__gt=after).order_by("pk")
        found = list(rows[: most + 1])
        # A declared equality of our own, whatever a manager or a custom lookup did.
        own = tuple(row for row in found[:most] if self.is_of(row, user))
        return Page(own, str(found[most - 1].pk) if len(found) > most else "")

    def owner_of(self, user: Any) -> object:
        """Return what stands in the owner's field of a user's rows."""
        return self._by(user)

    def is_of(self, row: Any, user: Any) -> bool:
        """Say whether a row that was loaded is this user's."""
        if self._is_for_all(user):
            return True
        owner = self.owner_of(user)
        return not _is_nobody(owner) and bool(getattr(row, self.owner) == owner)

    def _is_for_all(self, user: Any) -> bool:
        return self._all_for is not None and self._all_for(user) is True

    @property
    def alias(self) -> str:
        """Return the database that the model is written to."""
        return str(router.db_for_write(self.model))


def _is_nobody(owner: object) -> bool:
    # `= NULL` would be everybody's and nobody's rows; True would be the rows of owner 1; "" is what
    # many rows have that belong to nobody yet.
    is_empty = isinstance(owner, str | bytes) and not owner
    return owner is None or isinstance(owner, bool) or is_empty


_waiting: Final[ContextVar[Mapping[str, "Begins"]]] = ContextVar(
    "pratique_waiting", default=MappingProxyType({})
)
"""Transactions of this view that a locked row begins, by their database."""


class LockedRows(OwnedRows):
    """The same, which begins the view's transaction with the row that it locks, and not before."""

    def find(self, user: Any, key: object, among: Any = None) -> Any:
        """Return the row, locked, or None where this user has none of that key."""
        waiting = _waiting.get()
        if self.alias in waiting:
            waiting[self.alias].begin()
        return super().find(user, key, among)


class Begins:
    """A transaction around a view that begins when it is told to.

    What comes before is a commit of its own: that a DPoP proof was used must stay, whatever becomes
    of the view.

    Args:
        alias: Of the database.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._atomic: Any = None
        self._outer: Token[Mapping[str, Begins]] | None = None

    def begin(self) -> None:
        """Begin it, once."""
        if self._atomic is None:
            atomic: Any = transaction.atomic(using=self._alias)
            atomic.__enter__()
            self._atomic = atomic

    def undo(self) -> None:
        """Let what was written be rolled back."""
        if self._atomic is not None:
            transaction.set_rollback(True, using=self._alias)

    def __enter__(self) -> None:
        """Wait; whoever finds a row for this view on this thread begins it."""
        self._outer = _waiting.set({**_waiting.get(), self._alias: self})

    def __exit__(self, *raised: object) -> None:
        """Commit what was begun, or roll it back where the view raised."""
        if self._outer is not None:
            _waiting.reset(self._outer)
        atomic, self._atomic = self._atomic, None
        if atomic is not None:
            atomic.__exit__(*raised)


class Locking:
    """Gives the transaction that holds the lock of a row, around the view. One a database."""

    def __init__(self, rows: OwnedRows) -> None:
        self._rows = rows

    def __call__(self) -> AbstractContextManager[Any]:
        """Give it; the row begins it."""
        return Begins(self._rows.alias)

    def __eq__(self, other: object) -> bool:
        """Say whether it is the same database's."""
        return isinstance(other, Locking) and other._rows.alias == self._rows.alias

    def __hash__(self) -> int:
        """Return the hash of its database."""
        return hash(self._rows.alias)


def owned(  # noqa: PLR0913  each is a keyword of its own
    boundary: Acting,
    owner: Any,
    verb: str,
    *,
    session: Open | None = None,
    content: type[Any] | None = None,
    key: str | None = None,
    by: Callable[[Any], object] | None = None,
    lock: bool | None = None,
    all_for: Callable[[Any], bool] | None = None,
) -> Any:
    """Return what proves a row of the caller's own; it stands in the annotation of a parameter.

    Where the row is locked, the view runs inside `transaction.atomic`, which begins with the lock.

    Args:
        boundary: A client or service boundary.
        owner: The field of a model that holds the owner: `Order.owner`. A column of a SQLAlchemy
            model is taken too, with `session=`.
        verb: "read": the policy is asked with it; events have "order.read".
        session: Of SQLAlchemy, see `opened`; Django's own needs none.
        content: What may be written; the value is then `Change[Order, Content]`.
        key: Name of the place in the path; "order_id" for Order by default.
        by: (user) -> the owner's value; `user.id` by default.
        lock: Lock the row until the view has returned; by default where content is written.
        all_for: (user) -> True where the row may be anybody's, as for staff; the policy alone
            then decides. See `OwnedRows`.

    Raises:
        BoundaryError: see `Acting.action`, `OwnedRows`; the verb has a dot.
    """
    if session is not None and field_of(owner) is None:
        return proving.owned(
            boundary,
            owner,
            verb,
            session=session,
            content=content,
            key=key,
            by=by,
            lock=lock,
            all_for=all_for,
        )
    is_locked = content is not None if lock is None else lock
    kind = LockedRows if is_locked else OwnedRows
    rows = kind(owner, by=by or id_of, lock=is_locked, all_for=all_for)
    opens: Open | None = Locking(rows) if is_locked else session
    return owed_row(boundary, rows, verb, content=content, key=key, session=opens)


def listed(
    boundary: Acting,
    owner: Any,
    verb: str = "list",
    *,
    session: Open | None = None,
    most: int = 50,
    by: Callable[[Any], object] | None = None,
) -> Any:
    """Return what proves a page of the caller's own rows, and no others.

    Args:
        boundary: A client or service boundary.
        owner: See `owned`.
        verb: "list": the policy is asked with it; events have "order.list".
        session: Of SQLAlchemy, see `opened`; Django's own needs none.
        most: Rows of one page, 1 to 1000; `?after=` takes the `next` of the page before.
        by: See `owned`.

    Raises:
        BoundaryError: see `Acting.action`, `OwnedRows`; *most* is out of its bounds.
    """
    if session is not None and field_of(owner) is None:
        return proving.listed(boundary, owner, verb, session=session, most=most, by=by)
    rows = OwnedRows(owner, by=by or id_of)

    def page(user: Any, after: object) -> Any:
        return rows.page(user, after, most=most)

    return owed_page(boundary, rows, verb, find=page, most=most, session=None)


def field_of(owner: Any) -> Any:
    """Return the field that an attribute of a model's class stands for; None where it is none."""
    if not isinstance(owner, (DeferredAttribute, ForwardManyToOneDescriptor)):
        return None
    field: Any = cast("Any", owner).field
    return field if field.concrete and not field.model._meta.abstract else None  # noqa: SLF001


def _reader_of(key: Any) -> KeyReader | None:
    target: Any = key
    while target.remote_field is not None:  # a key that is another row's, as of a child table
        target = target.target_field
    if isinstance(target, models.IntegerField):
        highest = _highest_of(cast("Any", target))
        return lambda text: _up_to(highest, integer_of(text))
    if isinstance(target, models.UUIDField):
        return uuid_of
    return text_of if isinstance(target, (models.CharField, models.TextField)) else None


def _highest_of(field: Any) -> int:
    """Return the largest key that fits: over 64 bits a driver raises."""
    highest = {
        models.SmallAutoField: 2**15,
        models.SmallIntegerField: 2**15,
        models.BigAutoField: 2**63,
        models.BigIntegerField: 2**63,
    }
    for kind, bound in highest.items():
        if isinstance(field, kind):
            return bound - 1
    return 2**31 - 1


def _up_to(highest: int, key: int | None) -> int | None:
    return key if key is not None and key <= highest else None
