"""An action with an effect that happens once: single use, proofs, effect and answer, one commit."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from .access import OF_THE_STORE, Access, access, not_found, require_allowed
from .action import Action
from .attempts import Attempts
from .boundary import Declaration, Proof
from .callback import Callback
from .crossing import Crossing
from .event import Outcome
from .fingerprint import note_subject
from .idempotency import Retry, retry_of
from .key import ATTEMPTS, business_key, prefixed
from .obligation import ALLOWED, BIT, LINKED, UNIQUE, VALID
from .proven import Proven
from .question import LATER, Act, Decide, Flow, Name, Recall, Undo
from .refusal import Answer, Refused
from .roots import ways
from .settling import Rule, settle
from .store import Kept, Store
from .told import AnswerType, Told
from .writable import Content

if TYPE_CHECKING:
    from .acting import Acting

U = TypeVar("U")
O = TypeVar("O")  # noqa: E741  the object
C = TypeVar("C")


class Asked(msgspec.Struct, Generic[C], frozen=True):
    """What is asked for, before our own state was looked at.

    Attributes:
        subject: Of the proven identity.
        key: Which object, as `read_key` reads the path; None where there is none.
        content: What was sent, read as its declared type.
    """

    subject: Any
    key: Any
    content: C


class Once(msgspec.Struct, Generic[U, O, C], frozen=True):
    """What is done once: by whom, to what, and what they sent.

    Attributes:
        user: Our own user, in the session of the effect.
        object: The row, locked until the effect is committed; None where there is none.
        content: What was sent, read as its declared type.
    """

    user: U
    object: O
    content: C


@dataclass(frozen=True, slots=True)
class OnceRule(Rule):
    """What one request for a one-time action owes. Made by `OneTime`, one a request."""

    action: "OneTime | None" = None
    asked: Asked[Any] | None = None
    retry: Retry | None = None

    def __post_init__(self) -> None:
        """Add the bits up: the user is loaded, the object linked, the policy asked inside."""
        stateful = BIT[LINKED] | BIT[ALLOWED] | self.of.rule.loading
        stateful |= BIT[UNIQUE] if self.once is not None else 0
        object.__setattr__(self, "stateful", stateful)

    @property
    def of(self) -> "OneTime":
        """Return the action."""
        if self.action is None:
            raise TypeError("OnceRule is made by OneTime.")
        return self.action

    def named(self, subject: object) -> Flow[bytes | None]:
        """Return the business key. What has none is answered like what isn't there.

        Raises:
            Refused: UNIQUE, code "later"; LINKED, code "not_found" (404).
        """
        if self.once is None:
            return None
        value: object = yield Name(self.once, (subject,))
        if value is LATER:
            raise Refused(UNIQUE, "not there yet", code="later", answer=Answer.RETRY)
        if value is None or value is False:
            raise not_found()
        return self.business(value)

    def again(self, crossing: Crossing, key: bytes, used: bytes) -> Flow[Told]:
        """Tell what came of it before, if it is theirs to know; else refuse.

        Raises:
            Refused: what `access` refuses: a role that was taken away since hears nothing; UNIQUE,
                code "token_used", "key_conflict" (422), "already_applied" (409).
        """
        user, _ = yield from self._access(crossing)
        if used in crossing.single_use:
            raise Refused(
                UNIQUE,
                "its token was used for a one-time action before",
                code="token_used",
                hint="a caller asks for a token of its own for each thing that it wants done",
            )
        if self.retry is None or used != key:
            raise Refused(UNIQUE, "it was done before", code="already_applied")
        kept: Kept | None = yield Recall(used)
        content = self.retry.require_same(kept, (yield from self._tenant(user)))
        crossing.remark = ("repeated", "the same request was answered before")
        yield Undo(crossing.record(Outcome.DUPLICATE))
        return Told(content, crossing.id, is_repeated=True)

    def judge(self, crossing: Crossing, subject: object) -> Flow[Any]:
        """Load the user, find the object, ask the policy, and `allow` for the present state."""
        user, found = yield from self._access(crossing)
        if self.allow is not None and not crossing.excused & BIT[ALLOWED]:
            crossing.reopen(ALLOWED)
            row = found if self.of.rule.find is not None else user
            told: object = yield Decide(self.allow, (subject, row))
            require_allowed(told, "allow", "it isn't legal from the present state")
            crossing.discharge(ALLOWED)
        return user, found

    def mint(self, crossing: Crossing, event: Any, subject: Any, linked: Any) -> Proven[Any]:
        """Return what the handler is given."""
        _ = subject
        if self.once is not None:
            crossing.discharge(UNIQUE)
        user, found = linked
        return crossing.prove(Once(user, found, event.content))

    def doing(self, crossing: Crossing, key: bytes, proven: Proven[Any]) -> Flow[Told]:
        """Do it, and keep the answer beside the idempotency key where one was sent."""
        once: Once[Any, Any, Any] = proven.value
        fingerprint = b""
        if self.retry is not None:
            fingerprint = self.retry.fingerprint((yield from self._tenant(once.user)))

        def answer(value: object) -> Kept:
            return Kept(fingerprint, self.of.answer.encode(value, crossing.claim))

        kept: Kept = yield Act(self.act, (proven,), answer=answer, key=key if self.retry else b"")
        return Told(kept.result, crossing.id)

    def _access(self, crossing: Crossing) -> Flow[tuple[Any, Any]]:
        asked = self.asked
        if asked is None:
            raise TypeError("OnceRule is made by OneTime.")
        return (
            yield from access(
                crossing, self.of.rule, asked.subject, key=asked.key, session=OF_THE_STORE
            )
        )

    def _tenant(self, user: Any) -> Flow[object]:
        tenant = self.of.tenant
        return None if tenant is None else (yield Name(tenant, (user,)))


@dataclass(frozen=True, slots=True)
class Doing:
    """What a one-time action has beyond any other. Args as `Acting.once`."""

    act: Callback
    key: Callback | None
    allow: Callback | None
    tenant: Callback | None
    answer: AnswerType
    attempts: Attempts | None
    effect: str

    def callbacks(self) -> dict[str, Callback]:
        """Return the callables by their role."""
        named = {"key": self.key, "allow": self.allow, "tenant": self.tenant, "handler": self.act}
        return {role: callback for role, callback in named.items() if callback is not None}


class OneTime(Action):
    """One thing that happens once. Made by `Acting.once`."""

    def __init__(
        self,
        boundary: "Acting",
        name: str,
        rule: Access,
        *,
        read_key: Callable[[str], object] | None,
        content: Content[Any] | None,
        doing: Doing,
    ) -> None:
        super().__init__(boundary, name, rule, read_key=read_key, content=content)
        self.doing = doing
        self.answer, self.tenant, self.attempts = doing.answer, doing.tenant, doing.attempts
        self._declared: Declaration = self.declaration
        self._business = partial(business_key, prefixed(b"once", doing.effect.encode()))
        self.prepare(None)

    @property
    def is_one_time(self) -> bool:
        """Say that what proves the caller is shown once where it can be."""
        return True

    def flow(self, crossing: Crossing, *, key: str = "", session: object = None) -> Flow[Any]:
        """Prove one request and do it, or tell again what came of it.

        Who calls is proven outside any transaction. Then one transaction: the keys as settled, the
        user and the object, the policy, the effect, the answer, the record.

        Args:
            crossing: Its crossing.
            key: Which object, as it stands in the path.
            session: Not used: the store's own is.

        Raises:
            Refused: what `Action.flow`, `retry_of`, `Attempts.count` and `OnceRule` refuse.
        """
        _ = session
        self.take(crossing)
        subject = yield from self.boundary.identify(crossing, self, key=key, session=OF_THE_STORE)
        note_subject(crossing, subject)
        asked: Asked[Any] = Asked(subject, *self.read(crossing, key))
        crossing.discharge(VALID)
        retry = retry_of(crossing, self.name, subject, key)
        counters = self._counters(subject, key)
        if self.attempts is not None:
            yield from self.attempts.count(*counters)
        rule = OnceRule(
            self.declaration,
            confirm=None,
            once=self.doing.key,
            link=None,
            allow=self.doing.allow,
            act=self.doing.act,
            business=self._business,
            action=self,
            asked=asked,
            retry=retry,
        )
        own = retry.key if retry is not None else _nobody_elses(crossing, rule)
        told: Told = yield from settle(crossing, rule, asked, own, is_transactional=True)
        if self.attempts is not None:
            ended = self.attempts.repeated if told.is_repeated else self.attempts.succeeded
            yield from ended(*counters)
        return told

    def prepare(self, store: Store | None) -> list[str]:
        """Say what it proves on this store; return the debts."""
        doing, declared = self.doing, self._declared
        proofs = [self._with_state(proof) for proof in declared.proofs]
        if doing.key is not None and store is not None and store.transactional:
            words = f"single use of the business key, in the effect's transaction, {store.name}"
            proofs.append(Proof(UNIQUE, words, ways(*store.roots), doing.key.where))
        self.declaration = replace(
            declared,
            proofs=tuple(proofs),
            effect=doing.act.where,
            also_owes=declared.also_owes | {UNIQUE},
        )
        return [] if store is None else list(self._debts(store))

    def _debts(self, store: Store) -> list[str]:
        if not store.transactional:
            debt = (
                f"{self.name}: what happens once and that it happened are one commit, and the "
                f"store {store.name} can't. Use stores.postgres(url), stores.sqlalchemy(Session) "
                "or stores.sqlite3(connect)."
            )
            return [debt]
        found: list[str] = []
        for role, callback in self._callbacks().items():
            if callback.wants_session and not store.has_session:
                found.append(
                    f"{self.name}: {role} ({callback.where}) wants a session, and the store "
                    f"{store.name} has none. Use stores.postgres(url) or "
                    "stores.sqlalchemy(Session)."
                )
            if callback.is_async and store.asynchronous is None:
                found.append(
                    f"{self.name}: {role} ({callback.where}) is async, and the store's session is "
                    "sync. Make it a plain def: it runs on a thread of the pool."
                )
        return found

    def _callbacks(self) -> dict[str, Callback]:
        rule = self.rule
        asked = {"user": rule.user, "policy": rule.policy, "link": rule.find}
        outer = {role: asker.callback for role, asker in asked.items() if asker is not None}
        return {**outer, **self.doing.callbacks()}

    def _with_state(self, proof: Proof) -> Proof:
        allow = self.doing.allow
        if proof.obligation is not ALLOWED or allow is None:
            return proof
        method = f"{proof.method}, and legal from the present state"
        return replace(proof, method=method, where=f"{proof.where}, {allow.where}")

    def _counters(self, subject: object, key: str) -> tuple[bytes, bytes]:
        if self.attempts is None:
            return b"", b""
        names = (ATTEMPTS, self.boundary.name.encode(), self.name.encode())
        whole = prefixed(*names, business_key(b"", subject))
        if self.rule.find is None:
            return whole, b""
        return whole, whole + sha256(key.encode("utf-8", "surrogatepass")).digest()


def _nobody_elses(crossing: Crossing, rule: Rule) -> bytes:
    """Return a key for a transaction that would have none: the record lies beside it."""
    return b"" if rule.once is not None else prefixed(b"crossing", crossing.id.encode())
