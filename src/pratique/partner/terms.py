"""What a partner's answer must satisfy before it is believed, as it is declared with a call."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypedDict, TypeVar, cast

from pratique.core.callback import Callback
from pratique.core.obligation import LINKED
from pratique.core.question import Later
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.roots import Root

from .answer import AnswerType, answer_type
from .drift import UnknownFields

T = TypeVar("T")
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class NoSubject:
    """What an answer is about that is about no object of ours: a list of currencies.

    Args:
        reason: Why, for the report.
    """

    reason: str


About = Callable[[T, Mapping[str, object]], bool] | Mapping[str, str] | NoSubject
"""(answer, what was asked) -> bool; or {field of the answer: name of the value that was asked}."""


class Terms(TypedDict, Generic[T], total=False):
    """What else an answer must satisfy.

    Keys:
        limits: (answer) -> bool: our business limits. Exactly True, or it is refused.
        as_of: (answer) -> the answer's own time, with its zone.
        max_age: How old that time may be.
        confirm: (answer) -> bool: what a second source or our own record says. It may be async.
        source: The second source, with its controller; another one than the partner's.
        decides: What the answer decides, in words; then `confirm` is owed. Left out, it informs,
            and what follows stays our own decision.
        unknown: What becomes of members that no field takes.
    """

    limits: Callable[[T], bool]
    as_of: Callable[[T], datetime]
    max_age: timedelta
    confirm: Callable[[T], bool | Later | Awaitable[bool | Later]]
    source: Root
    decides: str
    unknown: UnknownFields


@dataclass(frozen=True, slots=True)
class Contract(Generic[T]):
    """The same, looked at once: which callables there are, and where they stand."""

    answer: AnswerType[T]
    about: Callback | None
    about_words: str
    limits: Callback | None
    as_of: Callback | None
    max_age: timedelta | None
    confirm: Callback | None
    source: Root | None
    decides: str


def contract_of(declared: type[T], about: About[T] | None, terms: Terms[T]) -> Contract[T]:
    """Look at the terms of one call.

    Raises:
        BoundaryError: a callable takes other arguments, a reason is empty, `as_of` and `max_age`
            don't come together.
    """
    as_of, max_age = terms.get("as_of"), terms.get("max_age")
    if (as_of is None) != (max_age is None):
        raise BoundaryError("as_of= and max_age= come together: a time, and how old it may be.")
    if max_age is not None and max_age <= timedelta(0):
        raise BoundaryError(f"max_age={max_age} is not above zero.")
    compared, words = _about(about)
    return Contract(
        answer=answer_type(declared, terms.get("unknown", UnknownFields.OBSERVE)),
        about=compared,
        about_words=words,
        limits=_callback(terms.get("limits"), "limits"),
        as_of=_callback(as_of, "as_of"),
        max_age=max_age,
        confirm=_callback(terms.get("confirm"), "confirm"),
        source=terms.get("source"),
        decides=terms.get("decides", ""),
    )


def _callback(call: Callable[..., Any] | None, role: str) -> Callback | None:
    if call is None:
        return None
    callback = Callback.of(call, arguments=1, role=role)
    if callback.is_async and role != "confirm":
        raise BoundaryError(f"{role} at {callback.where} is async: it judges, and may not wait.")
    return callback


def _about(about: Any) -> tuple[Callback | None, str]:
    """Return what compares an answer with what was asked, and the sentence for the report."""
    if about is None:
        return None, ""
    if isinstance(about, NoSubject):
        if not about.reason.strip():
            raise BoundaryError("NoSubject() has no reason that a reviewer can judge.")
        return _ours(_of_nothing), f"none: {about.reason}"
    if isinstance(about, Mapping):
        pairs = dict(cast("Mapping[str, str]", about))
        if not pairs:
            raise BoundaryError("about={} compares nothing. Name a field, or NoSubject(reason).")
        words = ", ".join(f"{name} as {field}" for field, name in sorted(pairs.items()))
        return _comparing(pairs), f"the answer repeats {words}"
    callback = Callback.of(about, arguments=2, role="about")
    if callback.is_async:
        raise BoundaryError(f"about at {callback.where} is async: it compares, and may not wait.")
    return callback, f"judged by {callback.where}"


def _of_nothing(answer: object, words: object) -> bool:  # noqa: ARG001  it is about no object
    return True


def _comparing(pairs: Mapping[str, str]) -> Callback:
    def repeats(answer: object, words: Mapping[str, object]) -> bool:
        return _repeats(answer, words, pairs)

    return _ours(repeats)


def _ours(call: Callable[..., Any]) -> Callback:
    """Return a callable of ours: no place, since none of our user's code is run."""
    return replace(Callback.of(call, arguments=2, role="about"), where="")


def _kinds(asked: object, got: object) -> str:
    """Say where an honest answer fails: "7" is no 7."""
    if asked is _MISSING or got is _MISSING or type(asked) is type(got):
        return ""
    return f": {type(asked).__name__} was asked, {type(got).__name__} was answered"


def _repeats(answer: object, words: Mapping[str, object], pairs: Mapping[str, str]) -> bool:
    """Say whether each field has the value that was asked for; what is absent has none."""
    for field, name in pairs.items():
        asked, got = words.get(name, _MISSING), value_at(answer, field)
        # 1 == True and 1 == 1.0: only the same kind of value is the same value.
        if asked is _MISSING or type(asked) is not type(got) or asked != got:
            raise Refused(
                LINKED,
                f"the answer's {field} isn't the {name} that was asked for{_kinds(asked, got)}",
                code="not_about_it",
            )
    return True


def value_at(answer: object, path: str) -> object:
    """Return the value of a field of an answer: "order" or "order.id"; nothing where absent."""
    value: object = answer
    for name in path.split("."):
        if isinstance(value, Mapping):
            value = cast("Mapping[str, object]", value).get(name, _MISSING)
        else:
            value = getattr(value, name, _MISSING)
    return value
