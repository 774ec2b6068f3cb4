"""aiohttp's connector says what is ours to mend, and has no way in beside its gate."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pratique.core.refusal import BoundaryError, Refused
from pratique.fetch import PUBLIC, FetchPolicy
from pratique.integrations.aiohttp import FetchConnector
from pratique.integrations.aiohttp.bounded import Bounded
from tests.fetch.world import World, small_internet

POLICY = FetchPolicy(hosts=PUBLIC, schemes={"http"})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """Give a small internet on loopback."""
    with small_internet(monkeypatch, tmp_path) as made:
        made.names["a.test"] = ["93.184.215.14"]
        yield made


@pytest.mark.parametrize(
    "option", [{"ssl": False}, {"verify_ssl": False}, {"family": 2}, {"use_dns_cache": True}]
)
async def test_what_the_policy_decides_is_no_option(option: dict[str, Any]) -> None:
    """Ours to mend, so a BoundaryError like every other; an option of aiohttp's own is taken."""
    with pytest.raises(BoundaryError, match="the policy decides that"):
        FetchConnector(POLICY, **option)
    async with FetchConnector(POLICY, limit=4):
        pass


class Closed(asyncio.Transport):
    """A transport that only knows whether it was closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


async def test_a_part_that_is_used_without_the_gate_is_refused(world: World) -> None:
    """Not for time: nothing was waited for. By a session, the same parts connect and read."""
    async with FetchConnector(POLICY) as connector:
        with pytest.raises(aiohttp.ClientConnectionError) as resolving:
            await connector._resolve_host("a.test", 80)
        caught = resolving.value
        assert isinstance(caught, Refused)
        assert (caught.code, caught.status) == ("ungated", 500)
        assert not isinstance(caught, TimeoutError)
        bounded, transport = Bounded(asyncio.get_running_loop(), POLICY), Closed()
        bounded.connection_made(transport)
        bounded.set_response_params()
        bounded.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert (len(bounded), transport.is_closed) == (0, True)
        assert world.server.seen == []
        session = aiohttp.ClientSession(connector=connector)
        async with session, session.get("http://a.test/") as answer:
            assert answer.status == 200
