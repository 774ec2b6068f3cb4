"""What a client may write: the fields that an action names, and no others."""

from typing import (
    Annotated,
    Any,
    Final,
    Generic,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from .claim import Fields
from .obligation import VALID
from .proofs.valid import count, members
from .refusal import BoundaryError, Refused

T = TypeVar("T")
UNPROCESSABLE: Final = 422
UNSUPPORTED: Final = 415
_untyped: Final = msgspec.json.Decoder().decode
_OURS: Final = frozenset(
    {
        "balance",
        "created_at",
        "currency",
        "discount",
        "exchange_rate",
        "id",
        "is_admin",
        "owner",
        "owner_id",
        "price",
        "role",
        "roles",
        "state",
        "status",
        "tenant",
        "tenant_id",
        "total",
        "user",
        "user_id",
        "verified",
    }
)
"""Names that our own state decides, as a rule: writable only where `Writable` says so."""


class Writable:
    """Marks a field as one that a client may decide, though its name is one of our own state's.

    Args:
        reason: Why, for the reviewer: `status: Annotated[Literal["draft"], Writable("…")]`.
    """

    def __init__(self, reason: str) -> None:
        if not reason.strip():
            raise BoundaryError("Writable() needs a reason that a reviewer can judge.")
        self.reason = reason


class Content(Generic[T]):
    """Reads what a client sends, as exactly the fields that are declared.

    Args:
        declared: A `msgspec.Struct` with `forbid_unknown_fields=True`: a field for each thing that
            may be written.

    Raises:
        BoundaryError: it takes unknown fields, or a field of it has a name that our own state
            decides and no `Writable`.

    Source: OWASP API3:2023; CWE-915.
    """

    def __init__(self, declared: type[T]) -> None:
        name = getattr(declared, "__name__", str(declared))
        if not _is_struct(declared):
            raise BoundaryError(f"content={name}: declare a msgspec.Struct.")
        if not cast("Any", declared).__struct_config__.forbid_unknown_fields:
            raise BoundaryError(
                f"content={name} takes fields that it doesn't name, and drops them without a word. "
                "Declare it with forbid_unknown_fields=True."
            )
        for field in _ours(declared):
            raise BoundaryError(
                f'content={name}: "{field}" is decided by our own state. Leave it out, or mark it: '
                f"{field}: Annotated[…, Writable(reason)]."
            )
        self.name = name
        self._read = msgspec.json.Decoder(declared).decode

    def read(self, content: bytes, fields: Fields) -> T:
        """Return what was sent.

        Raises:
            Refused: VALID, code "content_type" (415), "malformed_content", "bad_content",
                "duplicate_member" (422), "too_deep".
        """
        kind = (fields.one("Content-Type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(
                VALID, "the content isn't application/json", code="content_type", status=UNSUPPORTED
            )
        try:
            value = self._read(content)
        except msgspec.ValidationError as error:
            raise Refused(VALID, _told(error), code="bad_content", status=UNPROCESSABLE) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Refused(VALID, "the content isn't JSON", code="malformed_content") from None
        try:
            is_single = members(content) == count(_untyped(content))
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


def _is_struct(declared: Any) -> bool:
    return isinstance(declared, type) and issubclass(declared, msgspec.Struct)


def _ours(declared: Any) -> list[str]:
    hints = get_type_hints(declared, include_extras=True)
    return [
        name
        for name, hint in hints.items()
        if name in _OURS and not any(isinstance(m, Writable) for m in _marks(hint))
    ]


def _marks(hint: Any) -> tuple[Any, ...]:
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def _told(error: msgspec.ValidationError) -> str:
    # msgspec names our own fields and types; the name of an unknown field is the client's.
    text = str(error)
    return "the content has a field that isn't writable here" if "unknown field" in text else text
