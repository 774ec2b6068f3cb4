"""The attacks on a delivery that this room's lock refuses, as data, made of an honest delivery."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from pratique.core.attack import Attack, Request
from pratique.core.claim import Claim, Fields
from pratique.core.obligation import (
    AUTHENTIC,
    CONFIRMED,
    FRESH,
    LINKED,
    UNIQUE,
    VALID,
    Obligation,
)

from .boundary import Webhook
from .scheme import Scheme

UNKNOWN: Final = "unknown-to-everybody"
"""The id of an object that no source knows."""
_A_MINUTE: Final = timedelta(minutes=1)
_OTHERS: Final = "whsec_c29tZWJvZHkgZWxzZSBpcyBzaWduaW5n"
"""Somebody else's secret, in the form of every sender that signs with one."""


@dataclass(frozen=True, slots=True)
class Honest:
    """A delivery that is admitted, and what its sender knows.

    Args:
        request: As it is sent.
        boundary: Where.
        secret: With which the sender signs.
        at: Now, UTC, by the clock of the perimeter.
    """

    request: Request
    boundary: Webhook
    secret: str
    at: datetime

    @property
    def scheme(self) -> Scheme:
        """Return how the sender signs."""
        return self.boundary.sender.scheme

    def names(self) -> tuple[str, ...]:
        """Return the names of the fields that the sender signs with."""
        return tuple(name for name, _ in self._fields(self.secret, self.at, self.request.content))

    def sealed(
        self, content: bytes, *, secret: str | None = None, at: datetime | None = None
    ) -> Request:
        """Return other content, signed as the sender signs.

        Raises:
            ValueError: the secret isn't in the sender's form.
        """
        fields = self._fields(secret or self.secret, at or self.at, content)
        return replace(self.request, content=content).having(fields)

    def timed(self, told: str, *, at: datetime) -> Request:
        """Return it signed at a time, with another text in place of that time."""
        signed = self.sealed(self.request.content, at=at)
        old = self.scheme.time.write(at)
        names = {name.lower() for name in self.names()}
        return replace(
            signed,
            fields=tuple(
                (name, value.replace(old, told) if name.lower() in names else value)
                for name, value in signed.fields
            ),
        )

    def object_id(self) -> str:
        """Return the id of the object that it is about, "" where it names none."""
        claim = Claim(self.request.content, Fields(self.request.fields), self.at)
        envelope = self.scheme.envelope(claim)
        return envelope.object_id if envelope is not None else ""

    def _fields(self, secret: str, at: datetime, content: bytes) -> Sequence[tuple[str, str]]:
        sender = self.boundary.sender
        sealed = self.scheme.sealed(content, secret=secret, at=at, url=sender.url, **sender.pins)
        return tuple(sealed.fields)


def _unsigned(honest: Honest) -> Request:
    return honest.request.without(honest.names())


def _empty(value: str) -> Callable[[Honest], Request]:
    return lambda honest: honest.request.having((name, value) for name in honest.names())


def _signed_with(secret: str) -> Callable[[Honest], Request | None]:
    def made(honest: Honest) -> Request | None:
        try:
            return honest.sealed(honest.request.content, secret=secret)
        except ValueError:  # the sender's form has no such secret
            return None

    return made


def _changed(honest: Honest) -> Request:
    return replace(honest.request, content=honest.request.content + b" ")


def _flipped(honest: Honest) -> Request | None:
    content = bytearray(honest.request.content)
    if not content:
        return None
    content[len(content) // 2] ^= 1
    return replace(honest.request, content=bytes(content))


def _spelt_anew(honest: Honest) -> Request | None:
    members = honest.request.members()
    if members is None:
        return None
    return replace(honest.request, content=json.dumps(members, indent=3).encode())


def _sent(lead: int) -> Callable[[Honest], Request | None]:
    def made(honest: Honest) -> Request | None:
        if not honest.scheme.signed_time or honest.scheme.time_of is not None:
            return None  # a time inside the content is the content's
        tolerance = honest.boundary.sender.tolerance or honest.scheme.tolerance
        at = honest.at + lead * (tolerance + _A_MINUTE)
        return honest.sealed(honest.request.content, at=at)

    return made


def _timed_anew(told: str) -> Callable[[Honest], Request | None]:
    def made(honest: Honest) -> Request | None:
        if not honest.scheme.signed_time or honest.scheme.time_of is not None:
            return None  # a time inside the content is the content's
        now = honest.scheme.time.write(honest.at)
        return honest.timed(told or now, at=honest.at - timedelta(seconds=1))

    return made


def _signed_twice(honest: Honest) -> Request:
    """Send the fields of somebody else's signature beside those of the honest one."""
    names = {name.lower() for name in honest.names()}
    other = honest.sealed(honest.request.content, secret=_OTHERS)
    wrong = tuple(line for line in other.fields if line[0].lower() in names)
    return replace(honest.request, fields=(*honest.request.fields, *wrong))


def _of_the_other_mode(honest: Honest) -> Request | None:
    members, pinned = honest.request.members(), honest.boundary.sender.pins.get("livemode")
    if members is None or pinned is None:
        return None
    return honest.sealed(json.dumps({**members, "livemode": not pinned}).encode())


def _of_no_object(honest: Honest) -> Request | None:
    members, known = honest.request.members(), honest.object_id()
    if members is None or not known:
        return None
    return honest.sealed(json.dumps(_renamed(members, known)).encode())


def _renamed(told: Any, known: str) -> Any:
    if isinstance(told, dict):
        return {name: _renamed(value, known) for name, value in told.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(told, list):
        return [_renamed(value, known) for value in told]  # pyright: ignore[reportUnknownVariableType]
    return UNKNOWN if told == known else told


def _too_large(honest: Honest) -> Request:
    most = honest.boundary.max_content_bytes
    return replace(honest.request, content=b" " * (most + 1)).without(honest.names())


def _all(
    id: str, refused_by: Sequence[Obligation], *rows: tuple[str, Callable[[Honest], Request | None]]
) -> tuple[Attack, ...]:
    return tuple(Attack(id, title, tuple(refused_by), made) for title, made in rows)


ATTACKS: Final[tuple[Attack, ...]] = (
    *_all("WH-01", [AUTHENTIC], ("without a signature", _unsigned)),
    *_all("WH-02", [AUTHENTIC], ("an empty signature", _empty("")), ("a blank", _empty(" "))),
    *_all(
        "WH-03", [AUTHENTIC],
        ("signed by somebody else", _signed_with(_OTHERS)),
    ),
    *_all("WH-04", [AUTHENTIC], ("a byte more", _changed), ("a bit flipped", _flipped)),
    *_all("WH-05", [AUTHENTIC], ("the same JSON, spelt anew", _spelt_anew)),
    *_all(
        "WH-07", [AUTHENTIC],
        *((f"signed with {word}", _signed_with(word)) for word in ("None", "undefined", "secret")),
    ),
    *_all("WH-09", [AUTHENTIC, VALID], ("a second signature field", _signed_twice)),
    *_all("WH-10", [FRESH], ("signed too long ago", _sent(-1))),
    *_all("WH-11", [FRESH], ("signed ahead of time", _sent(1))),
    *_all("WH-12", [AUTHENTIC], ("another time over an old signature", _timed_anew(""))),
    *_all(
        "WH-13", [AUTHENTIC, FRESH, VALID],
        *((f"a time that is {word}", _timed_anew(word)) for word in ("soon", "-1", "1e400", "[]")),
    ),
    *_all("WH-20", [CONFIRMED], ("about an object that nobody knows", _of_no_object)),
    *_all("WH-25", [LINKED], ("of the other mode", _of_the_other_mode)),
    *_all("WH-28", [VALID], ("more bytes than are read", _too_large)),
    Attack("WH-14", "the same once more", (UNIQUE,), lambda honest: honest.request, is_second=True),
)  # fmt: skip
"""Each changes nothing, whoever sends it; before or after it the honest delivery is admitted."""
