"""What the parameters of a view owe, in the same words for every framework.

    MyOrder = Annotated[
        Proven[Order, Literal["read"]], owned(shop, Order.owner_id, "read", session=NewSession)
    ]

A door reads the annotations of a view once, as a `Plan`, proves by it, and calls the view with what
was proven. FastAPI has dependencies of its own for it and uses no plan.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, get_args, get_origin
from urllib.parse import parse_qsl

from pratique.client import Page
from pratique.core.acting import Acting
from pratique.core.action import Action, Change
from pratique.core.proven import Proven
from pratique.core.refusal import BoundaryError

Open = Callable[[], Any]
MAX_PAGE: Final = 1000
"""Rows that `listed` gives at once at the most (CWE-770)."""
MAX_MEMBERS: Final = 100
"""Members of a query that are read, as Starlette does with a form (CWE-770)."""
_NO_KEY: Final = "\0"
"""A text that is no key of any kind: it isn't printable."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What one parameter is owed: an action that is proven before the view runs.

    Attributes:
        action: What is proven.
        verb: As its annotation has it: "read".
        model: Of the row; None where it is about the user itself.
        content: What may be written; None where nothing may.
        place: Name of the place in the path that holds the key; None where there is none.
        query: Name of the member of the query that holds it; "" where none does.
        session: Gives the session for callables that take one.
        kind: What the parameter is annotated as: `Proven`, or what proves as often as it is asked.
        is_shadow: The parameter is given None, whatever comes of it: see `shadow`.
    """

    action: Action
    verb: str
    model: type[Any] | None = None
    content: type[Any] | None = None
    place: str | None = None
    session: Open | None = None
    kind: type[Any] = Proven
    is_shadow: bool = False
    query: str = ""

    def agrees(self, said: Any) -> bool:
        """Say whether an annotation says what is proven here."""
        if self.is_shadow:
            return said in (None, type(None))
        if not self.verb:
            return said is self.kind
        if get_origin(said) is not self.kind:
            return False
        value, action = get_args(said)
        if self.content is not None:
            if get_origin(value) is not Change:
                return False
            value, sent = get_args(value)
            if sent is not self.content:
                return False
        return (self.model is None or value == self.model) and action in (
            object,
            Literal[self.verb],
        )

    def __str__(self) -> str:
        """Return the annotation that it would agree with."""
        if self.is_shadow:
            return "None, as it shadows the view"
        if not self.verb:
            return self.kind.__name__
        inner = get_args(self.model)
        name = getattr(self.model, "__name__", "the user")
        thing = f"{name}[{inner[0].__name__}]" if inner else name
        value = thing if self.content is None else f"Change[{thing}, {self.content.__name__}]"
        return f'{self.kind.__name__}[{value}, Literal["{self.verb}"]]'


@dataclass(frozen=True, slots=True)
class Opened:
    """A parameter that is given what a callable opens, once a request. Made by `opened`."""

    call: Open


def opened(call: Open) -> Any:
    """Mark a parameter that is given a session, the same one that proofs with it were given.

        db: Annotated[Session, opened(NewSession.begin)]

    Args:
        call: Gives it, or a context manager around the view: `NewSession.begin` of SQLAlchemy's
            commits where the view returns and rolls back where it raises.
    """
    return Opened(call)


def owned(  # noqa: PLR0913  each is a keyword of its own
    boundary: Acting,
    owner: Any,
    verb: str,
    *,
    session: Open | None,
    content: type[Any] | None = None,
    key: str | None = None,
    by: Callable[[Any], object] | None = None,
    lock: bool | None = None,
    all_for: Callable[[Any], bool] | None = None,
) -> Any:
    """Return what proves a row of the caller's own; it stands in the annotation of a parameter.

    Args:
        boundary: A client or service boundary.
        owner: The column of a SQLAlchemy model that holds the owner: `Order.owner_id`.
        verb: "read": the policy is asked with it; events have "order.read".
        session: See `opened`.
        content: What may be written; the value is then `Change[Order, Content]`.
        key: Name of the place in the path; "order_id" for Order by default.
        by: (user) -> the owner's value; `user.id` by default.
        lock: Lock the row until the transaction ends; by default where content is written.
        all_for: (user) -> True where the row may be anybody's, as for staff; the policy alone
            then decides. See `OwnedRows`.

    Raises:
        BoundaryError: see `Acting.action`, `OwnedRows`; the verb has a dot.
    """
    from pratique.client.ownership import OwnedRows

    is_locked = content is not None if lock is None else lock
    rows = OwnedRows(owner, by=by or id_of, lock=is_locked, all_for=all_for)
    return owed_row(boundary, rows, verb, content=content, key=key, session=session)


class Rows(Protocol):
    """Rows of one model among which a key is looked for; those of one owner."""

    name: str
    model: type[Any]

    def read_key(self, text: str) -> object:
        """Return a key as the column has it; Refused where no row could have it."""
        ...

    @property
    def find(self) -> Callable[..., Any]:
        """Return what finds a row: (user, key), and a session where one is opened."""
        ...


def owed_row(
    boundary: Acting,
    rows: Rows,
    verb: str,
    *,
    content: type[Any] | None,
    key: str | None,
    session: Open | None,
) -> Owed:
    """Return what a parameter is owed that is given one of these rows. See `owned`.

    Raises:
        BoundaryError: see `Acting.action`; the verb has a dot.
    """
    name = rows.name.lower()
    if "." in verb:
        raise BoundaryError(
            f'owned(…, "{verb}"): the model says the rest. Pass the verb alone, "read": the policy '
            f'is asked with it, and the action is "{name}.read".'
        )
    action = boundary.action(
        f"{name}.{verb}", verb=verb, find=rows.find, read_key=rows.read_key, content=content
    )
    return Owed(action, verb, rows.model, content, key or f"{name}_id", session)


def listed(
    boundary: Acting,
    owner: Any,
    verb: str = "list",
    *,
    session: Open | None,
    most: int = 50,
    by: Callable[[Any], object] | None = None,
) -> Any:
    """Return what proves a page of the caller's own rows, and no others.

        MyOrders = Annotated[
            Proven[Page[Order], Literal["list"]],
            listed(shop, Order.owner_id, session=NewSession),
        ]

    The policy is asked once, with the page. `?after=` says where it begins: the `next` of the page
    before.

    Args:
        boundary: A client or service boundary.
        owner: See `owned`.
        verb: "list": the policy is asked with it; events have "order.list".
        session: See `opened`.
        most: Rows of one page, 1 to 1000.
        by: See `owned`.

    Raises:
        BoundaryError: see `Acting.action`, `OwnedRows`; *most* is out of its bounds.
    """
    from pratique.client.ownership import OwnedRows

    rows = OwnedRows(owner, by=by or id_of)

    def page(user: Any, after: object, db: Any) -> Any:
        return rows.page(user, after, db, most=most)

    return owed_page(boundary, rows, verb, find=page, most=most, session=session)


def owed_page(
    boundary: Acting,
    rows: Rows,
    verb: str,
    *,
    find: Callable[..., Any],
    most: int,
    session: Open | None,
) -> Owed:
    """Return what a parameter is owed that is given a page of these rows. See `listed`.

    Raises:
        BoundaryError: see `Acting.action`; *most* is out of its bounds.
    """
    if not 1 <= most <= MAX_PAGE:
        raise BoundaryError(f"listed(most={most}): a page has 1 to {MAX_PAGE} rows.")
    action = boundary.action(
        f"{rows.name.lower()}.{verb}",
        verb=verb,
        find=find,
        read_key=lambda text: rows.read_key(text) if text else None,
    )
    page: Any = Page
    return Owed(action, verb, page[rows.model], session=session, query="after")


def key_of(owed: Owed, places: Mapping[str, object], target: str) -> str:
    """Return the key that a request names, as it stands there; "" where none is asked for.

    A query that names it twice, or that can't be read, names a key that no row has: it is refused
    as such, once the caller is known (CWE-436).

    Args:
        owed: What is proven.
        places: What stands in the path, by name.
        target: The request's, with its query.
    """
    if not owed.query:
        return "" if owed.place is None else str(places.get(owed.place, ""))
    query = target.partition("?")[2]
    try:
        members = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_MEMBERS)
    except ValueError:
        return _NO_KEY
    named = [value for name, value in members if name == owed.query]
    return _NO_KEY if len(named) > 1 else "".join(named)


def called(
    boundary: Acting,
    action: str,
    *,
    session: Open | None = None,
    content: type[Any] | None = None,
) -> Any:
    """Return what proves who calls, for an action about the user itself.

    Args:
        boundary: A client or service boundary.
        action: "profile.read"; the policy is asked with it.
        session: See `opened`.
        content: What may be written; the value is then `Change[User, Content]`.
    """
    proven = boundary.action(action, content=content)
    return Owed(proven, action, content=content, session=session)


def id_of(user: Any) -> object:
    """Return `user.id`."""
    return user.id
