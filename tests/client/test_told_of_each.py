"""What is told of one client's refusals while another one floods: each principal has a bound of its own."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest

from pratique import Perimeter
from pratique.client import BearerToken, Client, Session, SessionCookie
from pratique.client.identity import Identity
from pratique.core.claim import Claim, Fields, Via
from pratique.core.event import Outcome
from pratique.core.proofs.authentic.jwt import TokenPolicy
from pratique.core.recorder import KNOWN_A_MINUTE
from pratique.core.refusal import Refused
from tests.client.test_bearer import NOON, OLD, bearer, jwks, token
from tests.sink import Kept

MALLORY, ALICE = "mallory-7", "alice-1"
Line = tuple[str, str]
Known = tuple[Identity, Callable[[str], Line]]


def by_token(revoked: Any) -> Known:
    """Return who is known by a token, and the field in which somebody shows one."""
    policy = TokenPolicy(
        issuer="https://id.example",
        audience="https://shop.example",
        algorithms=("EdDSA",),
        type="at+jwt",
        keys=jwks(("old", OLD)),
    )
    return BearerToken(policy, revoked=revoked), lambda who: bearer(token(sub=who))


def by_cookie(revoked: Any) -> Known:
    """Return who is known by a session, and the field in which somebody shows one."""
    kept = {
        sha256(who.ljust(32, "x").encode()).hexdigest(): Session(who, NOON, NOON)
        for who in (MALLORY, ALICE)
    }
    identity = SessionCookie("session", kept.get, origins=["https://shop.example"], revoked=revoked)
    return identity, lambda who: ("Cookie", f"session={who.ljust(32, 'x')}")


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("identity_by", [by_token, by_cookie])
@pytest.mark.parametrize("code", ["not_allowed", "revoked"])
def test_whoever_is_refused_often_hides_nobody_elses_refusal(
    identity_by: Callable[[Any], Known], code: str, *, is_async: bool
) -> None:
    """EV-05: one account's flood is told up to its bound; the next one's refusal and success all are (CWE-223, CWE-770)."""
    is_over = code == "revoked"
    identity, shown_by = identity_by(lambda _: is_over)
    kept = Kept()
    perimeter = Perimeter(events=kept, clock=lambda: NOON)
    is_fine: list[bool] = []
    client = Client(
        "shop", identity=identity, user=lambda subject: subject, policy=lambda *_: bool(is_fine)
    )
    me = perimeter.declare(client).action("me")

    def refused(outcome: Outcome = Outcome.REFUSED) -> int:
        return sum(record.outcome is outcome for record in kept.records)

    async def ask(who: str) -> None:
        claim = Claim(b"", Fields([shown_by(who)]), NOON, Via(method="GET"))
        with suppress(Refused):
            if is_async:
                await perimeter.acarry(client, claim, me.flow)
            else:
                perimeter.carry(client, claim, me.flow)

    async def work() -> None:
        nonlocal is_over
        async with perimeter:
            for _ in range(KNOWN_A_MINUTE + 5):
                await ask(MALLORY)
            assert refused() == KNOWN_A_MINUTE
            assert {record.code for record in kept.records} == {code}
            await ask(ALICE)
            assert refused() == KNOWN_A_MINUTE + 1
            is_over = False
            is_fine.append(True)
            await ask(MALLORY)
            assert refused(Outcome.PROVEN) == 1

    asyncio.run(work())
