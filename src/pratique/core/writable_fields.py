"""Which fields a declared type lets a client write, and which of them our own state decides."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect as shape

from .refusal import BoundaryError

_OURS: Final = frozenset(
    {
        "accountid",
        "admin",
        "approved",
        "balance",
        "createdat",
        "currency",
        "customerid",
        "discount",
        "emailverified",
        "exchangerate",
        "groups",
        "id",
        "isadmin",
        "isstaff",
        "issuperuser",
        "isverified",
        "orgid",
        "organizationid",
        "owner",
        "ownerid",
        "paid",
        "permissions",
        "price",
        "role",
        "roles",
        "scopes",
        "state",
        "status",
        "tenant",
        "tenantid",
        "total",
        "updatedat",
        "user",
        "userid",
        "username",
        "verified",
    }
)
"""Names that our own state decides, as a rule, without case and "_": a client's camelCase twin is
the same field to whoever writes it."""
_OPEN: Final = (shape.AnyType, shape.RawType, shape.CustomType, shape.DictType)
_UNCLOSED: Final = (shape.DataclassType, shape.TypedDictType)
_INNER: Final = ("types", "item_type", "item_types", "key_type", "value_type")


class Writable:
    """Marks a field as one that a client may decide, though its name is one of our own state's.

    So is one without a type, or with names that the client chooses (`Any`, `dict`).

    Args:
        reason: Why, for the reviewer: `status: Annotated[Literal["draft"], Writable("…")]`.
    """

    def __init__(self, reason: str) -> None:
        if not reason.strip():
            raise BoundaryError("Writable() needs a reason that a reviewer can judge.")
        self.reason = reason


def field_debts(declared: type[Any]) -> Iterator[str]:
    """Yield what is wrong with the fields of a declared type, those inside of it too.

    Args:
        declared: A `msgspec.Struct`.
    """
    waiting: list[Any] = [shape.type_info(declared)]
    seen: set[Any] = set()
    while waiting:
        told = waiting.pop()
        if isinstance(told, _UNCLOSED):
            yield (
                f"{told.cls.__name__} takes fields that it doesn't name. Declare it as a "
                "msgspec.Struct with forbid_unknown_fields=True."
            )
        elif isinstance(told, shape.StructType | shape.NamedTupleType):
            if told.cls in seen:
                continue
            seen.add(told.cls)
            yield from _fields_of(told)
            waiting += [field.type for field in told.fields]
        else:
            waiting += _inside(told)


def holds_decimals(declared: type[Any]) -> bool:
    """Say whether a declared type has a `Decimal` in it, which may be no number ("NaN")."""
    waiting: list[Any] = [shape.type_info(declared)]
    seen: set[Any] = set()
    while waiting:
        told = waiting.pop()
        if isinstance(told, shape.DecimalType):
            return True
        kind = getattr(told, "cls", None)
        if kind is None or kind not in seen:
            seen.add(kind)
            waiting += [field.type for field in getattr(told, "fields", ())] + _inside(told)
    return False


def _fields_of(told: Any) -> Iterator[str]:
    kind = get_origin(told.cls) or told.cls
    if isinstance(told, shape.StructType) and not told.forbid_unknown_fields:
        yield (
            f"{kind.__name__} takes fields that it doesn't name, and drops them without a word. "
            "Declare it with forbid_unknown_fields=True."
        )
    hints = get_type_hints(kind, include_extras=True)
    for field in told.fields:
        if any(isinstance(mark, Writable) for mark in _marks(hints.get(field.name))):
            continue
        names = (field.name, getattr(field, "encode_name", field.name))
        if any(_plain(name) in _OURS for name in names):
            yield (
                f'"{field.name}" is decided by our own state. Leave it out, or mark it: '
                f"{field.name}: Annotated[…, Writable(reason)]."
            )
        elif _is_open(field.type):
            yield (
                f'"{field.name}" takes whatever is sent. Say what it holds by a msgspec.Struct, '
                f"or mark it: {field.name}: Annotated[…, Writable(reason)]."
            )


def _is_open(told: Any) -> bool:
    if isinstance(told, _OPEN):
        return True
    return any(_is_open(inner) for inner in _inside(told))


def _inside(told: Any) -> list[Any]:
    found: list[Any] = []
    for name in _INNER:
        inner: Any = getattr(told, name, None)
        if type(inner) is tuple:
            found += inner
        elif inner is not None:
            found.append(inner)
    return found


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _marks(hint: Any) -> tuple[Any, ...]:
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def is_struct(declared: Any) -> bool:
    """Say whether something is a `msgspec.Struct`."""
    return isinstance(declared, type) and issubclass(declared, msgspec.Struct)
