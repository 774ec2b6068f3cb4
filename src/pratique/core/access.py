"""For whom, on which object, may they: what is asked once a caller is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Final, TypeVar

from .callback import Callback, not_a_bool
from .crossing import Crossing
from .decision import Decision
from .obligation import ALLOWED, BIT, LINKED, Obligation
from .question import LATER, Ask, Decide, Flow, Later, Lookup
from .refusal import Answer, BoundaryError, Refused

Q = TypeVar("Q", bound=Ask)
OF_THE_STORE: Final = object()
"""In place of a session: the driver hands in the store's own, in the transaction that is open."""
NOT_FOUND: Final = 404
NOT_FOUND_DETAIL: Final = "the user has no such object"
FORBIDDEN: Final = 403
_EMPTY: Final = frozenset({list, tuple, dict, set, frozenset, str, bytes})
_DOUBTFUL: Final = _EMPTY | {NoneType, bool, Later}
"""Types of what may be nothing, or no thing. A row of ours is of another one."""
_LINKED: Final = BIT[LINKED]
_ALLOWED: Final = BIT[ALLOWED]


@dataclass(frozen=True, slots=True)
class Asker:
    """A callable of our user that is asked within a request, with the request's own session.

    Args:
        callback: The callable, looked at once.
    """

    callback: Callback

    @classmethod
    def of(cls, call: Callable[..., Any], *, arguments: int, role: str) -> "Asker":
        """Look at a callable that takes *arguments* positional ones, perhaps a session after them.

        Raises:
            BoundaryError: it takes another number of arguments.
        """
        return cls(Callback.of(call, arguments=arguments, role=role))

    def ask(self, kind: type[Q], args: tuple[object, ...], session: object) -> Q:
        """Return the question to it, with the session of the request where it takes one.

        Raises:
            BoundaryError: see `with_session`.
        """
        if not self.callback.wants_session:
            return kind(self.callback, args)
        return kind(*self.with_session(args, session))

    def with_session(
        self, args: tuple[object, ...], session: object
    ) -> tuple[Callback, tuple[object, ...]]:
        """Return what is called with what: the session of the request where it takes one.

        Raises:
            BoundaryError: it takes a session, and the door was given none.
        """
        callback = self.callback
        if not callback.wants_session or session is OF_THE_STORE:
            return callback, args
        if session is None:
            raise BoundaryError(
                f"{callback.where} takes a session, and the route hands in none: session=…"
            )
        return replace(callback, wants_session=False), (*args, session)


@dataclass(frozen=True, slots=True)
class Access:
    """What an action owes beyond who calls.

    Args:
        action: What the policy is asked with: "read".
        user: (subject) -> our own user as it is now; None where there is none that may act. An
            empty collection is none.
        policy: (user, action, object) -> bool, or a `Decision`. Exactly True, or it is refused.
        find: (user, key) -> the object, looked for among this user's alone; None for an action
            that is about the user itself.
        loading: What loading the user from our own state discharges besides `linked`, as bits.
    """

    action: str
    user: Asker
    policy: Asker
    find: Asker | None = None
    loading: int = 0


def access(
    crossing: Crossing, rule: Access, subject: object, *, key: object, session: object
) -> Flow[tuple[Any, Any]]:
    """Load the user and the object from our own state, and decide from that state.

    Args:
        crossing: With `authentic` and `fresh` discharged.
        rule: What the action owes.
        subject: Of the proven identity.
        key: Which object the request is about; unproven.
        session: The request's own, for callables that take one.

    Returns:
        Our user and the object, None where the action has none.

    Raises:
        Refused: LINKED, code "unknown_user" (403), "not_found" (404: also where it is somebody
            else's, which is nobody's business); ALLOWED, code "not_allowed" (403).

    Source: OWASP API1:2023, API5:2023; CWE-639, CWE-862.
    """
    user = yield rule.user.ask(Lookup, (subject,), session)
    if type(user) in _DOUBTFUL:
        _require_thing("user", user)
        detail = "the subject is no user of ours that may act"
        _require(user, LINKED, "unknown_user", detail, FORBIDDEN)
    crossing.done |= rule.loading
    found: object = None
    if rule.find is not None:
        found = yield rule.find.ask(Lookup, (user, key), session)
        if type(found) in _DOUBTFUL:
            _require_thing("find", found)
            _require(found, LINKED, "not_found", NOT_FOUND_DETAIL, NOT_FOUND)
    crossing.done |= _LINKED
    if crossing.excused & _ALLOWED:
        return user, found
    told: object = yield rule.policy.ask(Decide, (user, rule.action, found), session)
    if type(told) is Decision:
        told = _weighed(crossing, told)
    if told is not True:
        require_allowed(told, "the policy", "the policy says no")
    crossing.done |= _ALLOWED
    return user, found


def require_allowed(told: object, role: str, detail: str) -> None:
    """Refuse what isn't exactly True.

    Raises:
        Refused: ALLOWED, code "not_allowed" (403), "later", "internal".
    """
    if told is not True:
        _require(told, ALLOWED, "not_allowed", detail, FORBIDDEN)
        raise not_a_bool(ALLOWED, role, told)


def not_found() -> Refused:
    """Return the refusal of an object that isn't there, or isn't this user's: one and the same."""
    return Refused(LINKED, NOT_FOUND_DETAIL, code="not_found", status=NOT_FOUND)


def _weighed(crossing: Crossing, decision: Decision) -> object:
    """Return what was decided; by what, the crossing's event tells."""
    reasons = ", ".join(decision.reasons)
    if decision.is_allowed is False:
        detail = f"the policy says no: {reasons or 'nothing permits it'}"
        raise Refused(ALLOWED, detail, code="not_allowed", status=FORBIDDEN)
    if reasons:
        crossing.remark = ("decided", f"by {reasons}")
    return decision.is_allowed


def _require(told: object, obligation: Obligation, code: str, detail: str, status: int) -> None:
    if told is LATER:
        raise Refused(obligation, "not there yet", code="later", answer=Answer.RETRY)
    if is_nothing(told):
        raise Refused(obligation, detail, code=code, status=status)


def is_nothing(told: object) -> bool:
    """Say whether a callable of our user found nothing; 0 is a key.

    A query that gave no rows gave none: an empty list is nobody's object.
    """
    return told is None or told is False or (type(told) in _EMPTY and not told)


def _require_thing(role: str, told: object) -> None:
    """Refuse a yes where a user or an object is due: it says that there is one, not which."""
    if told is True:
        raise Refused(
            LINKED,
            f"{role} returned bool, not what it was asked for",
            code="internal",
            hint="return the row itself, or None",
            answer=Answer.RETRY,
        )


def places(askers: Sequence[Asker | None]) -> str:
    """Return where callables stand, for the declaration."""
    return ", ".join(asker.callback.where for asker in askers if asker is not None)
