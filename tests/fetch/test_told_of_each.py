"""What is told of what is fetched for one user while another one's URLs are refused again and again."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from pratique import Perimeter, Refused
from pratique.core.event import Outcome
from pratique.core.recorder import KNOWN_A_MINUTE
from pratique.fetch import PUBLIC, Fetch, FetchPolicy
from tests.fetch.world import World, reply
from tests.sink import Kept

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize("is_async", [False, True])
def test_whoever_has_much_refused_hides_nobody_elses_refusal(
    world: World, *, is_async: bool
) -> None:
    """EV-05: of each user's as many are told; hers that is fine is fetched, and told too (CWE-223, CWE-770)."""
    world.names["a.test"] = ["93.184.215.14"]
    world.server.answer = lambda seen: (
        reply() if seen.target == "/fine" else reply(302, b"", Location="http://10.0.0.1/")
    )
    kept = Kept()
    perimeter = Perimeter(events=kept, clock=lambda: NOON)
    policy = FetchPolicy(
        hosts=PUBLIC, schemes={"http"}, ports={80}, redirects=1, content_types={"text/html"}
    )
    previews = perimeter.declare(Fetch("previews", policy))

    async def fetch(path: str, who: str) -> None:
        url = f"http://a.test{path}"
        with suppress(Refused):
            if is_async:
                await previews.aget(url, principal=who)
            else:
                previews.get(url, principal=who)

    def told(outcome: Outcome) -> list[str]:
        return [record.code for record in kept.records if record.outcome is outcome]

    async def work() -> None:
        async with perimeter:
            for _ in range(KNOWN_A_MINUTE + 2):
                await fetch("/", "mallory")
            assert len(told(Outcome.REFUSED)) == KNOWN_A_MINUTE
            for _ in range(9):
                await fetch("/", "alice")
            assert len(told(Outcome.REFUSED)) == KNOWN_A_MINUTE + 9
            assert len(set(told(Outcome.REFUSED))) == 1
            await fetch("/fine", "alice")
            assert len(told(Outcome.PROVEN)) == 1

    asyncio.run(work())
