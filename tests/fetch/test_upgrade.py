"""A host that switches to another protocol is refused: nothing that follows would be bounded."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from pratique.core.refusal import Refused
from pratique.fetch import PUBLIC, FetchPolicy
from pratique.integrations.aiohttp import FetchConnector
from tests.fetch.clients import CLIENTS
from tests.fetch.world import World, reply

GOOD = "93.184.215.14"
ANYTHING = FetchPolicy(hosts=PUBLIC, schemes={"http"}, content_types={"*/*"})
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: x\r\n\r\n\x81\x02hi"
)


@pytest.mark.parametrize("get", CLIENTS.values(), ids=CLIENTS.keys())
def test_a_switch_of_protocols_is_refused(
    world: World, get: Callable[..., list[tuple[int, bytes]]]
) -> None:
    """Whatever types are admitted; a plain answer of the same host arrives."""
    world.names["a.test"] = [GOOD]
    world.server.answer = lambda _: SWITCH
    with pytest.raises(Refused) as caught:
        get(ANYTHING, ["http://a.test/"], headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    assert (caught.value.code, caught.value.status) == ("upgraded", 502)
    world.server.answer = lambda _: reply()
    assert get(ANYTHING, ["http://a.test/"]) == [(200, b"OK-FINAL")]


def test_a_websocket_of_aiohttp_is_refused(world: World) -> None:
    """By http: and by ws:, which is no scheme of a policy; never another exception."""
    world.names["a.test"] = [GOOD]
    world.server.answer = lambda _: SWITCH

    async def code_of(url: str) -> Any:
        async with aiohttp.ClientSession(connector=FetchConnector(ANYTHING)) as session:
            with pytest.raises(Refused) as caught:
                await session.ws_connect(url)
            return caught.value.code

    assert asyncio.run(code_of("http://a.test/")) == "upgraded"
    assert asyncio.run(code_of("ws://a.test/")) == "scheme_not_allowed"
