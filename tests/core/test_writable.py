"""What a client may write: the declared fields and no others, whatever they are called and wherever they stand."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest

from pratique.core.claim import Fields
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.writable import Content, Writable

JSON = Fields([("Content-Type", "application/json")])


class Closed(msgspec.Struct, forbid_unknown_fields=True):
    note: str = ""


class Unclosed(msgspec.Struct):
    note: str = ""


class Priced(msgspec.Struct, forbid_unknown_fields=True):
    price: int = 0


@dataclass
class Record:
    note: str = ""


class Named(TypedDict):
    note: str


def declared(hint: Any, name: str = "part", **more: Any) -> type[Any]:
    """Return a struct with one field of that type."""
    return msgspec.defstruct("Sent", [(name, hint)], forbid_unknown_fields=True, **more)


@pytest.mark.parametrize(
    "around", [lambda kind: kind, list.__class_getitem__, lambda kind: kind | None]
)
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Unclosed, "forbid_unknown_fields"),
        (Priced, '"price" is decided by our own state'),
        (Record, "Declare it as a msgspec.Struct"),
        (Named, "Declare it as a msgspec.Struct"),
        (dict[str, Any], '"part" takes whatever is sent'),
        (msgspec.Raw, '"part" takes whatever is sent'),
    ],
)
def test_what_is_inside_owes_the_same(wrong: Any, said: str, around: Any) -> None:
    """CL-06, CWE-915: a part that takes more than it names, or names what is ours, doesn't start; a closed one does."""
    with pytest.raises(BoundaryError, match=said):
        Content(declared(around(wrong)))
    read = Content(declared(around(Closed)))
    assert read.name == "Sent"


@pytest.mark.parametrize(
    "name", ["ownerId", "OwnerID", "is_admin", "isAdmin", "tenantId", "owner_id"]
)
def test_a_twin_of_a_name_of_ours_is_the_same_name(name: str) -> None:
    """CL-06: in camelCase, in capitals, or under another name on the wire; marked, it is written."""
    marked = Annotated[str, Writable("drafts have no owner yet")]
    for wrong, right in (
        (declared(str, name), declared(marked, name)),
        (
            declared(str, "who", rename={"who": name}),
            declared(marked, "who", rename={"who": name}),
        ),
    ):
        with pytest.raises(BoundaryError, match="our own state"):
            Content(wrong)
        assert Content(right).read(msgspec.json.encode({name: "x"}), JSON)


def test_a_field_without_a_type_is_marked() -> None:
    """Names that the client chooses are written down by a reviewer; without the mark it doesn't start."""
    for hint in (Any, object, dict[str, str]):
        with pytest.raises(BoundaryError, match="whatever is sent"):
            Content(declared(hint, "labels"))
        marked = declared(Annotated[hint, Writable("labels are the customer's own")], "labels")
        assert Content(marked).read(b'{"labels": {"a": "b"}}', JSON).labels == {"a": "b"}


@pytest.mark.parametrize(
    "amount",
    [
        '"NaN"',
        '"sNaN"',
        '"Infinity"',
        '"-Infinity"',
        '"1e999999"',
        "1e999",
        '"1e-999999"',
        "9" * 5000,
    ],
)
def test_a_decimal_is_a_number_of_a_sane_size(amount: str) -> None:
    """CL-08: what isn't a number, or takes a gigabyte to write out; one of money is read (CWE-20)."""
    for kind in (Decimal, list[Decimal], Decimal | None):
        read = Content(declared(kind)).read
        part = f"[{amount}]" if kind == list[Decimal] else amount
        with pytest.raises(Refused) as refused:
            read(f'{{"part": {part}}}'.encode(), JSON)
        assert (refused.value.code, refused.value.status) == ("bad_content", 422)
        honest = '["12.50"]' if kind == list[Decimal] else '"12.50"'
        assert read(f'{{"part": {honest}}}'.encode(), JSON)


def test_no_text_holds_what_was_sent() -> None:
    """Law 5: a value of the client's in no refusal; what was expected, and where, is said."""
    tagged = declared(
        msgspec.defstruct("One", [], tag="one", forbid_unknown_fields=True)
        | msgspec.defstruct("Two", [], tag="two", forbid_unknown_fields=True)
    )
    for kind, sent in (
        (declared(Literal["a", "b"]), {"part": "CANARY"}),
        (tagged, {"part": {"type": "CANARY"}}),
        (declared(Closed), {"part": {"CANARY": 1}}),
        (Closed, {"CANARY": 1}),
        (declared(int), {"part": "CANARY"}),
    ):
        with pytest.raises(Refused) as refused:
            Content(kind).read(msgspec.json.encode(sent), JSON)
        assert "CANARY" not in f"{refused.value} {refused.value.detail} {refused.value.problem()}"
    with pytest.raises(Refused, match=r"Expected `int`, got `str` - at `\$.part`"):
        Content(declared(int)).read(b'{"part": "CANARY"}', JSON)
