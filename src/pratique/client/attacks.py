"""The attacks on a client boundary that this room's lock refuses, as data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from pratique.core.attack import Attack, Request
from pratique.core.obligation import ALLOWED, AUTHENTIC, FRESH, LINKED, VALID

CREDENTIALS: Final = ("Authorization", "Cookie", "DPoP")
PRIVILEGED: Final[dict[str, dict[str, Any]]] = {
    "CL-05": {"role": "admin", "is_admin": True, "tenant_id": 2, "owner_id": 2, "balance": 10**6},
    "CL-07": {"price": 1, "total": 1, "discount": 100, "exchange_rate": 0.01},
    "CL-09": {"state": "paid", "status": "paid"},
}
"""Members that no client may set, by the attack that sets them."""
_BY_METHOD: Final = {"GET": "CL-01", "HEAD": "CL-01", "DELETE": "CL-03"}


@dataclass(frozen=True, slots=True)
class Honest:
    """A request that is admitted.

    Args:
        request: As somebody sends it for what is theirs.
        foreign: The same by the same person for somebody else's object; None where the action has
            no object.
    """

    request: Request
    foreign: Request | None = None


def _of(id: str, pick: Callable[[Honest], Request | None]) -> Callable[[Honest], Request | None]:
    """Let an attack stand under the id of its method: reading, writing, deleting."""
    return lambda honest: (
        pick(honest) if _BY_METHOD.get(honest.request.method, "CL-02") == id else None
    )


def _by_nobody(honest: Honest) -> Request:
    return honest.request.without(CREDENTIALS)


def _by_a_word(honest: Honest) -> Request:
    """Say in other places who it is: there is no identity but the declared one (CWE-290)."""
    told = (("X-User-Id", "1"), ("X-User-Role", "admin"), ("X-Forwarded-User", "admin"))
    return _by_nobody(honest).having(told)


def _forged(honest: Honest) -> Request | None:
    """Change the last part of the credential."""
    lines = [
        (name, value[:-5] + ("AAAAA" if value[-5:] != "AAAAA" else "BBBBB"))
        for name, value in honest.request.fields
        if name.lower() in ("authorization", "cookie") and len(value) > 5  # noqa: PLR2004
    ]
    return honest.request.having(lines) if lines else None


def _also(name: str, value: object) -> Callable[[Honest], Request | None]:
    def made(honest: Honest) -> Request | None:
        members = honest.request.members()
        if members is None or name in members:
            return None
        return honest.request.saying({**members, name: value})

    return made


def _privileged() -> Iterator[Attack]:
    for number, members in PRIVILEGED.items():
        for name, value in members.items():
            yield Attack(number, f"the client sets {name}", (VALID,), _also(name, value))


def _no_object(honest: Honest) -> Request | None:
    if honest.request.members() is None:
        return None
    return replace(honest.request, content=b"[" + honest.request.content + b"]")


ATTACKS: Final[tuple[Attack, ...]] = (
    *(
        attack
        for number in ("CL-01", "CL-02", "CL-03")
        for attack in (
            Attack(number, "by nobody", (AUTHENTIC,), _of(number, _by_nobody)),
            Attack(number, "by whom a field names", (AUTHENTIC,), _of(number, _by_a_word)),
            Attack(number, "by a forged credential", (AUTHENTIC, FRESH), _of(number, _forged)),
            Attack(
                number,
                "somebody else's object",
                (LINKED, ALLOWED),
                _of(number, lambda h: h.foreign),
            ),
        )
    ),
    *_privileged(),
    Attack("CL-16", "a list where an object is due", (VALID,), _no_object),
)
"""Each reads and changes nothing."""
