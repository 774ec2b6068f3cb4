"""What an HTML form sends: texts under names, read as exactly the declared fields."""

from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect as shape

from .obligation import VALID
from .refusal import BoundaryError, Refused

T = TypeVar("T")
KIND: Final = "application/x-www-form-urlencoded"
MAX_FIELDS: Final = 200
"""Of one form: pages that people fill in stay far under it."""
UNPROCESSABLE: Final = 422
TOKENS: Final = frozenset({"csrfmiddlewaretoken", "csrf_token"})
"""What Django and Flask-WTF write into each form themselves. The identity asks for the origin."""
_MANY: Final = (shape.ListType, shape.SetType, shape.FrozenSetType, shape.VarTupleType)
_ONE: Final = (
    shape.BoolType,
    shape.DateTimeType,
    shape.DateType,
    shape.DecimalType,
    shape.EnumType,
    shape.FloatType,
    shape.IntType,
    shape.LiteralType,
    shape.NoneType,
    shape.StrType,
    shape.TimeDeltaType,
    shape.TimeType,
    shape.UUIDType,
)


class Form(msgspec.Struct):
    """The base of content that comes from an HTML form, and not as JSON.

    `class OrderChange(Form, forbid_unknown_fields=True)`. A field is a text, a number, a date, a
    choice, or a list of such, for which the name comes several times. An empty text is None where
    that is declared and a text isn't; a box that is ticked is "on". The hidden token that a
    framework puts into its forms (`csrfmiddlewaretoken`, `csrf_token`) is dropped unread.

    Source: WHATWG URL, "application/x-www-form-urlencoded parsing"; HTML, "constructing the entry
    list".
    """


class FormReader:
    """Reads a form as a declared `Form`.

    Args:
        declared: Whose fields are names of the form.

    Raises:
        BoundaryError: a field that no form can carry: an object, bytes, a list of lists.
    """

    def __init__(self, declared: type[Form]) -> None:
        told: Any = shape.type_info(declared)
        self._declared = declared
        self._types = {field.encode_name: _members(field.type) for field in told.fields}
        self._dropped = TOKENS - self._types.keys()
        wrong = [name for name, types in self._types.items() if not _fits(types)]
        if wrong:
            raise BoundaryError(
                *(
                    f'content={declared.__name__}: "{name}" can\'t come from a form. Declare a '
                    "text, a number, a date, a choice, or a list of such."
                    for name in wrong
                )
            )

    def read(self, content: bytes) -> Any:
        """Return what was sent.

        Raises:
            Refused: VALID, code "malformed_content", "duplicate_member".
            msgspec.ValidationError: a field that isn't declared, or a value that isn't in bounds.
        """
        sent: dict[str, Any] = {}
        for name, text in _pairs(content):
            types = self._types.get(name)
            if types is not None and isinstance(types[0], _MANY):
                sent.setdefault(name, []).append(text)
            elif name in sent:
                raise Refused(
                    VALID,
                    "a form has two fields of one name",
                    code="duplicate_member",
                    status=UNPROCESSABLE,
                )
            elif name not in self._dropped:
                sent[name] = text if types is None else _value(text, types)
        return msgspec.convert(sent, self._declared, strict=False)


def _pairs(content: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            content.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(content),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        message = f"the content isn't a form in UTF-8 of at most {MAX_FIELDS} fields"
        raise Refused(VALID, message, code="malformed_content") from None


def _value(text: str, types: tuple[Any, ...]) -> str | bool | None:
    kinds: set[Any] = {type(each) for each in types}
    if shape.StrType in kinds:
        return text
    if text == "" and shape.NoneType in kinds:
        return None
    return True if text == "on" and shape.BoolType in kinds else text


def _members(told: Any) -> tuple[Any, ...]:
    found = told.types if isinstance(told, shape.UnionType) else (told,)
    return tuple(
        sorted((_bare(each) for each in found), key=lambda each: not isinstance(each, _MANY))
    )


def _bare(told: Any) -> Any:
    return told.type if isinstance(told, shape.Metadata) else told


def _fits(types: tuple[Any, ...]) -> bool:
    first, *more = types
    if isinstance(first, _MANY):
        return not more and all(isinstance(one, _ONE) for one in _members(first.item_type))
    return all(isinstance(one, _ONE) for one in types)
