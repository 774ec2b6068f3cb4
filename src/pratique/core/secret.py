"""Where a secret comes from, how long it lives, and when it is none."""

import os
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from secrets import token_urlsafe
from typing import Final, Self

import msgspec

from .refusal import BoundaryError

# NIST SP 800-107r1 §5.3.4 asks at least 112 bits of an HMAC key; 16 characters is the shortest that
# real senders hand out.
MIN_CHARACTERS: Final = 16
MIN_DIFFERENT: Final = 6
_PLACEHOLDER: Final = re.compile(
    r"change.?me|place.?holder|replace.?(me|this|with)|your[_\- ].*(secret|key|token)"
    r"|^(secret|password|none|null|undefined|nil|todo|test|example|dummy|default)[\W_\d]*$"
    r"|^(.+?)\3+$|\.\.\.|^<.*>$|^\$\{?\w+\}?$|x{6}",
    re.IGNORECASE,
)
_PREFIX: Final = re.compile(r"^(whsec|sk|rk|shpss|v\d)[_\-]", re.IGNORECASE)
_stand_ins: Final[list[str]] = []


class LiveSecret(msgspec.Struct, frozen=True):
    """One secret that is in force, with a name that events may show."""

    name: str
    value: str
    not_after: datetime | None = None
    """UTC; from then on it opens nothing."""
    account: str = ""
    """The tenant whose secret it is, where a sender has one secret a tenant.

    It then becomes part of the key.
    """

    def __repr__(self) -> str:
        """Return the name alone."""
        return f"LiveSecret({self.name!r})"


class Secret:
    """A source of secrets, read when the perimeter starts and never at import.

    `Secret("…", name="2026")` for one at hand, `Secret.env("NAME")` for the environment,
    `Secret.file(path)` for a mounted file, `Secret.optional("NAME")` for a boundary that is off
    while the variable is unset.
    """

    __slots__ = (
        "_account",
        "_name",
        "_not_after",
        "_previous",
        "_previous_until",
        "_source",
        "_value",
        "is_optional",
    )

    def __init__(
        self,
        value: str = "",
        *,
        name: str = "literal",
        not_after: datetime | None = None,
        account: str = "",
    ) -> None:
        self._source = "literal"
        self._value = value
        self._name = name
        self._not_after = not_after
        self._account = account
        self._previous: str | None = None
        self._previous_until: datetime | None = None
        self.is_optional = False

    @classmethod
    def env(
        cls,
        name: str,
        *,
        previous: str | None = None,
        previous_until: datetime | None = None,
        account: str = "",
    ) -> Self:
        """Read the secret from the environment variable *name* at start.

        Args:
            name: The variable of the secret in force.
            previous: The variable of the one before, while it is rolled; unset means that the roll
                is over.
            previous_until: UTC, when the previous one stops to open anything.
            account: The tenant whose secret it is.
        """
        secret = cls(name=name, account=account)
        secret._source = "env"
        secret._previous, secret._previous_until = previous, previous_until
        return secret

    @classmethod
    def optional(cls, name: str) -> Self:
        """Read the variable *name* at start.

        While it is unset the boundary is declared, answers 404 and is counted.
        """
        secret = cls.env(name)
        secret.is_optional = True
        return secret

    @classmethod
    def file(
        cls, path: str | Path, *, name: str | None = None, not_after: datetime | None = None
    ) -> Self:
        """Read the secret from a file at start, one trailing line break dropped."""
        secret = cls(str(path), name=name or Path(path).name, not_after=not_after)
        secret._source = "file"
        return secret

    def read(self) -> tuple[LiveSecret, ...]:
        """Return the secrets that this source holds now.

        Empty only for an optional one that is unset.

        Raises:
            BoundaryError: unset, unreadable, empty, short or a placeholder.
        """
        if self._source == "env":
            return self._read_environment()
        value = self._value if self._source == "literal" else self._read_file()
        return (self._checked(LiveSecret(self._name, value, self._not_after, self._account)),)

    def _read_environment(self) -> tuple[LiveSecret, ...]:
        value = os.environ.get(self._name)
        if value is None and _stand_ins:
            value = _stand_ins[-1]
        if value is None:
            if self.is_optional:
                return ()
            message = (
                f"Secret {self._name} is not set. "
                "Set the environment variable, or use Secret.optional."
            )
            raise BoundaryError(message)
        live = [self._checked(LiveSecret(self._name, value, self._not_after, self._account))]
        before = os.environ.get(self._previous) if self._previous else None
        if self._previous and before is not None:
            live.append(
                self._checked(
                    LiveSecret(self._previous, before, self._previous_until, self._account)
                )
            )
        return tuple(live)

    def _read_file(self) -> str:
        try:
            return (
                Path(self._value).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
            )
        except (OSError, UnicodeDecodeError) as error:
            if _stand_ins:
                return _stand_ins[-1]
            message = f"Secret {self._name} can't be read from its file: {type(error).__name__}."
            raise BoundaryError(message) from None

    @staticmethod
    def _checked(secret: LiveSecret) -> LiveSecret:
        reason = weakness(secret.value)
        if reason is not None:
            message = (
                f"Secret {secret.name} {reason}. Take the one that the sender's dashboard shows; "
                "one of your own you make: openssl rand -hex 32."
            )
            raise BoundaryError(message)
        return secret

    def __repr__(self) -> str:
        """Return the name alone."""
        return f"Secret({self._name!r})"

    def __reduce__(self) -> str:
        message = "a Secret is not picklable"
        raise TypeError(message)


@contextmanager
def stand_ins() -> Generator[None]:
    """Let a random value stand in for each secret that isn't set, meanwhile.

    For looking at declarations where no secret is at hand. Nothing that the value signs or opens is
    anybody's, so that a perimeter that is served by mistake lets nothing through.
    """
    _stand_ins.append(token_urlsafe(32))
    try:
        yield
    finally:
        _stand_ins.pop()


def read_all(sources: "Secret | str | Iterable[Secret | str]") -> tuple[LiveSecret, ...]:
    """Return every live secret of one source or several.

    Raises:
        BoundaryError: a source is bad, two accounts have one secret, or the list of sources is
            empty. Empty is not "unset".
    """
    listed = (sources,) if isinstance(sources, (Secret, str)) else tuple(sources)
    if not listed:
        message = "secrets=[] opens nothing and would prove nothing. Name at least one Secret."
        raise BoundaryError(message)
    live: list[LiveSecret] = []
    for number, source in enumerate(listed):
        secret = Secret(source, name=f"literal {number + 1}") if isinstance(source, str) else source
        live.extend(secret.read())
    names = [secret.name for secret in live]
    if len(set(names)) != len(names):
        message = (
            f"two live secrets have one name ({', '.join(sorted(names))}). "
            "Name each, so that an event can say which matched."
        )
        raise BoundaryError(message)
    owners: dict[str, str] = {}
    for each in live:
        if each.value in _stand_ins:
            continue
        if owners.setdefault(each.value, each.account) != each.account:
            message = (
                f"Secret {each.name} is another account's too: what one of them signs would be "
                "the other's. Let the sender make one for each."
            )
            raise BoundaryError(message)
    return tuple(live)


def weakness(value: str) -> str | None:
    """Say why a value can't be a secret; None where nothing speaks against it.

    Source: CWE-1188, CWE-521.
    """
    if not value.strip():
        return "is empty"
    bare = _PREFIX.sub("", value.strip())
    if _PLACEHOLDER.search(bare) is not None:
        return "is a placeholder"
    if len(bare) < MIN_CHARACTERS:
        return f"has {len(bare)} characters, at least {MIN_CHARACTERS} are owed"
    if len(set(bare)) < MIN_DIFFERENT:
        return f"has {len(set(bare))} different characters, at least {MIN_DIFFERENT} are owed"
    return None
