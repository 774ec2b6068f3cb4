"""What somebody outside says: content, fields, who handed it over, when it reached us."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Self, TypeVar, cast

import msgspec

from .memo import Memo
from .obligation import VALID
from .refusal import Refused

T = TypeVar("T", str, bytes)
# RFC 9110 §5.6.2: token = 1*tchar. §5.5: a field value holds no CR, LF or NUL.
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
_CR, _LF, _NUL = b"\r\n\0"


class _Keys(Memo[T, str]):
    """Names that were looked at, and their lower case."""

    def __missing__(self, name: T) -> str:
        """Look at a new name, and refuse what is none."""
        text = _text(name)
        if _NAME.fullmatch(text) is None:
            raise Refused(VALID, "a field name is not a token of RFC 9110", code="bad_field_name")
        return self.keep(name, text.lower())


_key_of: Final = _Keys[str](1024).__getitem__
_key_of_octets: Final = _Keys[bytes](1024).__getitem__


class Fields:
    """Every field line of a message, in order; names without case. Source: RFC 9110 §5.1.

    Args:
        lines: (name, value) pairs as they came, repeated names included.

    Raises:
        Refused: VALID, code "bad_field_name" or "bad_field_value".
    """

    __slots__ = ("__weakref__", "_index", "_names", "_values")

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        said = tuple(lines)
        names, values = zip(*said, strict=True) if said else ((), ())
        keys, joined = [*map(_key_of, names)], "".join(values)
        if "\r" in joined or "\n" in joined or "\0" in joined:
            raise _bad_value()
        self._take(names, keys, values)

    @classmethod
    def of_octets(cls, lines: Sequence[tuple[bytes, bytes]]) -> Self:
        """Return the same of lines as an ASGI server hands them over.

        Raises:
            Refused: VALID, code "bad_field_name" or "bad_field_value".
        """
        if not lines:
            return cls()
        names, values = zip(*lines, strict=True)
        keys, joined = [*map(_key_of_octets, names)], b"".join(values)
        # By number: for an octet as bytes the interpreter makes and drops an exception each time.
        if _CR in joined or _LF in joined or _NUL in joined:
            raise _bad_value()
        made = cls.__new__(cls)
        made._take(names, keys, values)  # noqa: SLF001  its own
        return made

    def _take(
        self,
        names: Sequence[str] | Sequence[bytes],
        keys: Sequence[str],
        values: Sequence[str] | Sequence[bytes],
    ) -> None:
        """Keep lines. Octets stay octets until somebody asks for them: most are never asked for."""
        self._names, self._values = names, values
        self._index: dict[str, str | bytes | tuple[str, ...]] = dict(zip(keys, values, strict=True))
        if len(self._index) < len(keys):  # some name came more than once
            lists: dict[str, list[str]] = {}
            each_value: Iterable[str | bytes] = values
            for key, value in zip(keys, each_value, strict=True):
                lists.setdefault(key, []).append(_text(value))
            self._index |= {key: tuple(said) for key, said in lists.items() if len(said) > 1}

    def one(self, name: str) -> str | None:
        """Return the value of the only line of that name, None where there is none.

        Raises:
            Refused: VALID, code "duplicate_field": two lines of one name are read differently by
                two programs (CWE-436).
        """
        value = self._index.get(name)
        if value is None:
            value = self._index.get(name.lower())
        if value is None or isinstance(value, str):
            return value
        if not isinstance(value, tuple):
            return value.decode("latin-1")
        raise Refused(
            VALID,
            f"a field that may come once came {len(value)} times",
            code="duplicate_field",
            hint="look for a proxy that adds a second line",
        )

    def all(self, name: str) -> tuple[str, ...]:
        """Return the values of every line of that name, in order."""
        value = self._index.get(name.lower(), ())
        return value if isinstance(value, tuple) else (_text(value),)

    @property
    def by_name(self) -> Mapping[str, str | tuple[str, ...]]:
        """Return every line by its name in lower case; a tuple where a name came more than once."""
        for name, value in self._index.items():
            if not isinstance(value, str | tuple):
                self._index[name] = value.decode("latin-1")
        return cast("dict[str, str | tuple[str, ...]]", self._index)

    def __contains__(self, name: object) -> bool:
        """Say whether a line of that name came."""
        return isinstance(name, str) and name.lower() in self._index

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Return every line as it came."""
        return zip(map(_text, self._names), map(_text, self._values), strict=True)

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self._names)

    def __repr__(self) -> str:
        """Return the names alone: a value may be a secret."""
        return f"Fields({', '.join(map(_text, self._names))})"


def _bad_value() -> Refused:
    return Refused(VALID, "a field value holds CR, LF or NUL", code="bad_field_value")


def _text(said: str | bytes) -> str:
    return said if isinstance(said, str) else said.decode("latin-1")


class Tls(msgspec.Struct, frozen=True):
    """What the TLS layer itself proved of the peer, never what a header says of it."""

    client_chain: tuple[bytes, ...] = ()
    """The verified client certificate chain, DER, leaf first; empty where the peer showed none."""
    unseen: str = ""
    """Why a client certificate couldn't be seen had there been one, for the operator."""


class Via(msgspec.Struct, frozen=True, gc=False):
    """Who handed the claim over, as our own socket saw it."""

    peer: str = ""
    """Address of the peer of the connection, "unix:" for a unix socket, "" where there is none."""
    scheme: str = "https"
    method: str = "POST"
    target: str = "/"
    """Path and query as they came."""
    tls: Tls | None = None
    """None where the server says nothing of it; without TLS, what is in it is empty."""


_NO_VIA: Final = Via()


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A value that someone outside says. Nothing in it may be believed yet.

    Raises:
        ValueError: `received_at` has no time zone.
    """

    content: bytes
    fields: Fields
    received_at: datetime
    """UTC, set by the door, never by the sender."""
    via: Via = _NO_VIA

    def __post_init__(self) -> None:
        if self.received_at.tzinfo is None:
            message = "received_at has no time zone: pass datetime.now(UTC)"
            raise ValueError(message)

    def __repr__(self) -> str:
        """Return its size alone: nothing in it is proven, and it may hold secrets."""
        return f"Claim({len(self.content)} bytes, {self.fields!r}, {self.received_at.isoformat()})"
