"""The radio playlists of Music Assistant, on aiohttp: a user names the station's playlist.

Follows github.com/music-assistant/server at commit 0101e27a, in our own words:
music_assistant/helpers/aiohttp_client.py `create_clientsession`, `_get_connector`,
music_assistant/helpers/playlists.py `fetch_playlist`, `parse_m3u`.

The line to change is `return MusicAssistantTCPConnector(...)` in aiohttp_client.py.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

import aiohttp
from aiohttp import client_exceptions
from yarl import URL

from tests.integrations.apps.told import Told

MAXIMUM_CONNECTIONS: Final = 4096
MAXIMUM_CONNECTIONS_PER_HOST: Final = 100
NewConnector = Callable[[], aiohttp.BaseConnector]


class InvalidDataError(Exception):
    """What its users are told; the clause that said so comes first."""


class MassClientResponse(aiohttp.ClientResponse):
    """A response whose JSON is read by the app's own reader."""

    async def json(self, *args: Any, loads: Any = json.loads, **named: Any) -> Any:
        return await super().json(*args, loads=loads, **named)


class MusicAssistantTCPConnector(aiohttp.TCPConnector):
    """The app's own connector: aiohttp's, slower to give up on closed connections."""

    _cleanup_closed_period = 60.0


def new_connector() -> aiohttp.BaseConnector:
    """Return what the app connects with."""
    return MusicAssistantTCPConnector(
        family=socket.AF_UNSPEC,
        enable_cleanup_closed=False,
        ssl=ssl.create_default_context(),
        limit=MAXIMUM_CONNECTIONS,
        limit_per_host=MAXIMUM_CONNECTIONS_PER_HOST,
    )


def encoded_request_url(url: str) -> str | URL:
    """Leave a URL that holds a percent sign as it is."""
    return URL(url, encoded=True) if "%" in url else url


def parse_m3u(text: str) -> list[str]:
    """Return where the entries of a playlist lead."""
    lines = (line.strip() for line in text.splitlines())
    return [line.replace("%20", " ") for line in lines if line and not line.startswith("#")]


async def fetch_playlist(session: aiohttp.ClientSession, url: str, seconds: float) -> list[str]:
    """Return the entries of a playlist. It looks at no status, and reads 64 KiB at most."""
    try:
        async with session.get(
            encoded_request_url(url),
            allow_redirects=True,
            timeout=aiohttp.ClientTimeout(total=seconds),
        ) as resp:
            try:
                raw_data = await resp.content.read(64 * 1024)
                text = raw_data.decode(resp.charset or "utf-8", errors="replace")
            except (ValueError, UnicodeDecodeError) as err:
                raise InvalidDataError("ValueError", f"{url} can't be decoded") from err
    except TimeoutError as err:
        raise InvalidDataError("TimeoutError", f"{url} didn't answer in time") from err
    except client_exceptions.ClientError as err:
        raise InvalidDataError("ClientError", f"{url} can't be fetched") from err
    playlist = parse_m3u(text)
    if not playlist:
        raise InvalidDataError("empty", f"{url} names nothing")
    return playlist


def ask(url: str, new_connector: NewConnector = new_connector, *, seconds: float = 5) -> Told:
    """Show the entries of a playlist."""

    async def work() -> Told:
        async with aiohttp.ClientSession(
            connector=new_connector(),
            json_serialize=json.dumps,
            response_class=MassClientResponse,
            headers={"User-Agent": "MusicAssistant/2 aiohttp"},
        ) as session:
            try:
                return Told(await fetch_playlist(session, url, seconds))
            except InvalidDataError as err:
                return Told(None, *err.args)

    return asyncio.run(work())
