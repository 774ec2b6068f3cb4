"""The attacks on a service boundary that this room's lock refuses, as data."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from pratique.core.attack import Attack, Request
from pratique.core.obligation import ALLOWED, AUTHENTIC, FRESH, LINKED, VALID
from pratique.core.proofs.authentic.base64url import decode, encode

CREDENTIALS: Final = ("Authorization", "Txn-Token", "X-Forwarded-Client-Cert")
_PARTS: Final = 3
_REFUSED: Final = (AUTHENTIC, FRESH, LINKED, ALLOWED, VALID)


@dataclass(frozen=True, slots=True)
class Honest:
    """A call that is admitted.

    Args:
        request: As the calling service sends it for one of its users.
        foreign: The same for an object that isn't that user's; None where the action has none.
    """

    request: Request
    foreign: Request | None = None


def _by_nobody(honest: Honest) -> Request:
    return honest.request.without(CREDENTIALS)


def _by_a_word(name: str, value: str) -> Callable[[Honest], Request]:
    return lambda honest: _by_nobody(honest).having([(name, value)])


def _without(name: str) -> Callable[[Honest], Request | None]:
    def made(honest: Honest) -> Request | None:
        bare = honest.request.without([name])
        return bare if bare.fields != honest.request.fields else None

    return made


def _with_token(change: Callable[[list[str]], str]) -> Callable[[Honest], Request | None]:
    """Change every token of a request that has three parts."""

    def made(honest: Honest) -> Request | None:
        lines: list[tuple[str, str]] = []
        for name, value in honest.request.fields:
            scheme, _, token = value.rpartition(" ")
            parts = token.split(".")
            if name.lower() in ("authorization", "txn-token") and len(parts) == _PARTS:
                lines.append((name, f"{scheme} {change(parts)}".strip()))
        return honest.request.having(lines) if lines else None

    return made


def _headed(**members: Any) -> Callable[[list[str]], str]:
    """Return what writes members into a token's header; without "alg" its signature stays."""

    def change(parts: list[str]) -> str:
        raw = decode(parts[0].encode())
        head = cast("dict[str, Any]", json.loads(raw or b"{}"))
        head.update(members)
        signature = "" if "alg" in members else parts[2]
        return f"{encode(json.dumps(head).encode())}.{parts[1]}.{signature}"

    return change


def _resigned(parts: list[str]) -> str:
    return f"{parts[0]}.{parts[1]}.{encode(bytes(64))}"


def _unsigned() -> Iterator[Attack]:
    for word in ("none", "None", "NONE", "nOnE"):
        yield Attack("SV-04", f"alg {word}", _REFUSED, _with_token(_headed(alg=word)))


ATTACKS: Final[tuple[Attack, ...]] = (
    Attack("SV-01", "by nobody", _REFUSED, _by_nobody),
    Attack("SV-01", "by no service", _REFUSED, _without("Authorization")),
    Attack("SV-01", "for no user", _REFUSED, _without("Txn-Token")),
    *(
        Attack("SV-02", f"by whom {name} names", _REFUSED, _by_a_word(name, "admin"))
        for name in ("X-User-Role", "X-Authenticated-User-Id", "X-User-Id", "X-Roles")
    ),
    *_unsigned(),
    Attack("SV-05", "signed with no key of the issuer", _REFUSED, _with_token(_resigned)),
    Attack(
        "SV-07",
        "a key of the sender's own choice",
        _REFUSED,
        _with_token(_headed(jku="https://keys.evil.test/", jwk={"kty": "OKP"})),
    ),
    Attack("SV-08", "a key from another path", _REFUSED, _with_token(_headed(kid="../../key"))),
    Attack("SV-18", "another one's object", (LINKED, ALLOWED, AUTHENTIC), lambda h: h.foreign),
)  # fmt: skip
"""Each reads and changes nothing."""
