"""Secrets of ours that an answer repeats: what is sent, in the forms that could come back."""

import re
from base64 import b64decode
from collections.abc import Collection, Iterable, Iterator
from typing import Final

import msgspec

from pratique.core.obligation import VALID
from pratique.core.refusal import Refused

MIN_CHARACTERS: Final = 8
"""Of a part of a secret that is looked for: a shorter one stands in honest answers by accident.

NIST SP 800-63B §5.1.1.2 lets no password be shorter.
"""
# RFC 9110 §11.4: credentials = auth-scheme 1*SP token68. The scheme is no part of the secret.
_CREDENTIALS: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) +(.+)", re.DOTALL)

_ESCAPED: Final = re.compile(rb"\\u00([0-7][0-9A-Fa-f])")
"""A letter of ASCII as RFC 8259 §7 lets any be written. It is undone when the content is read, and
would then stand in our text: the name of a member that no field takes is in the event."""


def secrets_in(values: Iterable[str]) -> frozenset[bytes]:
    """Return what may stand in no answer.

    Args:
        values: Field values that we send: "Bearer …", "Basic …", or the secret alone.
    """
    return frozenset(
        written
        for value in values
        for secret in _secrets(value)
        if len(secret) >= MIN_CHARACTERS
        for written in _written(secret)
    )


def require_no_echo(content: bytes, ours: Collection[bytes]) -> None:
    """Refuse content that repeats a secret of ours. Source: CWE-209, CWE-522.

    Raises:
        Refused: VALID, code "echoes_secret".
    """
    plain = content
    if b"\\" in content:
        plain = _ESCAPED.sub(_unescaped, content.replace(rb"\/", b"/"))
    if any(secret in content or secret in plain for secret in ours):
        raise Refused(
            VALID,
            "the answer repeats a secret of ours",
            code="echoes_secret",
            hint="roll the credential: it may stand in the partner's logs as well",
        )


def _secrets(value: str) -> Iterator[str]:
    found = _CREDENTIALS.fullmatch(value)
    if found is None or len(found[2]) < MIN_CHARACTERS:
        yield value
        return
    yield found[2]
    if found[1].lower() == "basic":
        login = _login(found[2])
        yield login
        yield login.partition(":")[2]


def _login(token: str) -> str:
    """Return the user and password of a Basic token; "" where it holds none. Source: RFC 7617."""
    try:
        return b64decode(token + "==").decode()
    except ValueError:
        return ""


def _written(secret: str) -> Iterator[bytes]:
    """Yield a text as it stands, and as JSON has to write it: a quote in it is escaped."""
    yield secret.encode()
    yield msgspec.json.encode(secret)[1:-1]


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes((int(found[1], 16),))
