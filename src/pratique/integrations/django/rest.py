"""Views of Django REST framework that prove: `Owned` before a view set, classes for the rest."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar, cast

import msgspec
from django.shortcuts import get_object_or_404
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from pratique.core import within
from pratique.core.access import not_found
from pratique.core.acting import Acting
from pratique.core.action import Action, Change
from pratique.core.claim import Claim, Fields
from pratique.core.obligation import VALID
from pratique.core.proven import Proven
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.writable import UNPROCESSABLE, Content
from pratique.integrations.plan import SAFE_METHODS
from pratique.integrations.proving import Owed, id_of

from .ownership import Begins, LockedRows, OwnedRows
from .request import Held, claim_once, held_by

if TYPE_CHECKING:
    from rest_framework.viewsets import GenericViewSet

    _ViewSet = GenericViewSet[Any]
else:

    class _ViewSet:
        """Whatever view set stands behind `Owned`."""


M = TypeVar("M")
VERBS: Final[Mapping[str, str]] = {
    "list": "list",
    "retrieve": "read",
    "create": "create",
    "update": "update",
    "partial_update": "update",
    "destroy": "delete",
}
"""With which the policy is asked, by the framework's own names. Others are asked by their name."""
_OF_ONE: Final = frozenset({"retrieve", "update", "partial_update", "destroy"})
_WITHOUT_CONTENT: Final = frozenset({"list", "retrieve", "destroy"})
_HELD_TO: Final = "__pratique_own__"
_caller: Final[ContextVar[object]] = ContextVar("pratique_caller", default=None)


class Owned(_ViewSet, Generic[M]):
    """Stands before a view set: each of its actions is proven, on rows of the caller's own.

        class OrderViewSet(Owned[Order], ModelViewSet):
            boundary, owner = shop, Order.owner
            queryset, serializer_class = Order.objects.all(), OrderSerializer

    The policy is asked with "list", "read", "create", "update", "delete", and with the name of an
    `@action`. `get_queryset` and `get_object` give the caller's rows alone. A method that changes
    something runs in one transaction, with the row locked. Content is JSON, and a field that the
    serializer doesn't write is refused. The caller is `request.user`.

    Attributes:
        boundary: A client or service boundary.
        owner: The field of the model that holds the owner: `Order.owner`. A new row is given it.
        by: (user) -> the owner's value; `user.id` by default.
        proven: What was proven of the request: the row (`Proven[Order]`), or the user where an
            action is about no row; with content a `Change` of it.

    Raises:
        BoundaryError: where the class is made, see `Acting.action` and `OwnedRows`.
    """

    boundary: ClassVar[Acting]
    owner: ClassVar[Any]
    by: ClassVar[Callable[[Any], object]] = staticmethod(id_of)
    authentication_classes = ()
    metadata_class = None
    __pratique_leads__: ClassVar[tuple[str, ...]] = ("initial", "perform_authentication")
    proven: Proven[Any]
    _actions: ClassVar[Mapping[str, Action]] = {}
    _rows: ClassVar[OwnedRows]
    _transaction: Begins

    def __init_subclass__(cls, **more: Any) -> None:
        """Declare what the view set does, once its boundary and owner are named."""
        super().__init_subclass__(**more)
        boundary, owner = getattr(cls, "boundary", None), getattr(cls, "owner", None)
        if boundary is not None and owner is not None:
            cls._rows = OwnedRows(owner, by=cls.by)
            cls._actions = dict(_declared(cls, boundary))
        # Whoever overrides one of these, and asks the model itself, still gets the caller's rows.
        for name, held_to in (("get_queryset", _own_rows), ("get_object", _own_row)):
            inner = getattr(cls, name)
            if inner is not getattr(Owned, name) and not hasattr(inner, _HELD_TO):
                setattr(cls, name, held_to(inner))

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Answer a request; what changes something is one transaction."""
        with ExitStack() as stack:
            stack.callback(within.go_to, within.current())
            self._transaction = Begins(self._rows.alias)
            stack.enter_context(self._transaction)
            response = super().dispatch(request, *args, **kwargs)
            if response.status_code >= 400:  # noqa: PLR2004  RFC 9110 §15.5: it isn't done
                self._transaction.undo()
            return response

    def perform_authentication(self, request: Request) -> None:
        """Prove who calls, and that the row is theirs.

        Raises:
            Refused: see `Action.flow`.
        """
        action = self._actions.get(str(self.action))
        if action is None:
            raise MethodNotAllowed(str(request.method))
        place = self.lookup_url_kwarg or self.lookup_field
        held, claim = _read(request, self.boundary)
        # The transaction begins with the row's lock, or here: what was used up to come so far, as a
        # DPoP proof, stays so whatever becomes of it.
        self.proven = _prove(held, claim, action, str(self.kwargs.get(place, "")))
        if request.method not in SAFE_METHODS:
            self._transaction.begin()
        if action.rule.find is None:
            request.user = _thing(self.proven)
        else:
            request.user = cast("Any", _caller.get())
        _caller.set(None)

    def get_queryset(self) -> Any:
        """Return the rows of the caller."""
        return self._own(super().get_queryset())

    def _own(self, among: Any) -> Any:
        rows = self._rows.all_of(self.request.user, among)
        return among.none() if rows is None else rows

    def get_object(self) -> Any:
        """Return the row that was proven, as the view set's own query set has it.

        Raises:
            BoundaryError: the action is about no row.
            Http404: a filter of the view set leaves the row out.
        """
        row = _thing(self.proven)
        if not isinstance(row, self._rows.model):
            raise BoundaryError(
                f"{type(self).__name__}.{self.action} is about no row, and asks for one: "
                "@action(detail=True)."
            )
        found = get_object_or_404(self.filter_queryset(self.get_queryset()), pk=row.pk)
        self.check_object_permissions(self.request, found)
        return found

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Return the serializer; what it doesn't write must not be sent.

        Raises:
            Refused: VALID, code "bad_content" (422).
        """
        serializer: Any = super().get_serializer(*args, **kwargs)
        if "data" in kwargs and not _writes_all(serializer, kwargs["data"]):
            refused = Refused(
                VALID,
                "the content has a field that isn't writable here",
                code="bad_content",
                status=UNPROCESSABLE,
            )
            raise held_by(self.request._request, self.boundary).perimeter.refuse(  # noqa: SLF001  documented
                self.boundary, refused, known=self.request.user
            )
        return serializer

    def perform_create(self, serializer: Any) -> None:
        """Write a new row, which is the caller's."""
        serializer.save(**{self._rows.owner: self._rows.owner_of(self.request.user)})

    @classmethod
    def __pratique_debts__(cls, path: str, actions: Mapping[str, str] | None) -> list[str]:
        """Return what is wrong with a route to it. See `PROVES_ALL`."""
        name = cls.__name__
        if not cls._actions or actions is None:
            debt = (
                f"Route {path}: {name} proves nothing: name its boundary and its owner, "
                "boundary, owner = shop, Order.owner, on a view set."
            )
            return [debt]
        order = cls.__mro__
        if order.index(Owned) > order.index(APIView):
            debt = (
                f"Route {path}: in {name} the framework's own view stands before Owned, which then "
                f"proves nothing: class {name}(Owned[…], ModelViewSet)."
            )
            return [debt]
        unknown = sorted({each for each in actions.values() if each not in cls._actions})
        found = [f"Route {path}: nothing proves {name}.{each}." for each in unknown]
        if cls.lookup_field not in ("pk", cls._rows.key):
            found.append(
                f"Route {path}: {name} looks rows up by {cls.lookup_field}, and its proof by their "
                "primary key."
            )
        return found


class ProvenAuthentication(BaseAuthentication):
    """Proves what a view of Django REST framework owes; `request.auth` is what was proven.

    class Report(APIView):
        owes = called(shop, "report.read")
        authentication_classes = [ProvenAuthentication]
        permission_classes = [IsProven]
    """

    def authenticate(self, request: Request) -> tuple[Any, Proven[Any]] | None:
        """Return the user and what was proven; None where the view owes nothing.

        Raises:
            Refused: see `Action.flow`.
        """
        view: Any = cast("Any", request).parser_context["view"]
        owed = getattr(view, "owes", None)
        if not isinstance(owed, Owed):
            return None
        held, claim = _read(request, owed.action.boundary)
        proven = _prove(held, claim, owed.action, str(view.kwargs.get(owed.place, "")))
        return _thing(proven), proven


class IsProven(BasePermission):
    """Lets a request through that `ProvenAuthentication` has proven."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Say whether something was proven."""
        _ = view
        return isinstance(request.auth, Proven)

    @staticmethod
    def __pratique_debts__(path: str, view: Any) -> list[str]:
        """Return what is wrong with a route to a view that requires it. See `PROVES_ALL`."""
        owed = getattr(view, "owes", None)
        known: Any = getattr(view, "authentication_classes", ())
        if view.get_permissions is not APIView.get_permissions:
            return [f"Route {path}: {view.__name__} chooses its permissions anew: leave that out."]
        if not isinstance(owed, Owed) or owed.model is not None or owed.session is not None:
            debt = (
                f"Route {path}: {view.__name__} owes no proof of who calls: "
                'owes = called(shop, "report.read"). What is about a row stands in a view set: '
                "Owned."
            )
            return [debt]
        if list(known) != [ProvenAuthentication]:
            return [f"Route {path}: authentication_classes = [ProvenAuthentication], and no other."]
        return []


def _own_rows(inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a `get_queryset` that gives no row of somebody else's, whatever *inner* gives."""

    def get_queryset(view: Any) -> Any:
        return view._own(inner(view))  # noqa: SLF001  of this module

    setattr(get_queryset, _HELD_TO, True)
    return get_queryset


def _own_row(inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a `get_object` that gives no row of somebody else's, whatever *inner* gives."""

    def get_object(view: Any) -> Any:
        row = inner(view)
        rows: OwnedRows = view._rows  # noqa: SLF001  of this module
        if not isinstance(row, rows.model) or not rows.is_of(row, view.request.user):
            raise held_by(view.request._request, view.boundary).perimeter.refuse(  # noqa: SLF001  documented
                view.boundary, not_found(), known=view.request.user
            )
        return row

    setattr(get_object, _HELD_TO, True)
    return get_object


class _Sent(Content[Any]):
    """Reads a JSON object; which of its fields are writable, the serializer says."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._form, self._kind = None, "application/json"
        self._read = msgspec.json.Decoder(dict[str, Any] | list[dict[str, Any]]).decode
        self._holds_decimals = False

    def read(self, content: bytes, fields: Fields) -> Any:
        """Return what was sent, {} for nothing. See `Content.read`."""
        return super().read(content, fields) if content else {}


def _declared(view: Any, boundary: Acting) -> list[tuple[str, Action]]:
    """Return each action of a view set by its name; those with one verb are one."""
    rows: OwnedRows = view._rows  # noqa: SLF001  its own
    locking = LockedRows(view.owner, by=view.by, lock=True)
    kinds = {name: name in _OF_ONE for name in VERBS if hasattr(view, name)}
    extra: list[Any] = view.get_extra_actions() if hasattr(view, "get_extra_actions") else []
    kinds |= {each.__name__: bool(each.detail) for each in extra}
    safe = {each.__name__ for each in extra if not set(each.mapping) - {"get", "head"}}
    made: dict[str, Action] = {}
    found: list[tuple[str, Action]] = []
    for name, is_of_one in kinds.items():
        verb = VERBS.get(name, name)
        if verb not in made:
            is_safe = name in safe or name in ("list", "retrieve")
            looked = rows if is_safe else locking
            made[verb] = boundary.action(
                f"{rows.name.lower()}.{verb}",
                verb=verb,
                find=_noting_the_caller(looked, view) if is_of_one else None,
                read_key=looked.read_key if is_of_one else None,
            )
            if name not in _WITHOUT_CONTENT and name not in safe:
                made[verb].content = _Sent(f"{view.__name__} {verb}")
                made[verb].declaration = boundary.declaration_of(made[verb])
        found.append((name, made[verb]))
    return found


def _noting_the_caller(rows: OwnedRows, view: Any) -> Callable[[Any, object], Any]:
    """Return what finds a row, and leaves for whom it did to the view on the same thread."""

    def find(user: Any, key: object) -> Any:
        _caller.set(user)
        among = None if view.queryset is None else view.queryset.all()
        return rows.find(user, key, among)

    return find


def _thing(proven: Proven[Any]) -> Any:
    """Return what a proof is about, with content or without."""
    value: Any = proven.value
    return cast("Any", value).object if isinstance(value, Change) else value


def _read(request: Request, boundary: Acting) -> tuple[Held, Claim]:
    raw = request._request  # noqa: SLF001  documented
    return claim_once(raw, boundary, boundary.max_content_bytes)


def _prove(held: Held, claim: Claim, action: Action, key: str) -> Proven[Any]:
    def flow_of(crossing: Any) -> Any:
        proven = yield from action.flow(crossing, key=key)
        held.context = crossing.context
        return proven

    proven = held.perimeter.carry_here(action.boundary, claim, cast("Any", flow_of))
    return within.go_on(cast("Proven[Any]", proven))


def _writes_all(serializer: Any, data: Any) -> bool:
    """Say whether each field that was sent is one that the serializer writes, also inside."""
    if isinstance(data, list):
        inner, several = getattr(serializer, "child", serializer), cast("Any", data)
        return all(_writes_all(inner, each) for each in several)
    fields: Any = getattr(serializer, "fields", None)
    if fields is None or not isinstance(data, Mapping):
        return True
    writable = {name: field for name, field in fields.items() if not field.read_only}
    sent: Any = cast("Any", data)
    return all(name in writable and _writes_all(writable[name], sent[name]) for name in sent)
