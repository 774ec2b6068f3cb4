"""Credentials that a policy sends: each to one origin over TLS, and nowhere else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pratique.core.refusal import BoundaryError, Refused
from pratique.core.secret import Secret

from .host import canonical_host
from .port import DEFAULT_PORTS

# RFC 9110 §5.6.2: a token, which a field's name and an authentication scheme are.
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_SENDABLE: Final = re.compile(r"[\x20-\x7e]+")
_OF_A_HOP: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te"}
)
Key = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What proves us to a host.

    Args:
        secret: Read when the first request goes there, or when the perimeter starts.
        field: In which it is sent.
        scheme: Before it, "Bearer" (RFC 6750); "" where the field holds the secret alone.

    Raises:
        BoundaryError: the secret is no `Secret`; no field name, or a field that belongs to a hop;
            a scheme that is no word.
    """

    secret: Secret
    field: str = "Authorization"
    scheme: str = "Bearer"

    def __post_init__(self) -> None:
        """Refuse what can't be sent, where it is written."""
        if not isinstance(self.secret, Secret):
            raise BoundaryError('Credential(secret=…) is no Secret: pass Secret.env("NAME").')
        if not _is_token(self.field) or self.field.lower() in _OF_A_HOP:
            raise BoundaryError(f"Credential(field={self.field!r}) can't be sent.")
        if self.scheme != "" and not _is_token(self.scheme):
            raise BoundaryError(
                'Credential(scheme=…) is no word: pass "Bearer", or "" for the secret alone.'
            )

    def line(self) -> tuple[str, str]:
        """Return the field line.

        Raises:
            BoundaryError: the secret can't be read, or holds what no field value may.
        """
        live = self.secret.read()
        if not live:
            raise BoundaryError(f"{self.secret!r} is unset: no request goes out without it.")
        value = f"{self.scheme} {live[0].value}".strip()
        if _SENDABLE.fullmatch(value) is None:
            raise BoundaryError(f"{self.secret!r} holds what can't stand in a header field.")
        return self.field, value


class Credentials:
    """The credentials of a policy, by origin.

    Args:
        of: {"api.example" or "api.example:8443": its credential}.

    Raises:
        BoundaryError: no host, or what is sent there is no `Credential`.
    """

    def __init__(self, of: Mapping[str, Credential]) -> None:
        self._of: dict[Key, Credential] = {}
        self._lines: dict[Key, tuple[str, str]] = {}
        for authority, credential in of.items():
            if not isinstance(credential, Credential):
                raise BoundaryError(
                    f"FetchPolicy(credentials=…): {authority!r} has no Credential: "
                    'pass Credential(Secret.env("NAME")).'
                )
            self._of[_key(authority)] = credential

    def __bool__(self) -> bool:
        """Say whether there is any."""
        return bool(self._of)

    def hosts(self) -> list[str]:
        """Return the origins that are sent one, for the report."""
        return sorted(f"{host}:{port}" for host, port in self._of)

    def read(self) -> list[str]:
        """Read every secret, and return what is wrong with them, one sentence each."""
        found: list[str] = []
        for key in self._of:
            try:
                self._line(key)
            except BoundaryError as error:
                found.extend(error.debts)
        return found

    def lines(self) -> list[tuple[str, str]]:
        """Return the field lines of every origin.

        Raises:
            BoundaryError: a secret can't be read.
        """
        return [self._line(key) for key in self._of]

    def line_for(self, *, scheme: str, host: str, port: int) -> tuple[str, str] | None:
        """Return the field line for an origin; None where it has none, and over http always."""
        if not self._of or scheme != "https" or (host, port) not in self._of:
            return None
        return self._line((host, port))

    def added(
        self, lines: tuple[tuple[str, str], ...], *, scheme: str, host: str, port: int
    ) -> tuple[tuple[str, str], ...]:
        """Return the field lines of a request with the credential of its origin in them.

        The caller's own line of that name gives way: whoever declares a credential means it.
        """
        line = self.line_for(scheme=scheme, host=host, port=port)
        if line is None:
            return lines
        name = line[0].lower()
        return (*(one for one in lines if one[0].lower() != name), line)

    def _line(self, key: Key) -> tuple[str, str]:
        known = self._lines.get(key)
        if known is None:
            known = self._lines[key] = self._of[key].line()
        return known


def _is_token(value: object) -> bool:
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def _key(authority: str) -> Key:
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise BoundaryError(f"FetchPolicy(credentials=…): {authority!r} is no host.")
    try:
        return canonical_host(found[1]), int(found[2] or DEFAULT_PORTS["https"])
    except Refused as refused:
        raise BoundaryError(
            f"FetchPolicy(credentials=…): {authority!r}: {refused.detail}."
        ) from None
