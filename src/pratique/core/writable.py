"""What a client may write: the fields that an action names, and no others."""

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

import msgspec

from .claim import Fields
from .obligation import VALID
from .proofs.valid import count, members
from .refusal import BoundaryError, Refused
from .writable_fields import Writable, field_debts, holds_decimals, is_struct
from .writable_form import KIND, UNPROCESSABLE, Form, FormReader

__all__ = ["UNPROCESSABLE", "Content", "Form", "Writable"]

T = TypeVar("T")
UNSUPPORTED: Final = 415
MAX_EXPONENT: Final = 308
"""Of a decimal number: the range of a double, which is all that JSON readers share (RFC 8259 §6).
One of a million digits takes ten characters to send."""
_untyped: Final = msgspec.json.Decoder().decode
# The texts of msgspec that name our own fields and types alone; others hold what was sent.
_OURS: Final = re.compile(
    r"(?:Expected |Object missing required field |(?:Number|Integer value) out of range)"
)
_PLACE: Final = re.compile(r" - at `[^`]*`\Z")


class Content(Generic[T]):
    """Reads what a client sends, as exactly the fields that are declared.

    Args:
        declared: A `msgspec.Struct` with `forbid_unknown_fields=True`: a field for each thing that
            may be written. What is inside of it owes the same. A `Form` where an HTML form sends
            it, else it comes as JSON.

    Raises:
        BoundaryError: it takes unknown fields, or a field of it has a name that our own state
            decides, or no type, and no `Writable`, or can't come from a form.

    Source: OWASP API3:2023; CWE-915.
    """

    def __init__(self, declared: type[T]) -> None:
        name = getattr(declared, "__name__", str(declared))
        if not is_struct(declared):
            raise BoundaryError(f"content={name}: declare a msgspec.Struct.")
        debts = [f"content={name}: {debt}" for debt in field_debts(declared)]
        if debts:
            raise BoundaryError(*debts)
        self.name = name
        self._form = FormReader(declared) if issubclass(declared, Form) else None
        self._kind = "application/json" if self._form is None else KIND
        self._read = msgspec.json.Decoder(declared).decode
        self._holds_decimals = holds_decimals(declared)

    def read(self, content: bytes, fields: Fields) -> T:
        """Return what was sent.

        Raises:
            Refused: VALID, code "content_type" (415), "malformed_content", "bad_content",
                "duplicate_member" (422), "too_deep".
        """
        kind = (fields.one("Content-Type") or "").partition(";")[0].strip().lower()
        if kind != self._kind:
            raise Refused(
                VALID, f"the content isn't {self._kind}", code="content_type", status=UNSUPPORTED
            )
        if self._form is None:
            value = self._of_json(content)
        else:
            try:
                value = self._form.read(content)
            except msgspec.ValidationError as error:
                raise _bad_content(error) from None
        if (self._holds_decimals or self._form is not None) and not _is_in_range(value):
            raise _out_of_range()
        return value

    def _of_json(self, content: bytes) -> T:
        try:
            value = self._read(content)
        except msgspec.ValidationError as error:
            raise _bad_content(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Refused(VALID, "the content isn't JSON", code="malformed_content") from None
        try:
            is_single = members(content) == count(_untyped(content))
        except msgspec.DecodeError:  # a number that only a Decimal, or a field without type, holds
            raise _out_of_range() from None
        except RecursionError:
            raise Refused(VALID, "the content is nested too deeply", code="too_deep") from None
        if not is_single:  # a reader keeps the last of two, and another one the first (CWE-436)
            raise Refused(
                VALID,
                "an object has two members of one name",
                code="duplicate_member",
                status=UNPROCESSABLE,
            )
        return value


def _is_in_range(value: Any) -> bool:
    """Say whether each `Decimal` in a value is a number of a sane size, each float a number."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Decimal):  # "NaN" is equal to nothing and less than nothing
        return value.is_finite() and abs(value.adjusted()) <= MAX_EXPONENT
    inside: Iterable[Any] = ()
    told: Any = value
    if isinstance(value, msgspec.Struct):
        inside = (getattr(value, name) for name in value.__struct_fields__)
    elif type(value) is dict:
        inside = told.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inside = told
    return all(_is_in_range(one) for one in inside)


def _out_of_range() -> Refused:
    return Refused(
        VALID,
        f"a number is none, or has an exponent over {MAX_EXPONENT}",
        code="bad_content",
        status=UNPROCESSABLE,
    )


def _bad_content(error: msgspec.ValidationError) -> Refused:
    return Refused(VALID, _told(error), code="bad_content", status=UNPROCESSABLE)


def _told(error: msgspec.ValidationError) -> str:
    text = str(error)
    if _OURS.match(text) is not None:
        return text
    if "unknown field" in text:
        return "the content has a field that isn't writable here"
    place = _PLACE.search(text)
    return f"a value isn't one of those that are declared{place[0] if place is not None else ''}"
