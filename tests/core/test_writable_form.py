"""What an HTML form sends is read as exactly the declared fields."""

from datetime import date
from decimal import Decimal
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from pratique.core.claim import Fields
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.writable import Content, Form

FORM = Fields([("Content-Type", "application/x-www-form-urlencoded")])


class Booking(Form, forbid_unknown_fields=True):
    """What a page asks for."""

    day: date
    room: Literal["small", "large"] = "small"
    guests: tuple[int, ...] = ()
    breakfast: bool = False
    budget: Decimal | None = None
    rating: float = 0.0


read = Content(Booking).read


def test_texts_become_what_is_declared() -> None:
    """A date, a choice, a number for each time that a name comes, a ticked box, an empty text."""
    sent = b"day=2026-12-24&room=large&guests=1&guests=2&breakfast=on&budget=&rating=4.5"
    assert read(sent, FORM) == Booking(date(2026, 12, 24), "large", (1, 2), True, None, 4.5)
    assert read(b"day=2026-12-24&guests=7", FORM).guests == (7,)
    assert read(b"day=2026-12-24&budget=12.50", FORM).budget == Decimal("12.50")


@pytest.mark.parametrize(
    "sent",
    [b"", b"day=", b"day=tomorrow", b"room=small"]
    + [b"day=2026-12-24&" + more for more in (b"room=", b"guests=x", b"breakfast=maybe")]
    + [b"day=2026-12-24&" + more for more in (b"rating=nan", b"rating=inf", b"budget=NaN")]
    + [b"day=2026-12-24&" + more for more in (b"budget=1e400", b"csrf=1", b"Room=small")],
)
def test_another_text_is_bad_content(sent: bytes) -> None:
    """CWE-20: no number that is none, no choice that isn't offered, no name that isn't declared."""
    with pytest.raises(Refused) as caught:
        read(sent, FORM)
    assert caught.value.code == "bad_content"
    assert read(b"day=2026-12-24", FORM)


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """An object, which a form can't carry."""


@pytest.mark.parametrize("hint", [Inner, list[Inner], list[list[int]], bytes, list[int] | None])
def test_what_no_form_carries_does_not_start(hint: Any) -> None:
    """An object in a form has as many spellings as frameworks: declare what one name can hold."""
    declared = msgspec.defstruct(
        "Sent", [("part", hint)], bases=(Form,), forbid_unknown_fields=True
    )
    with pytest.raises(BoundaryError, match='"part" can\'t come from a form'):
        Content(declared)
    assert Content(
        msgspec.defstruct("Sent", [("part", list[int])], bases=(Form,), forbid_unknown_fields=True)
    )


def test_a_form_owes_what_json_owes() -> None:
    """CWE-915: a name that our own state decides, and a form that takes any field, don't start."""

    class Role(Form, forbid_unknown_fields=True):
        role: str

    class Loose(Form):
        note: str

    for declared in (Role, Loose):
        with pytest.raises(BoundaryError):
            Content(declared)


@given(some.binary(max_size=200))
def test_any_bytes_are_refused_or_read(content: bytes) -> None:
    """Law 1."""
    try:
        assert isinstance(read(content, FORM), Booking)
    except Refused:
        return
