"""An observed policy judges and records, and lets everything go on as it was, until its day."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests

from pratique import unsafe
from pratique.core.recorder import Recorder
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.threads import Tally
from pratique.fetch import AsyncFetcher, Fetcher, FetchPolicy, boundary
from pratique.integrations import httpx as on_httpx
from pratique.integrations import httpx2 as on_httpx2
from pratique.integrations.aiohttp import FetchConnector
from pratique.integrations.requests import FetchAdapter
from tests.fetch.world import World, reply
from tests.sink import Kept

TODAY = datetime.now(UTC).date()


class Observed(Kept):
    """Keeps every record, and has the recorder that emits them."""

    def __init__(self) -> None:
        super().__init__()
        self.recorder = Recorder((self,), count=Tally().add)

    def outcomes(self) -> list[tuple[str, str]]:
        return [(record.outcome, record.code) for record in self.records]


def policy(until: date = TODAY + timedelta(days=30)) -> FetchPolicy:
    """Return an observed policy of one host."""
    observe = unsafe.observe(until=until, reason="taken into the old importer", owner="import")
    return FetchPolicy(hosts={"good.test"}, schemes={"http"}, observe=observe)


def by_client(library: Any, door: Any) -> Any:
    """Return a way to fetch by httpx, or httpx2."""

    def get(kept: Observed, url: str) -> int:
        transport = door.FetchTransport(policy(), recorder=kept.recorder)
        with library.Client(transport=transport) as client:
            return int(client.get(url).status_code)

    return get


def by_async_client(library: Any, door: Any) -> Any:
    """Return the same by the async client."""

    async def get(kept: Observed, url: str) -> int:
        transport = door.AsyncFetchTransport(policy(), recorder=kept.recorder)
        async with library.AsyncClient(transport=transport) as client:
            return int((await client.get(url)).status_code)

    return get


def by_requests(kept: Observed, url: str) -> int:
    """Fetch by requests."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", FetchAdapter(policy(), recorder=kept.recorder))
        return session.get(url).status_code


async def by_aiohttp(kept: Observed, url: str) -> int:
    """Fetch by aiohttp."""
    connector = FetchConnector(policy(), recorder=kept.recorder)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
        return answer.status


WAYS: dict[str, Any] = {
    "httpx": by_client(httpx, on_httpx),
    "async httpx": by_async_client(httpx, on_httpx),
    "httpx2": by_client(httpx2, on_httpx2),
    "async httpx2": by_async_client(httpx2, on_httpx2),
    "requests": by_requests,
    "aiohttp": by_aiohttp,
}


async def got(way: str, kept: Observed, url: str) -> int:
    """Fetch in one of the ways."""
    found = WAYS[way](kept, url)
    return int(await found if hasattr(found, "__await__") else found)


@pytest.fixture
def kept(world: World) -> Observed:
    """Give the records, and the names."""
    world.names.update(
        {
            "good.test": ["93.184.215.14"],
            "other.test": ["151.101.1.69"],
            "inside.test": ["10.0.0.1"],
        }
    )
    return Observed()


@pytest.mark.parametrize("way", WAYS)
async def test_it_lets_go_on_and_says_what_it_would_do(
    world: World, kept: Observed, way: str
) -> None:
    """What it would refuse and what it would admit both arrive; the events tell them apart."""
    assert await got(way, kept, "http://good.test/") == 200
    assert await got(way, kept, "http://other.test/") == 200
    assert kept.outcomes() == [("would_admit", "observed"), ("would_refuse", "host_not_allowed")]
    assert len(world.server.seen) == 2


@pytest.mark.parametrize("way", [way for way in WAYS if way != "aiohttp"])
async def test_it_judges_the_head_of_an_answer(world: World, kept: Observed, way: str) -> None:
    """A type that the policy doesn't name would be refused; it arrives all the same."""
    world.server.answer = lambda _: reply(200, b"<svg/>", Content_Type="image/svg+xml")
    assert await got(way, kept, "http://good.test/") == 200
    assert kept.outcomes() == [("would_refuse", "content_type")]


@pytest.mark.parametrize("way", WAYS)
async def test_after_its_day_it_enforces(
    world: World, kept: Observed, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day comes while the process runs: from then on what was told is refused."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Later":
            return cls.fromtimestamp(datetime.now(tz).timestamp() + 40 * 86400, tz)

    monkeypatch.setattr(boundary, "datetime", Later)
    with pytest.raises(Refused) as caught:
        await got(way, kept, "http://other.test/")
    assert caught.value.code == "host_not_allowed"
    assert await got(way, kept, "http://good.test/") == 200
    assert kept.outcomes() == [("refused", "host_not_allowed"), ("proven", "")]


def test_it_observes_for_ninety_days_at_the_most() -> None:
    """Longer, or over already, it isn't made: somebody has to look."""
    for until in (TODAY + timedelta(days=91), TODAY):
        with pytest.raises(BoundaryError):
            policy(until)
    assert policy(TODAY + timedelta(days=90)).observe is not None


def test_what_proves_does_not_observe() -> None:
    """A fetcher would have nothing to return."""
    for kind in (Fetcher, AsyncFetcher):
        with pytest.raises(BoundaryError, match="adapter"):
            kind(policy())
