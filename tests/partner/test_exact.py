"""Nothing that a text says twice, or beside its type, passes for exact. Nothing honest is missed."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.inspect import type_info
from pydantic import BaseModel, Field

from pratique.core.proofs.valid import count, members
from pratique.core.refusal import BoundaryError, Refused
from pratique.partner.answer import AnswerType
from pratique.partner.drift import UnknownFields, surplus_of
from pratique.partner.exact import Mirror, exactly

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [":", '":', '\\":', "a:b", '":"', "\\u003a", '"', "\\"]
)
LEAVES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXTS, inside, max_size=4),
    max_leaves=12,
)


class Line(msgspec.Struct):
    sku: str
    note: str | None = None


class Order(msgspec.Struct):
    id: str
    lines: list[Line] = []
    seen_at: datetime | None = None
    labels: dict[str, str] = {}
    first: Line | None = None


class Plain(msgspec.Struct):
    id: str
    text: str
    flag: bool


def written(pairs: list[tuple[str, Any]]) -> bytes:
    """Write an object whose names may come twice."""
    inside = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs)
    return f"{{{inside}}}".encode()


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_members_are_counted_as_they_are_written(
    value: Any, ascii_only: bool, indent: int | None
) -> None:
    """Whatever the strings hold and however it is spaced, the two counts agree."""
    content = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "replace")
    assert members(content) == count(json.loads(content))


@given(st.lists(st.tuples(TEXTS, VALUES), max_size=5))
def test_a_member_twice_is_always_seen(pairs: list[tuple[str, Any]]) -> None:
    """The count says "twice" exactly where a name comes twice in one object."""
    content = written(pairs)
    names = [name for name, _ in pairs]
    is_twice = len(set(names)) != len(names)
    assert (members(content) != count(json.loads(content))) == is_twice


@given(
    st.fixed_dictionaries(
        {"id": TEXTS},
        optional={
            "lines": st.lists(
                st.fixed_dictionaries({"sku": TEXTS}, optional={"note": TEXTS | st.none()}),
                max_size=3,
            ),
            "labels": st.dictionaries(TEXTS, TEXTS, max_size=3),
            "seen_at": st.just("2026-01-01T00:00:00+00:00") | st.none(),
            "first": st.none() | st.fixed_dictionaries({"sku": TEXTS}),
        },
    ),
    st.lists(st.tuples(st.sampled_from(["id", "lines", "labels", "surplus"]), LEAVES), max_size=2),
    st.booleans(),
)
def test_what_passes_for_exact_is(
    honest: dict[str, Any], more: list[tuple[str, Any]], at_end: bool
) -> None:
    """With any surplus or any name twice it isn't exact; without, only an escaped colon may hide it."""
    pairs = [*honest.items(), *more] if at_end else [*more, *honest.items()]
    content = written(pairs)
    try:
        answer = msgspec.json.decode(content, type=Order)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return
    is_exact = exactly(Order)(content, answer)
    if more:
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names) or "surplus" in names:
            assert not is_exact
    elif b"\\u003" not in content:
        assert is_exact


@pytest.mark.parametrize(
    ("declared", "is_itself", "is_closed"),
    [
        (Plain, True, True),
        (list[Plain], True, True),
        (dict[str, int], True, True),
        (Order, False, True),
        (dict[str, Any], False, False),
        (datetime, False, True),
    ],
)
def test_a_mirror_knows_whether_it_is_needed(
    declared: Any, is_itself: bool, is_closed: bool
) -> None:
    """A type without defaults needs none; one that takes anything isn't closed."""
    mirror = Mirror(type_info(declared))
    assert (mirror.is_itself, mirror.is_closed) == (is_itself, is_closed)


class Tree(msgspec.Struct):
    name: str
    children: "list[Tree]" = []


def test_a_type_inside_itself_is_read_and_bounded() -> None:
    """A tree is read; deeper than 64 it is refused."""
    trees = AnswerType(Tree)
    shallow = b'{"name":"a","children":[' * 20 + b'{"name":"z"}' + b"]}" * 20
    assert trees.read(shallow)[0].name == "a"
    deep = b'{"name":"a","children":[' * 40 + b'{"name":"z"}' + b"]}" * 40
    with pytest.raises(Refused, match="deeper"):
        trees.read(deep)


class Card(msgspec.Struct, tag="card", tag_field="kind"):
    last4: str


class Bank(msgspec.Struct, tag="bank", tag_field="kind"):
    iban: str


class Payment(msgspec.Struct):
    by: Card | Bank
    parts: dict[str, Line] = {}


def test_drift_is_named_by_its_place() -> None:
    """Inside lists, maps and tagged unions; the tag itself is no surplus."""
    value = {
        "by": {"kind": "bank", "iban": "x", "bic": "y"},
        "parts": {"a": {"sku": "s", "weight": 1}},
        "new\n\u202e": 1,
    }
    surplus = surplus_of(type_info(Payment))
    assert surplus(value) == [
        "by.bic",
        "new\\n\\u202e",
        "parts{}.weight",
    ]
    del value["new\n\u202e"]
    value["by"] = {"kind": "card", "last4": "1"}
    value["parts"] = {}
    surplus = surplus_of(type_info(Payment))
    assert surplus(value) == []


def test_a_tagged_union_is_read_exactly() -> None:
    """The slow path: right is taken, twice is refused."""
    payments = AnswerType(Payment, unknown=UnknownFields.REFUSE)
    assert payments.read(b'{"by":{"kind":"card","last4":"1"}}')[1] == ()
    with pytest.raises(Refused, match="two members"):
        payments.read(b'{"by":{"kind":"card","last4":"1","last4":"2"}}')


class Amount(msgspec.Struct):
    value: Annotated[int, msgspec.Meta(ge=0, le=10)]
    code: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    note: str
    sizes: list[int]


@dataclass
class Plan:
    name: str
    seats: Annotated[int, msgspec.Meta(ge=1, le=500)]
    extra: Any


class Fee(TypedDict):
    cents: int


class Bounded(BaseModel):
    cents: int = Field(ge=0)


def test_the_reviewer_is_told_what_has_no_bounds() -> None:
    """Any number, any text and anything is said so, by its field, in each kind of type."""
    assert AnswerType(Amount).unbounded() == ["note", "sizes[]"]
    assert AnswerType(Plan).unbounded() == ["extra", "name"]
    assert AnswerType(Fee).unbounded() == ["cents"]
    assert AnswerType(Bounded).unbounded() == ["Bounded (a pydantic model, not looked into)"]


@pytest.mark.parametrize("declared", [dict, Any, object, str, list])
def test_a_type_that_says_nothing_is_no_type(declared: Any) -> None:
    """An open type would validate nothing: it isn't declared. A struct is."""
    with pytest.raises(BoundaryError, match="would be anything"):
        AnswerType(declared)
    assert AnswerType(Amount).name == "Amount"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Law 1: nothing but Refused leaves, and what is read has the type."""
    try:
        answer, _ = AnswerType(Order).read(content)
    except Refused:
        return
    assert isinstance(answer, Order)
