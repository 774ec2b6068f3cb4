"""The declared type of an answer, and how a partner's JSON becomes one: exactly, or not at all."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec.inspect import Field, StructType, Type, type_info

from pratique.core.memo import Memo
from pratique.core.obligation import VALID
from pratique.core.proofs.valid import MAX_DEPTH, count, members
from pratique.core.refusal import BoundaryError, Refused

from .drift import MOST_CHARACTERS, WITH_FIELDS, UnknownFields, most_of, surplus_of
from .exact import exactly

T = TypeVar("T")
KNOWN: Final = 512
"""Types whose readers are kept."""
_OPEN: Final = (Any, object, dict, list, str, bytes, int, float)
_ERRORS: Final = ("error", "errors", "fault")
"""Members in which senders say under status 200 that it went wrong."""
_PATH: Final = re.compile(r" - at `\$[\w.\[\]]*`\Z")
_untyped: Final = msgspec.json.Decoder().decode


class AnswerType(Generic[T]):
    """Reads answers of one declared type.

    Args:
        declared: A `msgspec.Struct`, a dataclass, a TypedDict, a list of them, or a pydantic model.
        unknown: What becomes of members that no field takes.

    Raises:
        BoundaryError: the type says nothing, or msgspec can't read it.
    """

    def __init__(
        self, declared: type[T], *, unknown: UnknownFields = UnknownFields.OBSERVE
    ) -> None:
        name = getattr(declared, "__name__", str(declared))
        if declared in _OPEN:
            raise BoundaryError(
                f"an answer of type {name} would be anything. Declare a msgspec.Struct "
                "with a field for each member that is used."
            )
        self.name: str = name
        self._unknown = unknown
        self._is_exact: Callable[[bytes, Any], bool] = _never
        validate = getattr(declared, "model_validate_json", None)
        self._kind: Type
        self._is_model = validate is not None
        if validate is not None:
            self._read: Callable[[bytes], T] = validate
            self._kind = _of_model(declared)
            self._unknown_fields = surplus_of(self._kind)
            return
        try:
            self._kind = type_info(declared)
            self._unknown_fields = surplus_of(self._kind)
            self._read = msgspec.json.Decoder(declared).decode
            self._is_exact = exactly(declared)
        except TypeError as error:
            raise BoundaryError(f"msgspec can't read the type {name}: {error}.") from None

    def read(self, content: bytes) -> tuple[T, Sequence[str]]:
        """Return the answer, and the names of what came beside it and is dropped.

        Args:
            content: UTF-8, RFC 8259.

        Raises:
            Refused: VALID, code "malformed_answer", "bad_answer", "duplicate_member", "too_deep",
                "error_under_200", "unknown_fields".

        Source: RFC 8259 §4 on names that come twice; OWASP API10:2023; CWE-436.
        """
        try:
            answer = self._read(content)
        except RecursionError:
            raise _too_deep() from None
        except ValueError as error:  # msgspec's, pydantic's, UnicodeDecodeError
            raise _unlike(error, self.name) from None
        if self._is_exact(content, answer):
            return answer, ()
        return answer, self._surplus(content)

    def _surplus(self, content: bytes) -> Sequence[str]:
        """Return what the answer holds beyond its type; refuse what may be read in two ways."""
        try:
            value = _untyped(content)
            found = count(value)
        except RecursionError:
            raise _too_deep() from None
        except ValueError as error:  # pydantic reads NaN
            raise _unlike(error, self.name) from None
        if members(content) != found:
            raise _refused(
                "an object of the answer has two members of one name", "duplicate_member"
            )
        names = self._unknown_fields(value)
        if not names:
            return ()
        if isinstance(value, dict):
            said = [name for name in _ERRORS if name in names and value[name]]
            if said:
                raise _refused(
                    f'the answer has status 200 and a member "{said[0]}"', "error_under_200"
                )
        if self._unknown is UnknownFields.REFUSE:
            raise _refused(
                f"the answer has members that no field takes: {', '.join(most_of(names))}",
                "unknown_fields",
                "add them to the type, or take UnknownFields.OBSERVE",
            )
        return most_of(names)

    def unbounded(self) -> list[str]:
        """Return the fields that any number or text satisfies: for the reviewer.

        A pydantic model bounds itself, and isn't looked into: its own name is returned.
        """
        if self._is_model:
            return [f"{self.name} (a pydantic model, not looked into)"]
        return sorted(_unbounded(self._kind, "", frozenset()))


def answer_type(declared: type[T], unknown: UnknownFields) -> AnswerType[T]:
    """Return the reader of a type: the same one each time, since it takes a while to make.

    Raises:
        BoundaryError: see `AnswerType`.
    """
    key = (declared, unknown)
    known: AnswerType[T] | None = _known.get(key)
    if known is None:
        known = _known.keep(key, AnswerType(declared, unknown=unknown))
    return known


_known: Final = Memo[tuple[Any, UnknownFields], AnswerType[Any]](KNOWN)


def _never(content: bytes, answer: object) -> bool:  # noqa: ARG001  what `exactly` returns
    return False


def _of_model(model: Any) -> StructType:
    """Return the names that a pydantic model takes, of its top level alone."""
    anything = type_info(Any)
    return StructType(
        model,
        tuple(
            Field(name, field.validation_alias or field.alias or name, anything)
            for name, field in model.model_fields.items()
        ),
    )


def _unbounded(kind: Any, path: str, above: frozenset[type]) -> set[str]:
    if isinstance(kind, WITH_FIELDS):
        if kind.cls in above:
            return set()
        inner = above | {kind.cls}
        return {
            found
            for field in kind.fields
            for found in _unbounded(field.type, f"{path}.{field.encode_name}".lstrip("."), inner)
        }
    inside = [getattr(kind, name, None) for name in ("item_type", "value_type")]
    found = {
        one for part in inside if part is not None for one in _unbounded(part, f"{path}[]", above)
    }
    for part in getattr(kind, "types", ()):
        found |= _unbounded(part, path, above)
    limits = _LIMITS.get(type(kind).__name__)
    if limits is not None and all(getattr(kind, limit) is None for limit in limits):
        found.add(path)
    return found


_LIMITS: Final = {
    "IntType": ("ge", "gt", "le", "lt"),
    "FloatType": ("ge", "gt", "le", "lt"),
    "DecimalType": ("ge", "gt", "le", "lt"),
    "StrType": ("max_length", "pattern"),
    "AnyType": (),
    "RawType": (),
}


def _unlike(error: ValueError, name: str) -> Refused:
    if isinstance(error, msgspec.ValidationError):
        return _refused(
            f"the answer isn't a {name}: {_words_of_ours(str(error))}",
            "bad_answer",
            "compare the type with the partner's API version",
        )
    places = getattr(error, "errors", None)
    if callable(places):  # pydantic's
        return _refused(
            f"the answer isn't a {name}", "bad_answer", "compare the model with the partner's API"
        )
    return _refused("the answer isn't JSON in UTF-8", "malformed_answer")


def _words_of_ours(text: str) -> str:
    """Return what msgspec says, unless it repeats what came. Its path names our own fields."""
    if text.startswith(("Expected ", "Object missing required field ")):
        return text[: 3 * MOST_CHARACTERS]
    path = _PATH.search(text)
    return "a value that its type doesn't know" + (path.group()[:MOST_CHARACTERS] if path else "")


def _too_deep() -> Refused:
    return _refused(f"the answer is deeper than {MAX_DEPTH} objects and lists", "too_deep")


def _refused(detail: str, code: str, hint: str = "") -> Refused:
    return Refused(VALID, detail, code=code, hint=hint)
