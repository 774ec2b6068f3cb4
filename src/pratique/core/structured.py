"""Structured fields, as far as signatures need them: read strictly, written canonically."""

import re
from base64 import b64decode, b64encode
from decimal import Decimal
from typing import Final, NamedTuple

Bare = int | Decimal | str | bytes | bool
"""A bare item; a `Token` is a str of its own."""
Params = tuple[tuple[str, Bare], ...]
MAX_MEMBERS: Final = 64
"""Of a dictionary, an inner list, or the parameters of one item. A signed message has under 20."""

# RFC 9651 §3.3.1, §3.3.2, narrowed: a number has one spelling. No leading zeros, no minus zero, no
# zeros behind a fraction: two programs that read 01 differently would prove different things.
_NUMBER: Final = re.compile(r"(?!-0(?:\.0)?(?![0-9.]))-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?![0-9.])")
_MAX_DIGITS: Final = 15
_MAX_WHOLE: Final = 12
_FRACTION: Final = re.compile(r"0|[0-9]{0,2}[1-9]")
# §3.3.3: printable ASCII, with a backslash before quote and backslash alone.
_STRING: Final = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_ESCAPED: Final = re.compile(r'\\(["\\])')
_TOKEN: Final = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")
_BYTES: Final = re.compile(r":([A-Za-z0-9+/]*={0,2}):")
_BOOLEAN: Final = re.compile(r"\?([01])")
_KEY: Final = re.compile(r"[a-z*][a-z0-9_\-.*]*")
_SPACES: Final = re.compile(r" *")
_OWS: Final = re.compile(r"[ \t]*")


class Malformed(ValueError):
    """A text that isn't a structured field of its kind. Its words are ours alone."""


class Token(str):
    """A bare word: `gzip`, `text/html`."""

    __slots__ = ()


class Item(NamedTuple):
    """One value with its parameters."""

    value: Bare
    params: Params = ()


class InnerList(NamedTuple):
    """Items in parentheses, with parameters of the list."""

    items: tuple[Item, ...]
    params: Params = ()


Member = Item | InnerList


def read_dictionary(text: str) -> dict[str, Member]:
    """Return the members of a dictionary, in order.

    Args:
        text: Every line of the field joined by a comma.

    Raises:
        Malformed: also where a member or parameter comes twice, of which RFC 9651 believes the
            last: two programs may believe two of them (CWE-436).

    Source: RFC 9651 §4.2.2.
    """
    reader = _Reader(text.strip(" "))
    found: dict[str, Member] = {}
    while not reader.is_done:
        key = reader.key()
        if key in found:
            raise Malformed("a member comes twice")
        if len(found) >= MAX_MEMBERS:
            raise Malformed(f"it has more than {MAX_MEMBERS} members")
        found[key] = reader.member() if reader.skip("=") else Item(True, reader.params())  # noqa: FBT003
        if not reader.comma():
            break
    return found


def read_item(text: str) -> Item:
    """Return the one item of a text.

    Raises:
        Malformed: it is none, or more than one.

    Source: RFC 9651 §4.2.3.
    """
    reader = _Reader(text.strip(" "))
    found = reader.item()
    if not reader.is_done:
        raise Malformed("something stands behind its end")
    return found


def write_dictionary(members: dict[str, Member]) -> str:
    """Return the canonical text of a dictionary. Source: RFC 9651 §4.1.2."""
    return ", ".join(_member(key, member) for key, member in members.items())


def write(member: Member) -> str:
    """Return the canonical text of an item or an inner list. Source: RFC 9651 §4.1.1, §4.1.3.

    Raises:
        Malformed: a value has no text: a string beyond ASCII, a number of too many digits.
    """
    if isinstance(member, InnerList):
        inside = " ".join(write(item) for item in member.items)
        return f"({inside}){_params(member.params)}"
    return f"{_bare(member.value)}{_params(member.params)}"


def _member(key: str, member: Member) -> str:
    if isinstance(member, Item) and member.value is True:
        return f"{key}{_params(member.params)}"
    return f"{key}={write(member)}"


def _params(params: Params) -> str:
    return "".join(
        f";{key}" if value is True else f";{key}={_bare(value)}" for key, value in params
    )


def _bare(value: Bare) -> str:
    if isinstance(value, bool):
        return f"?{value:d}"
    if isinstance(value, bytes):
        return f":{b64encode(value).decode('ascii')}:"
    text = str(value)
    if isinstance(value, Token):
        return text
    if isinstance(value, str):
        quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if _STRING.fullmatch(quoted) is None:
            raise Malformed("a string holds something beyond printable ASCII")
        return quoted
    if _Reader(text).number() != value:
        raise Malformed("a number has no text of its own")
    return text


class _Reader:
    """Reads from left to right, each character once."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    @property
    def is_done(self) -> bool:
        return self._at >= len(self._text)

    def skip(self, expected: str) -> bool:
        if not self._text.startswith(expected, self._at):
            return False
        self._at += len(expected)
        return True

    def comma(self) -> bool:
        """Go to the next member of a dictionary; False at the end of the text."""
        self._take(_OWS)
        if self.is_done:
            return False
        if not self.skip(","):
            raise Malformed("something stands behind a member")
        self._take(_OWS)
        if self.is_done:
            raise Malformed("it ends in a comma")
        return True

    def key(self) -> str:
        found = self._take(_KEY)
        if found is None:
            raise Malformed("a name isn't one: it begins with a small letter or *")
        return found.group()

    def member(self) -> Member:
        return self._inner_list() if self.skip("(") else self.item()

    def _inner_list(self) -> InnerList:
        items: list[Item] = []
        while True:
            spaces = self._take(_SPACES)
            if self.skip(")"):
                return InnerList(tuple(items), self.params())
            if items and not (spaces and spaces.group()):
                raise Malformed("no space stands between two items")
            if len(items) >= MAX_MEMBERS:
                raise Malformed(f"a list has more than {MAX_MEMBERS} items")
            items.append(self.item())

    def item(self) -> Item:
        value = self._value()
        return Item(value, self.params())

    def params(self) -> Params:
        found: dict[str, Bare] = {}
        while self.skip(";"):
            self._take(_SPACES)
            key = self.key()
            if key in found:
                raise Malformed("a parameter comes twice")
            if len(found) >= MAX_MEMBERS:
                raise Malformed(f"an item has more than {MAX_MEMBERS} parameters")
            found[key] = self._value() if self.skip("=") else True
        return tuple(found.items())

    def number(self) -> int | Decimal:
        found = self._take(_NUMBER)
        if found is None:
            raise Malformed("a number isn't in its canonical form")
        whole, _, fraction = found.group().partition(".")
        if len(whole.lstrip("-")) > (_MAX_WHOLE if fraction else _MAX_DIGITS):
            raise Malformed("a number has too many digits")
        if not fraction:
            return int(whole)
        if _FRACTION.fullmatch(fraction) is None:
            raise Malformed("a number isn't in its canonical form")
        return Decimal(found.group())

    def _value(self) -> Bare:
        first = self._text[self._at : self._at + 1]
        if first == '"' and (found := self._take(_STRING)):
            return _ESCAPED.sub(r"\1", found.group(1))
        if first == ":" and (found := self._take(_BYTES)):
            return _decoded(found.group(1))
        if first == "?" and (found := self._take(_BOOLEAN)):
            return found.group(1) == "1"
        if found := self._take(_TOKEN):
            return Token(found.group())
        if first == "-" or first.isdigit():
            return self.number()
        raise Malformed("a value is none of string, token, bytes, boolean, number")

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found


def _decoded(text: str) -> bytes:
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raise Malformed("a byte sequence isn't base64") from None
    if b64encode(raw).decode("ascii") != text:
        raise Malformed("a byte sequence isn't in its canonical form")
    return raw
