"""The grammar of `Forwarded`, whole: elements, pairs, tokens, quoted strings."""

import re
from collections.abc import Iterator
from typing import Final

from .address import bad
from .chain import Lines

MAX_LINE: Final = 8192
"""Characters of one line: servers stop at 8 to 64 KiB for all fields."""
Element = dict[str, str]
# RFC 7239 §4:  Forwarded         = 1#forwarded-element
#               forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )
#               forwarded-pair    = token "=" value,  value = token / quoted-string
# RFC 9110 §5.6.2 token, §5.6.4 quoted-string with quoted-pair; obs-text isn't taken. We tolerate
# blanks around ";" as real proxies write them, and none around "=".
# Possessive, so that no line costs more than its length (CWE-1333).
_WORD: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED: Final = r'"((?:[\t !#-\[\]-~]|\\[\t -~])*+)"'
_PAIR: Final = re.compile(rf"[ \t]*+(?:({_WORD})=(?:({_WORD})|{_QUOTED})[ \t]*+)?+([;,]|\Z)")
_ESCAPED: Final = re.compile(r"\\(.)")
# §6: node = nodename [ ":" node-port ], node-port = port / obfport, obfport = "_" 1*(ALPHA ...)
_OBFUSCATED_PORT: Final = re.compile(r":_[A-Za-z0-9._\-]+\Z")


def elements_of(line: str) -> list[Element]:
    """Return the elements of one line, in order; names in lower case, values unescaped.

    The whole line is read, since where its last element begins depends on every quote before it.

    Raises:
        Refused: VALID, code "bad_forwarded".

    Source: RFC 7239 §4.
    """
    if len(line) > MAX_LINE:
        raise bad(f"a line has more than {MAX_LINE} characters")
    found: list[Element] = []
    element: Element = {}
    place = 0
    while True:
        pair = _PAIR.match(line, place)
        if pair is None:
            raise bad("it isn't of the grammar of RFC 7239")
        name, token, quoted, sign = pair.groups()
        if name is not None:
            name = name.lower()
            if name in element:
                raise bad("a parameter stands twice in one element")
            element[name] = token if quoted is None else _ESCAPED.sub(r"\1", quoted)
        if sign != ";":
            if element:
                found.append(element)
            element = {}
        if not sign:
            return found
        place = pair.end()


def from_the_right(lines: Lines) -> Iterator[Element]:
    """Yield the elements of every line, the last one first; a line is read when it is reached.

    Raises:
        Refused: VALID, code "bad_forwarded".
    """
    for line in reversed(lines):
        yield from reversed(elements_of(line))


def node_in(element: Element) -> str:
    """Return an element's `for`, without an obfuscated port; the address in it isn't parsed yet.

    Raises:
        Refused: VALID, code "bad_forwarded": it is missing, or IPv6 without its brackets.
    """
    node = element.get("for")
    if not node:
        raise bad("an element says no for=")
    if node.count(":") > 1 and node[0] != "[":
        raise bad("an IPv6 address stands in no brackets")
    return _OBFUSCATED_PORT.sub("", node)
