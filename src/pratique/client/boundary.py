"""The client boundary: who calls is proven, what they name is looked for among what is theirs."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Generic, TypeVar

import msgspec

from pratique.core.access import Access, Asker, access, places
from pratique.core.boundary import Boundary, Declaration, Proof
from pratique.core.crossing import Crossing
from pratique.core.obligation import ALLOWED, AUTHENTIC, FRESH, LINKED, VALID, Obligation
from pratique.core.proven import Proven
from pratique.core.question import Flow
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.roots import OWN_CODE, Root, RootKind, ways
from pratique.core.store import Store
from pratique.core.waiver import Waiver

from .identity import Identity
from .writable import Content

O = TypeVar("O")  # noqa: E741  the object
C = TypeVar("C")
OWN_STATE: Final = Root(RootKind.STORE, "our own rows")
MAX_CONTENT_BYTES: Final = 1 << 20


class Change(msgspec.Struct, Generic[O, C], frozen=True):
    """An object of the caller's, and what the caller may write of it.

    Attributes:
        object: The row, in the request's own session; the user where an action has no object.
        content: What was sent, read as its declared type.
    """

    object: O
    content: C


class Action:
    """One thing that clients may do. Made by `Client.action`."""

    def __init__(
        self,
        boundary: "Client",
        name: str,
        rule: Access,
        *,
        read_key: Callable[[str], object] | None,
        content: Content[Any] | None,
    ) -> None:
        self.boundary, self.name, self.rule = boundary, name, rule
        self.content = content
        self._read_key = read_key
        self.declaration = boundary.declaration_of(name, rule, content)

    def flow(
        self, crossing: Crossing, *, key: str = "", session: object = None
    ) -> Flow[Proven[Any]]:
        """Prove one request.

        Args:
            crossing: Its crossing.
            key: Which object, as it stands in the path.
            session: The request's own, for callables that take one.

        Raises:
            Refused: see `Identity`, `access`, `Content`.
        """
        crossing.declaration = self.declaration
        claim = crossing.claim
        subject = yield from self.boundary.identity.prove(crossing, session=session)
        sent: object = None
        if self.content is not None:
            sent = self.content.read(claim.content, claim.fields)
        elif claim.content:
            raise Refused(VALID, "the action takes no content", code="unwanted_content")
        named = self._read_key(key) if self._read_key is not None else None
        user, found = yield from access(crossing, self.rule, subject, key=named, session=session)
        crossing.discharge(VALID)
        value = found if self.rule.find is not None else user
        return crossing.prove(value if self.content is None else Change(value, sent))


class Client(Boundary):
    """An API's own clients.

    Args:
        name: In events, metrics and reports.
        identity: How who calls is proven: `SessionCookie`, `BearerToken`.
        user: (subject[, session]) -> our own user as it is now, or None where there is none that
            may act: roles, tenants and suspensions are read here, at the point of use.
        policy: (user, action, object[, session]) -> bool: may this user do this to this object,
            from the state that it is in now? Exactly True, or it is refused.
        waivers: For every action; see `pratique.unsafe.waive`.

    Raises:
        BoundaryError: `user` or `policy` takes other arguments.
    """

    kind: ClassVar[str] = "client"
    owes: ClassVar[frozenset[Obligation]] = frozenset({AUTHENTIC, FRESH, LINKED, ALLOWED, VALID})
    max_content_bytes: ClassVar[int] = MAX_CONTENT_BYTES

    def __init__(
        self,
        name: str,
        *,
        identity: Identity,
        user: Callable[..., Any],
        policy: Callable[..., Any],
        waivers: Sequence[Waiver] = (),
    ) -> None:
        super().__init__(name, origin="whoever calls the API")
        self.identity = identity
        self.waivers = tuple(waivers)
        self._user = Asker.of(user, arguments=1, role="user")
        self._policy = Asker.of(policy, arguments=3, role="policy")
        self._actions: dict[str, Action] = {}

    def action(
        self,
        name: str,
        *,
        verb: str = "",
        find: Callable[..., Any] | None = None,
        read_key: Callable[[str], object] | None = None,
        content: type[Any] | None = None,
    ) -> Action:
        """Declare something that clients may do.

        Args:
            name: "order.read", in events and reports.
            verb: With which the policy is asked, where the object says the rest: "read". The name
                by default.
            find: (user, key[, session]) -> the object, looked for among this user's alone, or None.
                Left out, the action is about the user itself.
            read_key: (text of the path) -> key; Refused where no object could have it.
            content: What may be written: see `Content`. Left out, content is refused.

        Raises:
            BoundaryError: it is declared twice, after the start, or `find` without `read_key`.
        """
        if self.perimeter is not None and self.perimeter.is_started:
            raise BoundaryError(f'Boundary "{self.name}": action({name!r}) comes after the start.')
        if name in self._actions:
            raise BoundaryError(f'Boundary "{self.name}" declares the action {name} twice.')
        if (find is None) != (read_key is None):
            raise BoundaryError(
                f'Boundary "{self.name}" {name}: find= and read_key= come together.'
            )
        asked = None if find is None else Asker.of(find, arguments=2, role="find")
        made = Action(
            self,
            name,
            Access(verb or name, self._user, self._policy, asked),
            read_key=read_key,
            content=None if content is None else Content(content),
        )
        self._actions[name] = made
        return made

    def declarations(self) -> Sequence[Declaration]:
        """Return one declaration an action."""
        return tuple(action.declaration for action in self._actions.values())

    def declaration_of(self, name: str, rule: Access, content: Content[Any] | None) -> Declaration:
        """Return what one action proves, and on what it rests."""
        own = ways(OWN_STATE, OWN_CODE)
        linked = (
            "the object is looked for among the user's own"
            if rule.find is not None
            else "it is about the user itself, as our own state has it"
        )
        valid = "no content" if content is None else f"{content.name}: writable fields alone"
        return Declaration(
            name=name,
            proofs=(
                *self.identity.proofs(),
                Proof(LINKED, linked, own, places((rule.user, rule.find))),
                Proof(ALLOWED, "policy over our own state", own, rule.policy.callback.where),
                Proof(VALID, valid, ways(OWN_CODE)),
            ),
            waivers=self.waivers,
            facts={"outbound": "no", "forwarded": "no header of a proxy is believed here"},
        )

    def prepare(self, store: Store | None) -> list[str]:  # noqa: ARG002  it needs none
        """Read what the identity needs."""
        return [f'Boundary "{self.name}": {debt}' for debt in self.identity.read()]

    def flow(self, crossing: Crossing) -> Flow[Any]:  # noqa: ARG002  an action has one
        """Refuse to be handed a claim without an action."""
        raise BoundaryError(f'Boundary "{self.name}" crosses by an action: client.action(…).')
