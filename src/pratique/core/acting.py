"""A boundary whose claims are requests to do something: its actions, and how each is declared."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, ClassVar, Final

from .access import Access, Asker, places
from .action import Action
from .attempts import Attempts
from .boundary import Boundary, Declaration, Proof
from .callback import Callback
from .crossing import Crossing
from .decision import DecisionPoint
from .obligation import ALLOWED, LINKED, UNIQUE, VALID, Obligation
from .once import Doing, OneTime
from .question import Flow
from .refusal import BoundaryError
from .roots import OWN_CODE, Root, RootKind, ways
from .store import Store
from .told import AnswerType
from .waiver import Observe, Waiver
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
        observe: See `pratique.unsafe.observe`.
    """

    can_go_without: ClassVar[frozenset[Obligation]] = frozenset({ALLOWED})
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
        observe: Observe | None = None,
    ) -> None:
        super().__init__(name, origin=origin, observe=observe)
        self.waivers = tuple(waivers)
        self._user = Asker.of(user, arguments=1, role="user")
        self._policy = Asker.of(policy, arguments=3, role="policy")
        self._actions: dict[str, Action] = {}
        self._has_store = False

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
        asked = self._asker_of(name, find, read_key)
        made = Action(
            self,
            name,
            Access(verb or name, self._user, self._policy, asked, self.loading),
            read_key=read_key,
            content=None if content is None else Content(content),
        )
        self._actions[name] = made
        return made

    def once(  # noqa: PLR0913  each proof is a keyword of its own
        self,
        name: str,
        *,
        key: Callable[..., Any] | None = None,
        verb: str = "",
        link: Callable[..., Any] | None = None,
        read_key: Callable[[str], object] | None = None,
        allow: Callable[..., Any] | None = None,
        content: type[Any] | None = None,
        answer: type[Any] | None = None,
        attempts: Attempts | None = None,
        tenant: Callable[..., Any] | None = None,
        effect: str = "",
    ) -> Callable[[Callable[..., Any]], OneTime]:
        """Declare something that happens once; the handler does it.

        The handler is (proven[, session]) -> answer, with `proven.value` an `Once`. It runs in one
        transaction of the store, with the keys before it and the commit after it. What it raises
        undoes all of it, and so does `Refused`.

        Args:
            name: "coupon.redeem", in events and reports.
            key: (asked[, session]) -> the business key: what happens once, by our own state,
                whoever asks. None where there is nothing of the kind: 404. Read before the
                transaction, judged by the first statement in it.
            verb: See `action`.
            link: (user, key[, session]) -> the object, looked for among what this user may name;
                None: 404. It is locked. Left out, the action is about the user itself.
            read_key: See `action`.
            allow: (asked, object[, session]) -> whether it is legal from the state that the object
                is in now; the user in place of the object where there is none. Not asked again
                where an answer is told again: who may do it at all belongs in the policy.
            content: See `action`.
            answer: The Struct that the handler returns, at most 4096 bytes as JSON and without a
                secret: it is kept where a client sent an idempotency key. Left out, `{}`.
            attempts: How often one principal may try.
            tenant: (user) -> the tenant that it is in: an answer is told again in the same alone.
            effect: The name under which business keys are kept, shared by boundaries of one store;
                the action's by default. Keep it: a new one forgets.

        Raises:
            BoundaryError: see `action`; a callable takes another number of arguments.
        """
        asked = self._asker_of(name, link, read_key)
        answers = AnswerType(answer)
        sent = None if content is None else Content(content)

        def declare(handler: Callable[..., Any]) -> OneTime:
            doing = Doing(
                act=Callback.of(handler, arguments=1, role=f"{name} handler"),
                key=Callback.if_given(key, arguments=1, role=f"{name} key"),
                allow=Callback.if_given(allow, arguments=2, role=f"{name} allow"),
                tenant=Callback.if_given(tenant, arguments=1, role=f"{name} tenant"),
                answer=answers,
                attempts=attempts,
                effect=effect or name,
            )
            rule = Access(verb or name, self._user, self._policy, asked, self.loading)
            made = OneTime(self, name, rule, read_key=read_key, content=sent, doing=doing)
            self._actions[name] = made
            return made

        return declare

    def _asker_of(
        self,
        name: str,
        find: Callable[..., Any] | None,
        read_key: Callable[[str], object] | None,
    ) -> Asker | None:
        if self.perimeter is not None and self.perimeter.is_started:
            raise BoundaryError(f'Boundary "{self.name}": {name} is declared after the start.')
        if name in self._actions:
            raise BoundaryError(
                f'Boundary "{self.name}" declares the action {name} twice. '
                "Declare it once and use what that gave in both places."
            )
        if (find is None) != (read_key is None):
            raise BoundaryError(
                f'Boundary "{self.name}" {name}: find= (link= of what happens once) and read_key= '
                "come together."
            )
        return None if find is None else Asker.of(find, arguments=2, role="find")

    def declarations(self) -> Sequence[Declaration]:
        """Return one declaration an action."""
        return tuple(action.declaration for action in self._actions.values())

    def declaration_of(self, action: Action) -> Declaration:
        """Return what one action proves, and on what it rests."""
        own, rule, content = ways(OWN_STATE, OWN_CODE), action.rule, action.content
        linked = (
            _words_of(rule.find.callback)
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
            facts={
                "acts": "the application's own view acts on it, and what it writes isn't declared",
                "outbound": "no",
                "forwarded": "no header of a proxy is believed here",
            },
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

    def prepare(self, store: Store | None) -> list[str]:
        """Read what the identity needs, and let what happens once look at the store."""
        self._has_store = store is not None
        debts = self.unread()
        for action in self._actions.values():
            debts += action.prepare(store)
        return [f'Boundary "{self.name}": {debt}' for debt in debts]

    def debts(self, today: date) -> list[str]:
        """Return every debt; while it observes, nothing can be done by it."""
        found = super().debts(today)
        if self.observe is not None:
            found.extend(
                f'Boundary "{self.name}" only observes, and {action.name} happens by it: nobody '
                "would do it. Declare it by a boundary that enforces."
                for action in self._actions.values()
                if action.is_one_time
            )
        return found

    def mend(self, obligation: Obligation) -> str:
        """Say what to pass so that the obligation is discharged."""
        if obligation is not UNIQUE:
            return super().mend(obligation)
        if not self._has_store:
            return "Pass Perimeter(store=stores.…)."
        return "Pass key=, the business key: what happens once, by our own state."

    def unread(self) -> list[str]:
        """Return what is wrong with what `identify` needs, one sentence each."""
        return []


def _words_of(find: Callback) -> str:
    """Return what a find looks among: its own words where it is a method of what has some."""
    words = getattr(getattr(find.call, "__self__", None), "words", None)
    return words if isinstance(words, str) else "the object is looked for among the user's own"
