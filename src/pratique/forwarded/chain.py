"""The walk over a list that proxies append to: from the right, and never left of the client."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused

from .address import bad

MAX_HOPS: Final = 16
"""Trusted entries. More proxies than that stand before nobody; more entries are a forged list."""
Lines = tuple[str, ...]
Judge = Callable[[str], tuple[str, bool]]
"""(entry) -> its address in its one spelling, and whether it is one of our proxies."""


class Hop(NamedTuple):
    """The client, and at which entry from the right it stands: as many proxies took part."""

    client: str
    place: int


def from_the_right(lines: Lines) -> Iterator[str]:
    """Yield the elements of a list, the last one first; empty ones are skipped.

    Lines are one list in the order in which they came, RFC 9110 §5.3. What isn't asked for isn't
    looked at: a list of a thousand entries costs what its last ones cost.
    """
    return filter(None, _values(lines))


def _values(lines: Lines) -> Iterator[str]:
    for line in reversed(lines):
        end = len(line)
        while end >= 0:
            comma = line.rfind(",", 0, end)
            yield line[comma + 1 : end].strip(" \t")
            end = comma


def walk(entries: Iterator[str], judge: Judge, *, internal_clients: bool) -> Hop | None:
    """Return the first entry from the right that isn't one of our proxies.

    Every entry up to it must be an address: what a proxy of ours wrote is never skipped.

    Args:
        entries: From the right.
        judge: Parses one entry, and says whether it is one of our proxies.
        internal_clients: Where every entry is one of our networks, the leftmost is the client.

    Returns:
        None where there is no entry.

    Raises:
        Refused: VALID, code "bad_forwarded"; AUTHENTIC, code "no_client" or "too_many_hops".
    """
    place, client = 0, ""
    for entry in entries:
        place += 1
        client, is_ours = judge(entry)
        if not is_ours:
            return Hop(client, place)
        if place > MAX_HOPS:
            raise _unproven(
                f"more than {MAX_HOPS} entries are proxies of ours", code="too_many_hops"
            )
    if not place:
        return None
    if internal_clients:
        return Hop(client, place)
    raise _unproven(
        "every entry is a proxy of ours, so that nobody vouches for a client",
        code="no_client",
        hint="a client inside a trusted network: trust the proxies' own addresses, or declare "
        "internal_clients=True",
    )


def count(entries: Iterator[str], judge: Judge, hops: int) -> Hop | None:
    """Return the entry that *hops* proxies before us wrote: the n-th from the right.

    Raises:
        Refused: VALID, code "bad_forwarded"; AUTHENTIC, code "too_few_hops".
    """
    place, client = 0, ""
    for entry in entries:
        place += 1
        client, _ = judge(entry)
        if place == hops:
            return Hop(client, place)
    if not place:
        return None
    raise _unproven(
        f"the list has {place} entries, {hops} proxies write {hops}",
        code="too_few_hops",
        hint="the request came past a proxy, or hops= is too high",
    )


def aligned(lines: Lines, place: int, parse: Callable[[str], str]) -> str:
    """Return the value beside the client: the only one, or the *place*-th from the right.

    Args:
        lines: Of one field.
        place: Of the client in its own list.
        parse: Puts one value into its one spelling; each is parsed that a proxy of ours wrote.

    Raises:
        Refused: VALID, code "bad_forwarded", and what *parse* raises.
    """
    if len(lines) == 1 and "," not in lines[0]:
        return parse(lines[0].strip(" \t"))
    seen = 0
    for value in _values(lines):
        seen += 1
        found = parse(value)
        if seen == place:
            return found
    raise bad(f"a list has {seen} values, and {place} proxies took part")


def _unproven(detail: str, *, code: str, hint: str = "") -> Refused:
    return Refused(AUTHENTIC, detail, code=code, hint=hint, status=400)
