"""A boundary whose claims are requests to do something: its actions, and how each is declared."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from .access import Access, Asker, places
from .action import Action
from .boundary import Boundary, Declaration, Proof
from .crossing import Crossing
from .decision import DecisionPoint
from .obligation import ALLOWED, LINKED, VALID
from .question import Flow
from .refusal import BoundaryError
from .roots import OWN_CODE, Root, RootKind, ways
from .store import Store
from .waiver import Waiver
from .writable import Content

OWN_STATE: Final = Root(RootKind.STORE, "our own rows")
MAX_CONTENT_BYTES: Final = 1 << 20


class Acting(Boundary):
    """A boundary whose claims are requests to do something.

    Args:
        name: In events, metrics and reports.
        origin: Who created the claim.
        user: (subject[, session]) -> our own user as it is now, or None where there is none that
            may act: roles, tenants and suspensions are read here, at the point of use.
        policy: (user, verb, object[, session]) -> bool: may this user do this to this object, from
            the state that it is in now? Exactly True, or it is refused. A decision point
            (`pratique.policy`) answers with a `Decision`, whose reasons go into the event.
        waivers: For every action; see `pratique.unsafe.waive`.
    """

    max_content_bytes: ClassVar[int] = MAX_CONTENT_BYTES
    loading: ClassVar[int] = 0
    """What loading the user from our own state discharges besides `linked`, as bits."""

    def __init__(
        self,
        name: str,
        *,
        origin: str,
        user: Callable[..., Any],
        policy: Callable[..., Any],
        waivers: Sequence[Waiver] = (),
    ) -> None:
        super().__init__(name, origin=origin)
        self.waivers = tuple(waivers)
        self._user = Asker.of(user, arguments=1, role="user")
        self._policy = Asker.of(policy, arguments=3, role="policy")
        self._actions: dict[str, Action] = {}

    @abstractmethod
    def identify(
        self, crossing: Crossing, action: Action, *, key: str, session: object
    ) -> Flow[object]:
        """Discharge what is owed of who calls, and return the subject."""

    @abstractmethod
    def identity_proofs(self) -> Sequence[Proof]:
        """Return what `identify` rests on."""

    def action(
        self,
        name: str,
        *,
        verb: str = "",
        find: Callable[..., Any] | None = None,
        read_key: Callable[[str], object] | None = None,
        content: type[Any] | None = None,
    ) -> Action:
        """Declare something that may be done.

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
            raise BoundaryError(
                f'Boundary "{self.name}" declares the action {name} twice. '
                "Declare it once and use what that gave in both places."
            )
        if (find is None) != (read_key is None):
            raise BoundaryError(
                f'Boundary "{self.name}" {name}: find= and read_key= come together.'
            )
        asked = None if find is None else Asker.of(find, arguments=2, role="find")
        made = Action(
            self,
            name,
            Access(verb or name, self._user, self._policy, asked, self.loading),
            read_key=read_key,
            content=None if content is None else Content(content),
        )
        self._actions[name] = made
        return made

    def declarations(self) -> Sequence[Declaration]:
        """Return one declaration an action."""
        return tuple(action.declaration for action in self._actions.values())

    def declaration_of(self, action: Action) -> Declaration:
        """Return what one action proves, and on what it rests."""
        own, rule, content = ways(OWN_STATE, OWN_CODE), action.rule, action.content
        linked = (
            "the object is looked for among the user's own"
            if rule.find is not None
            else "it is about the user itself, as our own state has it"
        )
        valid = "no content" if content is None else f"{content.name}: writable fields alone"
        return Declaration(
            name=action.name,
            proofs=(
                *self.identity_proofs(),
                Proof(LINKED, linked, own, places((rule.user, rule.find))),
                self._allowed(rule),
                Proof(VALID, valid, ways(OWN_CODE)),
            ),
            waivers=self.waivers,
            facts={"outbound": "no", "forwarded": "no header of a proxy is believed here"},
        )

    @staticmethod
    def _allowed(rule: Access) -> Proof:
        policy, words, more = rule.policy.callback, "policy over our own state", tuple[Root, ...]()
        if isinstance(policy.call, DecisionPoint):
            words, more = policy.call.words, policy.call.roots
        return Proof(ALLOWED, words, ways(OWN_STATE, OWN_CODE, *more), policy.where)

    def flow(self, crossing: Crossing) -> Flow[Any]:  # noqa: ARG002  an action has one
        """Refuse to be handed a claim without an action."""
        raise BoundaryError(f'Boundary "{self.name}" crosses by an action: action(…).')

    def prepare(self, store: Store | None) -> list[str]:  # noqa: ARG002  it needs none
        """Read what the identity needs."""
        return [f'Boundary "{self.name}": {debt}' for debt in self.unread()]

    def unread(self) -> list[str]:
        """Return what is wrong with what `identify` needs, one sentence each."""
        return []
