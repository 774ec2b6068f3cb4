"""Structured fields are read strictly, and written so that there is one text for one value."""

from decimal import Decimal

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.structured import (
    MAX_MEMBERS,
    InnerList,
    Item,
    Malformed,
    Token,
    read_dictionary,
    read_item,
    write,
    write_dictionary,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-7", -7),
        ("999999999999999", 999_999_999_999_999),
        ("1.5", Decimal("1.5")),
        ("-0.125", Decimal("-0.125")),
        ("2.0", Decimal("2.0")),
        ('"a \\"b\\\\"', 'a "b\\'),
        ('""', ""),
        ("*a/b:c", Token("*a/b:c")),
        (":aGk=:", b"hi"),
        ("::", b""),
        ("?1", True),
        ("?0", False),
    ],
)
def test_a_value_is_read_and_written_as_it_stood(text: str, value: object) -> None:
    """RFC 9651 §3.3: every kind that a signature needs, there and back."""
    found = read_item(text)
    assert (found.value, type(found.value)) == (value, type(value))
    assert write(found) == text


@pytest.mark.parametrize(
    "text",
    [
        "01",
        "-0",
        "-0.0",
        "00",
        "+1",
        "1.",
        "1.10",
        "1.00",
        ".5",
        "1.2345",
        "1000000000000000",
        "1000000000000.5",
        "1e3",
        "1.5.2",
        "١",
        '"a',
        '"\\n"',
        '"é"',
        '"\t"',
        ":aGk:",
        ":aGl=:",
        ":a_k=:",
        ":aGk=",
        "?2",
        "?",
        "@1",
        "%%",
        "",
        "1 2",
        "a;b=1;b=2",
        "a;B",
        "a;",
        "a;b=",
    ],
)
def test_a_value_with_another_spelling_is_refused(text: str) -> None:
    """CWE-436: what two programs could read in two ways is read in none. The twins stand above."""
    with pytest.raises(Malformed):
        read_item(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a=1, a=1", "twice"),
        ("a=1, a=2", "twice"),
        ("a=1,", "comma"),
        ("a=1,,b=2", "a name"),
        (", a=1", "a name"),
        ("a=1 b=2", "behind a member"),
        ("A=1", "a name"),
        ("a=(1 2", "no space"),
        ("a=(", "a value"),
        ('a=("a""b")', "no space"),
        ("a=((1))", "a value"),
        ("a=(1\t2)", "no space"),
    ],
)
def test_a_dictionary_with_another_reading_is_refused(text: str, why: str) -> None:
    """RFC 9651 believes the last of two members: we believe none."""
    with pytest.raises(Malformed, match=why):
        read_dictionary(text)


def test_a_dictionary_is_read_with_its_spaces_and_written_without() -> None:
    """The twin: what the grammar allows between members is read, and has one form."""
    text = '  a=1 ,\tb=( "x";req   "y" );c=?1;  d="z", e, f;g=2, h=?0 '
    found = read_dictionary(text)
    assert found["b"] == InnerList(
        (Item("x", (("req", True),)), Item("y")), (("c", True), ("d", "z"))
    )
    assert write_dictionary(found) == 'a=1, b=("x";req "y");c;d="z", e, f;g=2, h=?0'


def test_a_list_of_any_length_is_refused_and_a_long_one_read() -> None:
    """The limit bites at one more than it says: members, items, parameters."""
    for form in (
        lambda count: ", ".join(f"a{n}" for n in range(count)),
        lambda count: f"a=({' '.join(['1'] * count)})",
        lambda count: "a" + "".join(f";a{n}" for n in range(count)),
    ):
        assert len(read_dictionary(form(MAX_MEMBERS))) > 0
        with pytest.raises(Malformed, match=f"more than {MAX_MEMBERS}"):
            read_dictionary(form(MAX_MEMBERS + 1))


@pytest.mark.parametrize("value", ["é", "a\nb", 10**15, Decimal("0.0001")])
def test_a_value_without_a_text_is_not_written(value: object) -> None:
    """What can't be read back isn't written either."""
    with pytest.raises(Malformed):
        write(Item(value))  # type: ignore[arg-type]


@given(st.text(alphabet=st.characters(max_codepoint=0x17F), max_size=60))
def test_any_text_is_a_dictionary_with_one_form_or_malformed(text: str) -> None:
    """Nothing but Malformed leaves; what is read is read again from its own text."""
    try:
        found = read_dictionary(text)
    except Malformed:
        return
    assert read_dictionary(write_dictionary(found)) == found


PIECES = st.lists(
    st.sampled_from(
        [*'ab=,;()?:.- \t"\\', "01", "1.5", '"x"', ":aGk=:", "?1", "?0", "a=", "();", "tok/x"]
    ),
    max_size=14,
).map("".join)


@given(PIECES)
def test_what_we_read_another_library_reads_as_the_same(text: str) -> None:
    """We may refuse more than `http_sf` does, and never read anything else (CWE-436)."""
    try:
        ours = read_dictionary(text)
    except Malformed:
        return
    if not ours:
        return  # the empty one has no text there
    theirs = http_sf.parse(text.encode(), tltype="dictionary")
    assert write_dictionary(ours) == http_sf.ser(theirs)
