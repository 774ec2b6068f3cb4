"""What a one-time action answers: small, of a declared type, and without a secret."""

import re
from typing import Any, Final, get_args, get_type_hints

import msgspec

from .claim import Claim
from .refusal import BoundaryError

MAX_ANSWER_BYTES: Final = 4096
"""An answer is kept beside its key for good."""
_MIN_CREDENTIAL: Final = 8
_SECRET: Final = re.compile(
    r"(?:.*_)?(?:password|passwd|secret|token|otp|credentials?|cookie|api_key|private_key)s?"
    r"|code|pin|session(?:_id)?",
    re.IGNORECASE,
)
_CREDENTIALS: Final = ("Authorization", "Cookie", "Txn-Token", "X-Api-Key")
_PARTS: Final = re.compile(r"[\s;,=]+")
_encode: Final = msgspec.json.Encoder().encode


class Told(msgspec.Struct, frozen=True):
    """The answer of a one-time action.

    Attributes:
        content: JSON.
        crossing_id: Of this request.
        is_repeated: It was given before, to the same request: nothing was done now.
    """

    content: bytes
    crossing_id: str
    is_repeated: bool = False


class AnswerType:
    """The type of an action's answers.

    Args:
        declared: A `msgspec.Struct`; None where there is nothing to say, `{}`.

    Raises:
        BoundaryError: it is no Struct, or a field of it has the name of a secret.

    Source: OWASP API3:2023; CWE-200.
    """

    def __init__(self, declared: type[Any] | None) -> None:
        self.declared = declared
        if declared is None:
            return
        if not issubclass(declared, msgspec.Struct):
            raise BoundaryError(f"answer={declared.__name__}: declare a msgspec.Struct.")
        for field in _fields(declared, frozenset()):
            if _SECRET.fullmatch(field):
                raise BoundaryError(
                    f'answer={declared.__name__}: "{field}" has the name of a secret, and an '
                    "answer is kept. Leave it out, or let the client ask for it."
                )

    def encode(self, value: object, claim: Claim) -> bytes:
        """Return an answer as JSON.

        Raises:
            BoundaryError: it has another type, is over 4096 bytes, or holds a credential of the
                request. The effect is rolled back.
        """
        if self.declared is None:
            if value is not None:
                raise BoundaryError("the handler returns something, and declares no answer=.")
            return b"{}"
        if type(value) is not self.declared:
            raise BoundaryError(
                f"the handler returns {type(value).__name__}, not answer={self.declared.__name__}."
            )
        content = _encode(value)
        if len(content) > MAX_ANSWER_BYTES:
            raise BoundaryError(
                f"the answer has {len(content)} bytes, at most {MAX_ANSWER_BYTES} are kept."
            )
        if any(credential in content for credential in _shown(claim)):
            raise BoundaryError("the answer holds a credential that the request was made with.")
        return content


def _fields(declared: Any, seen: frozenset[Any]) -> list[str]:
    found: list[str] = []
    for name, hint in get_type_hints(declared).items():
        found.append(name)
        for inner in _structs(hint):
            if inner not in seen:
                found += _fields(inner, seen | {declared, inner})
    return found


def _structs(hint: Any) -> list[Any]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [hint]
    return [found for inner in get_args(hint) for found in _structs(inner)]


def _shown(claim: Claim) -> list[bytes]:
    lines = (line for name in _CREDENTIALS for line in claim.fields.all(name))
    parts = (part for line in lines for part in _PARTS.split(line))
    return [part.encode("utf-8", "replace") for part in parts if len(part) >= _MIN_CREDENTIAL]
